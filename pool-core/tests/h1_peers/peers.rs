//! Pools that speak HTTP/1.1 with either engine, to peers of which a test writes every byte.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use pool_core::config::Http1Engine;
use pool_core::testing::{Alpn, Peer, PeerConn};
use pool_core::{
    Body, Config, ConnInfo, Connect, ConnectContext, ConnectError, Connected, Error, Event,
    LiteralResolver, Observer, Pool, PoolBody, PoolBuilder, StaticResolver,
};
use pool_tls::{Roots, RustlsConnector};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What no request that works comes near.
const LONG: Duration = Duration::from_secs(300);

/// Runs a test with either engine; one that hangs fails.
pub(crate) async fn with_both(test: impl AsyncFn(Http1Engine)) {
    for engine in [Http1Engine::Hyper, Http1Engine::Inline] {
        let done = tokio::time::timeout(LONG, test(engine)).await;
        done.unwrap_or_else(|_late| panic!("{engine:?} hangs"));
    }
}

/// The defaults, with this engine.
pub(crate) fn h1(engine: Http1Engine) -> Config {
    let mut config = Config::default();
    config.http1.engine = engine;
    config
}

/// A pool and the only peer that it can reach, over sockets.
pub(crate) struct World {
    pub(crate) pool: Pool,
    pub(crate) peer: Peer,
    pub(crate) url: String,
    heard: UnboundedReceiver<Heard>,
}

impl World {
    /// In plain text.
    pub(crate) async fn plain(config: Config) -> Self {
        let peer = Peer::listen(LOOPBACK).await.expect("a free port");
        Self::new(config, peer, Pool::builder(), "http")
    }

    /// With TLS.
    pub(crate) async fn tls(config: Config) -> Self {
        let peer = Peer::listen_tls(LOOPBACK, "a.test", Alpn::Http1).await;
        let peer = peer.expect("a free port");
        let ca = peer.ca_pem().expect("a TLS peer");
        let tls = RustlsConnector::builder().roots(Roots::None);
        let tls = tls.add_ca_pem(ca.as_bytes()).expect("a root");
        let tls = Arc::new(tls.build().expect("a connector"));
        Self::new(config, peer, Pool::builder().tls(tls), "https")
    }

    fn new(config: Config, peer: Peer, builder: PoolBuilder, scheme: &str) -> Self {
        let port = peer.addr().port();
        let resolver = StaticResolver::default();
        resolver.set("a.test", port, vec![peer.addr()]);
        let (ear, heard) = Ear::new();
        let builder = builder.config(config).resolver(Arc::new(resolver));
        let pool = builder.observer(Arc::new(ear)).build();
        Self {
            pool: pool.expect("a pool"),
            peer,
            url: format!("{scheme}://a.test:{port}/"),
            heard,
        }
    }

    pub(crate) async fn accept(&self) -> PeerConn {
        self.peer.accept().await.expect("a connection")
    }

    pub(crate) fn get(&self) -> Request<Body> {
        Request::get(&self.url)
            .body(Body::empty())
            .expect("a request")
    }

    pub(crate) fn post(&self, body: impl Into<Body>) -> Request<Body> {
        Request::post(&self.url)
            .body(body.into())
            .expect("a request")
    }

    /// Sends `request` to a new connection, which reads up to `until` and says `answer`.
    pub(crate) async fn meet(
        &self,
        request: Request<Body>,
        until: &str,
        answer: &[u8],
    ) -> (Result<Response<PoolBody>, Error>, PeerConn) {
        let serve = async {
            let mut conn = self.accept().await;
            conn.serve(until, answer).await;
            conn
        };
        tokio::join!(self.pool.request(request), serve)
    }

    /// Whether a request is answered on a connection opened for it.
    pub(crate) async fn works_on_a_fresh_one(&self) -> PeerConn {
        let (response, conn) = self.meet(self.get(), END, OK).await;
        let response = response.expect("a response");
        assert!(!info(&response).reused);
        assert_eq!(text(response).await.expect("a body"), "ok");
        conn
    }

    /// Whether a request is answered on this connection, which has served before.
    pub(crate) async fn works_again_on(&self, conn: &mut PeerConn) {
        let serve = conn.serve(END, OK);
        let (response, ()) = tokio::join!(self.pool.request(self.get()), serve);
        let response = response.expect("a response");
        assert_eq!(text(response).await.expect("a body"), "ok");
    }

    /// Waits until a connection has closed, and says why.
    pub(crate) async fn closed(&mut self) -> &'static str {
        loop {
            if let Heard::Closed(reason) = self.hear().await {
                return reason;
            }
        }
    }

    /// Waits until the host is in quarantine, and says for how long.
    pub(crate) async fn quarantined(&mut self) -> Duration {
        loop {
            if let Heard::Quarantined(duration) = self.hear().await {
                return duration;
            }
        }
    }

    async fn hear(&mut self) -> Heard {
        self.heard.recv().await.expect("the pool lives")
    }

    pub(crate) fn reasons(&self) -> Vec<(&'static str, u64)> {
        reasons(&self.pool)
    }
}

