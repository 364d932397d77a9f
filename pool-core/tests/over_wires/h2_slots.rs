//! An HTTP/2 slot is taken until both bodies have ended, not until the head of the response.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use pool_core::{Body, Config, Protocols};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready};

use crate::wires::{Network, URL, pool};

#[tokio::test(start_paused = true)]
async fn the_second_request_waits_until_the_first_response_has_been_read() {
    let (pool, mut network) = pool(config());
    let (first, mut server) = tokio::join!(pool.get(URL), async {
        let mut server = Server::accept(&mut network).await;
        let body = server.answer().await;
        (server, body)
    });
    let (first, (server, body)) = (first.expect("a head"), &mut server);

    let mut second = spawn(pool.get(URL));
    assert_pending!(second.poll());
    everything_has_happened().await;
    assert!(!second.is_woken(), "the head frees nothing");
    assert_eq!(server.arrived(), 1);

    body.send_data(Bytes::from_static(b"over"), true)
        .expect("a stream");
    assert_eq!(first.into_body().bytes().await.expect("a body"), "over");
    let (second, _) = tokio::join!(second, async {
        server.answer().await.send_data(Bytes::new(), true)
    });
    second.expect("the second response");
    assert_eq!(server.most(), 1, "never two streams at a time");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_response_unread_frees_its_slot() {
    let (pool, mut network) = pool(config());
    let (first, mut server) = tokio::join!(pool.get(URL), async {
        let mut server = Server::accept(&mut network).await;
        let body = server.answer().await;
        (server, body)
    });
    let mut second = spawn(pool.get(URL));
    assert_pending!(second.poll());
    drop(first.expect("a head"));
    assert!(second.is_woken());
    let (second, body) = tokio::join!(second, server.0.answer());
    second.expect("the second response");
    drop(body);
}

#[tokio::test(start_paused = true)]
async fn the_slot_stays_taken_while_the_request_is_still_being_sent() {
    let (pool, mut network) = pool(config());
    let (pieces, upload) = piecemeal();
    let post = Request::post(URL).body(upload).expect("a request");
    let (first, mut server) = tokio::join!(pool.request(post), async {
        let mut server = Server::accept(&mut network).await;
        let body = server.answer().await;
        (server, body)
    });
    let first = first.expect("a head before the upload has ended");
    let mut reading = spawn(first.into_body().bytes());
    assert_pending!(reading.poll());

    let mut second = spawn(pool.get(URL));
    assert_pending!(second.poll());
    pieces.send(Bytes::from_static(b"more")).expect("a reader");
    everything_has_happened().await;
    assert!(!second.is_woken());

    server.1.send_data(Bytes::new(), true).expect("a stream");
    drop(pieces);
    everything_has_happened().await;
    assert_ready!(reading.poll()).expect("the end of the body");
    let (second, _) = tokio::join!(second, async {
        server.0.answer().await.send_data(Bytes::new(), true)
    });
    second.expect("the second response");
    assert_eq!(server.0.most(), 1);
}

fn config() -> Config {
    let mut config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    config.limits.per_host = 1;
    config
}

/// Paused time moves only when no task can.
async fn everything_has_happened() {
    // fault: the moment in which a wrong grant would happen.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A body that has no end until the sender is dropped.
fn piecemeal() -> (tokio::sync::mpsc::UnboundedSender<Bytes>, Body) {
    let (pieces, mut rest) = unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |cx| {
        rest.poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(piece))))
    });
    (pieces, Body::wrap(http_body_util::StreamBody::new(frames)))
}

/// A server that takes one stream at a time, and answers when told.
struct Server {
    streams: UnboundedReceiver<(Request<RecvStream>, SendResponse<Bytes>)>,
    arrived: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    most: usize,
}

impl Server {
    async fn accept(network: &mut Network) -> Self {
        let wire: DuplexStream = network.accept().await.0;
        let mut builder = h2::server::Builder::new();
        let mut conn = builder
            .max_concurrent_streams(1)
            .handshake(wire)
            .await
            .expect("a preface");
        let (arrivals, streams) = unbounded_channel();
        let arrived = Arc::new(AtomicUsize::new(0));
        let count = arrived.clone();
        tokio::spawn(async move {
            while let Some(Ok(stream)) = conn.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                // A test that has seen enough no longer answers.
                let _unanswered = arrivals.send(stream);
            }
        });
        Self {
            streams,
            arrived,
            open: Arc::default(),
            most: 0,
        }
    }

    fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.most
    }

    /// Sends the head of a response to the next request; its body is the caller's to end.
    async fn answer(&mut self) -> Answer {
        let (request, mut respond) = self.streams.recv().await.expect("a request");
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most = self.most.max(open);
        let body = respond
            .send_response(Response::new(()), false)
            .expect("a stream");
        Answer {
            body,
            _upload: request.into_body(),
            open: self.open.clone(),
        }
    }
}

/// A response under way.
struct Answer {
    body: SendStream<Bytes>,
    // Dropped, it would reset the stream.
    _upload: RecvStream,
    open: Arc<AtomicUsize>,
}

impl Answer {
    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), h2::Error> {
        if end {
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
        self.body.send_data(data, end)
    }
}
