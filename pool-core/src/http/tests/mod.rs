//! Exchanges against scripted peers over in-memory pipes. Time is paused: a wait that nobody ends costs nothing.

/// HTTP/1.1 as hyper speaks it.
#[path = "."]
mod hyper {
    use super::*;

    const ENGINE: Http1Engine = Http1Engine::Hyper;

    mod h1;
    mod h1_faults;
}

/// The same as this crate speaks it.
#[expect(clippy::duplicate_mod, reason = "one set of peers, two engines")]
#[path = "."]
mod inline {
    use super::*;

    const ENGINE: Http1Engine = Http1Engine::Inline;

    mod h1;
    mod h1_faults;
}

/// HTTP/2 as the h2 crate opens it.
#[path = "."]
mod plain {
    use super::*;

    fn settings() -> HttpSettings {
        HttpSettings::default()
    }

    fn with_stream_window(bytes: u32) -> HttpSettings {
        HttpSettings {
            stream_window: bytes,
            ..settings()
        }
    }

    mod h2;
    mod h2_faults;
    mod ping;
}

/// The same in a profile's dress.
#[expect(clippy::duplicate_mod, reason = "one set of peers, two openings")]
#[path = "."]
mod dressed {
    use super::*;
    use crate::http::h2::chromium;

    fn settings() -> HttpSettings {
        in_dress(chromium())
    }

    fn with_stream_window(bytes: u32) -> HttpSettings {
        let mut spec = chromium();
        spec.settings.push((4, bytes));
        in_dress(spec)
    }

    mod h2;
    mod h2_faults;
    mod ping;
}

mod inline_only;
mod openings;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use pool_tls::spec::Http2Spec;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::h2::Dress;
use super::*;
use crate::config::Http1Engine;
use crate::info::{ConnFacts, ConnId, Protocol};
use crate::key::{Key, Scheme};
use crate::manager::{CloseReason, ConnectionManager, Entry, NewConn};

/// Lets paused time pass: it moves only when no task can run, so whatever was due by then has happened.
pub(super) async fn pass(time: Duration) {
    // fault: the time that a deadline or a silence needs.
    tokio::time::sleep(time).await;
}

fn key() -> Key {
    Key::new(Scheme::Https, "a.test", 443)
}

fn in_dress(spec: Http2Spec) -> HttpSettings {
    HttpSettings {
        dress: Some(Arc::new(Dress::new(spec).unwrap())),
        ..HttpSettings::default()
    }
}

/// What the owner of a connection hears, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Limit(usize),
    Draining(CloseReason),
    Closed(CloseReason),
    /// A lease came back; with a reason if it was discarded.
    Returned(Option<CloseReason>),
}

struct Owner(mpsc::UnboundedSender<Event>);

impl Owner {
    fn hear(&self, event: Event) {
        // A test that has seen enough no longer listens.
        let _unheard = self.0.send(event);
    }
}

impl ConnEvents for Owner {
    fn stream_limit(&self, limit: usize) {
        self.hear(Event::Limit(limit));
    }
    fn draining(&self, reason: CloseReason) {
        self.hear(Event::Draining(reason));
    }
    fn closed(&self, reason: CloseReason) {
        self.hear(Event::Closed(reason));
    }
}

/// A connection that stays although its manager lets go of it.
pub(super) struct Held(Arc<Entry<HttpConn>>);

impl std::ops::Deref for Held {
    type Target = HttpConn;
    fn deref(&self) -> &HttpConn {
        self.0.value()
    }
}

/// A try that failed, with the request if it can be sent again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) evidence: Evidence,
    pub(super) request: Option<Request<Body>>,
    pub(super) error: Error,
}