/// What ends the head of a request without a body.
pub(crate) const END: &str = "\r\n\r\n";

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The far end of a connection.
pub(crate) trait Serve: AsyncRead + AsyncWrite + Unpin {
    /// Reads up to `until`, which may be nothing, and says `answer`.
    async fn serve(&mut self, until: &str, answer: &[u8]) {
        self.request(until).await;
        self.say(answer).await;
    }

    /// Reads up to `until`.
    async fn request(&mut self, until: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(until.as_bytes()) {
            read.push(self.read_u8().await.expect("a request"));
        }
        String::from_utf8(read).expect("text")
    }

    /// Reads until the pool has closed, in order or, where it leaves something unread, with RST.
    async fn is_left(&mut self) {
        let mut rest = Vec::new();
        let _reset = self.read_to_end(&mut rest).await;
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.write_all(bytes).await.expect("a reader");
        self.flush().await.expect("a reader");
    }

    /// Says `bytes` again and again, until nobody takes them: how many were taken. What is not taken at once is not
    /// taken, so whoever could take some must have had its turn.
    async fn say_for_ever(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for byte in bytes.iter().cycle() {
            let written = pin!(self.write_u8(*byte)).now_or_never();
            match written {
                Some(Ok(())) => taken += 1,
                Some(Err(_)) => return taken,
                None => {
                    everything_has_happened().await;
                    if !matches!(pin!(self.write_u8(*byte)).now_or_never(), Some(Ok(()))) {
                        return taken;
                    }
                    taken += 1;
                }
            }
        }
        taken
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Serve for T {}

/// A pool that dials into the returned network, in memory, where time can be paused.
pub(crate) fn in_memory(config: Config) -> (Pool, Network) {
    let (dialled, dials) = unbounded_channel();
    let pool = Pool::builder()
        .config(config)
        .resolver(Arc::new(LiteralResolver))
        .connect(Arc::new(Wires(dialled)))
        .build();
    (pool.expect("a pool"), Network { dials })
}

/// An address that no resolver is needed for.
pub(crate) const URL: &str = "http://192.0.2.1/";

/// How much a pipe in memory holds, each way.
pub(crate) const PIPE: usize = 4 * 1024;

/// The far side.
pub(crate) struct Network {
    dials: UnboundedReceiver<DuplexStream>,
}

impl Network {
    pub(crate) async fn accept(&mut self) -> DuplexStream {
        self.dials.recv().await.expect("the pool lives")
    }
}

#[derive(Debug)]
struct Wires(UnboundedSender<DuplexStream>);

#[async_trait]
impl Connect for Wires {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let (near, far) = duplex(PIPE);
        // A network that is gone closes every connection at once.
        let _gone = self.0.send(far);
        Ok(Connected::new(Box::new(near), None))
    }
}

pub(crate) async fn text(response: Response<PoolBody>) -> Result<String, Error> {
    let bytes: Bytes = response.into_body().bytes().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn info(response: &Response<PoolBody>) -> &ConnInfo {
    let info = response.extensions().get();
    info.expect("a response of the pool")
}

/// How many connections closed for each reason.
pub(crate) fn reasons(pool: &Pool) -> Vec<(&'static str, u64)> {
    let snapshot = pool.snapshot().connections;
    snapshot.totals.closed.into_iter().collect()
}

/// Connections there are now.
pub(crate) fn open(pool: &Pool) -> usize {
    pool.snapshot().connections.totals.open
}

/// Lets paused time pass: it moves only when no task can run, so whatever was due by then has happened.
pub(crate) async fn pass(time: Duration) {
    // fault: the time that a deadline or a silence needs.
    tokio::time::sleep(time).await;
}

pub(crate) async fn everything_has_happened() {
    pass(Duration::from_millis(1)).await;
}

enum Heard {
    Closed(&'static str),
    Quarantined(Duration),
}

/// Passes on what the pool says.
struct Ear(UnboundedSender<Heard>);

impl Ear {
    fn new() -> (Self, UnboundedReceiver<Heard>) {
        let (tell, heard) = unbounded_channel();
        (Self(tell), heard)
    }
}

impl Observer for Ear {
    fn on(&self, event: &Event<'_>) {
        let heard = match event {
            Event::Closed { reason, .. } => Heard::Closed(reason.code()),
            Event::Quarantined { duration, .. } => Heard::Quarantined(*duration),
            _ => return,
        };
        // A test that has seen enough no longer listens.
        let _unheard = self.0.send(heard);
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear")
    }
}