/// A connection with its driver running, and its owner's ear.
pub(super) struct Rig {
    pub(super) conn: Held,
    manager: ConnectionManager<HttpConn>,
    sender: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Rig {
    pub(super) async fn h1(engine: Http1Engine, io: impl pool_tls::Io + 'static) -> Self {
        let settings = HttpSettings {
            http1_engine: engine,
            ..HttpSettings::default()
        };
        Self::start(io, Protocol::Http1, &settings).await
    }

    pub(super) async fn h2(io: impl pool_tls::Io + 'static, settings: &HttpSettings) -> Self {
        Self::start(io, Protocol::Http2, settings).await
    }

    async fn start(
        io: impl pool_tls::Io + 'static,
        protocol: Protocol,
        settings: &HttpSettings,
    ) -> Self {
        let facts = facts(protocol);
        let (conn, driver) =
            HttpConn::handshake(Box::new(io), protocol, settings, facts, &Handle::current())
                .await
                .unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(driver.run(Arc::new(Owner(sender.clone()))));
        let manager = ConnectionManager::new(&crate::config::Limits::default());
        let target = conn.facts().target;
        // Shared by as many leases as a test wants, whatever the protocol: who may have one is not the subject here.
        let conn = NewConn::multiplexed(target, conn, usize::MAX);
        let _added = manager.add(&key(), conn).unwrap();
        let held = manager.host(&key()).entries().remove(0);
        Self {
            conn: Held(held),
            manager,
            sender,
            events,
        }
    }

    pub(super) fn lease(&self) -> Lease<HttpConn> {
        let owner = Owner(self.sender.clone());
        let lease = self
            .manager
            .try_acquire(&key())
            .expect("a connection that was not discarded");
        lease.with_witness(move |discarded| owner.hear(Event::Returned(discarded)))
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<PoolBody>, Failed> {
        self.send_within(request, &ExchangeTerms::default()).await
    }

    pub(super) async fn send_within(
        &self,
        mut request: Request<Body>,
        terms: &ExchangeTerms,
    ) -> Result<Response<PoolBody>, Failed> {
        let info = ConnInfo {
            id: ConnId(7),
            facts: self.conn.facts().clone(),
            reused: false,
            age: Duration::ZERO,
            wait: Duration::ZERO,
            attempts: 1,
        };
        let tried = exchange(self.lease(), &mut request, terms, info).await;
        tried.map_err(|failed| Failed {
            evidence: failed.evidence,
            request: failed.resendable.then_some(request),
            error: failed.error,
        })
    }

    pub(super) async fn next(&mut self) -> Event {
        self.events.recv().await.expect("the rig holds a sender")
    }

    /// Waits for the socket to close and for one lease, in either order: whoever held the lease need not have looked.
    ///
    /// Returns why the socket closed and what the lease said.
    pub(super) async fn end(&mut self) -> (CloseReason, Option<CloseReason>) {
        match (self.next().await, self.next().await) {
            (Event::Closed(reason), Event::Returned(discarded))
            | (Event::Returned(discarded), Event::Closed(reason)) => (reason, discarded),
            other => panic!("not an end: {other:?}"),
        }
    }

    /// Whether nothing has happened yet, after everybody who can run has run.
    pub(super) async fn is_quiet(&mut self) -> bool {
        // Paused time moves only when no task can run.
        pass(Duration::from_millis(1)).await;
        self.events.is_empty()
    }
}

fn facts(protocol: Protocol) -> Arc<ConnFacts> {
    Arc::new(ConnFacts {
        target: "192.0.2.1:443".parse().unwrap(),
        source: None,
        leased: None,
        protocol,
        profile: None,
        fidelity: None,
        resumed: false,
        certificate_expires: None,
    })
}

pub(super) fn get() -> Request<Body> {
    Request::get("https://a.test/x")
        .body(Body::empty())
        .unwrap()
}

pub(super) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("https://a.test/x").body(body.into()).unwrap()
}

/// A body fed by hand, and what feeds it. Dropping the feed ends the body.
pub(super) fn fed() -> (mpsc::UnboundedSender<http_body::Frame<Bytes>>, Body) {
    let (feed, pieces) = mpsc::unbounded_channel();
    (feed, Body::wrap(Fed(pieces)))
}

struct Fed(mpsc::UnboundedReceiver<http_body::Frame<Bytes>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

pub(super) fn piece(text: &'static str) -> http_body::Frame<Bytes> {
    http_body::Frame::data(Bytes::from_static(text.as_bytes()))
}

pub(super) fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, value.parse().unwrap());
    trailers
}

pub(super) async fn text(response: Response<PoolBody>) -> String {
    let bytes = response.into_body().bytes().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Reads up to and including `end`.
pub(super) async fn read_until(peer: &mut DuplexStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(peer.read_u8().await.expect("the client keeps talking"));
    }
    String::from_utf8(read).unwrap()
}

/// An HTTP/2 peer that writes frames by hand.
pub(super) struct RawPeer(pub(super) DuplexStream);

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// `:status: 200` in HPACK.
pub(super) const STATUS_200: &[u8] = &[0x88];
/// `:status: 413` in HPACK.
pub(super) const STATUS_413: &[u8] = &[0x08, 3, b'4', b'1', b'3'];

impl RawPeer {
    /// Takes the client's preface and sends an empty SETTINGS.
    pub(super) async fn greet(mut io: DuplexStream) -> Self {
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        let mut peer = Self(io);
        peer.write(SETTINGS, 0, 0, &[]).await;
        peer
    }

    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame: its kind, flags, stream and payload.
    pub(super) async fn any(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.unwrap();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        (head[3], head[4], stream, payload)
    }

    /// Reads frames up to one of this kind: its flags, stream and payload.
    pub(super) async fn read(&mut self, kind: u8) -> (u8, u32, Vec<u8>) {
        loop {
            let (found, flags, stream, payload) = self.any().await;
            if found == kind && !(kind == SETTINGS && flags & ACK != 0) {
                return (flags, stream, payload);
            }
        }
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    pub(super) async fn limit_streams(&mut self, limit: u32) {
        let payload = [&[0, 3][..], &limit.to_be_bytes()].concat();
        self.write(SETTINGS, 0, 0, &payload).await;
    }
}

#[test]
fn what_the_pool_moves_between_threads_can_be_moved() {
    const WITHOUT_END: &ExchangeTerms = &ExchangeTerms {
        response_head: None,
        body_idle: None,
        looked_at: false,
    };
    fn sends<F: Send>(_: impl FnOnce(Lease<HttpConn>, ConnInfo) -> F) {}
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}

    sends(|lease, info| async move {
        let mut request = get();
        exchange(lease, &mut request, WITHOUT_END, info).await
    });
    is_send::<Response<PoolBody>>();
    is_send::<Running>();
    is_shared::<HttpConn>();
}
