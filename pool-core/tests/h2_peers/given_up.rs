//! Callers that give up at each step of a request: nothing stays taken, the peer learns of it, the connection serves on.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use pool_core::{Body, Pool};
use tokio::sync::mpsc;

use super::peers::{
    CANCEL, DATA, END_HEADERS, Far, HEADERS, Network, RST_STREAM, URL, everything_has_happened, h2,
    head, open, pool,
};

/// A body that has no end until the sender is dropped.
fn piecemeal() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (pieces, mut rest) = mpsc::unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |cx| {
        rest.poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(piece))))
    });
    (pieces, Body::wrap(http_body_util::StreamBody::new(frames)))
}

/// Nothing is leased, nobody waits, and the connection serves another request.
async fn settled(pool: &Pool, far: &mut Far, step: &str) {
    everything_has_happened().await;
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.leased, totals.waiting), (0, 0), "{step}");
    let serve = async {
        let stream = far.request().await;
        far.answer(stream, 200).await;
    };
    let (got, ()) = tokio::join!(pool.get(URL), serve);
    got.expect(step);
    assert_eq!(open(pool), 1, "{step}");
}

/// Polls a request until the far side has done its part, then drops it.
async fn abandon<T>(pool: &Pool, body: Body, until: impl Future<Output = T>) -> T {
    let request = Request::post(URL).body(body).expect("a request");
    tokio::select! {
        // First, so that the request is not polled once more in between.
        biased;
        done = until => done,
        _ = pool.request(request) => panic!("nobody answers"),
    }
}

async fn reset_of(far: &mut Far, stream: u32) {
    let reset = far.next(RST_STREAM).await;
    assert_eq!(
        (reset.stream, reset.payload),
        (stream, CANCEL.to_be_bytes().to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_for_a_connection() {
    let mut config = h2();
    config.limits.per_host = 1;
    config.limits.streams_per_conn = 1;
    let (pool, mut network) = pool(config);
    let (lease, mut far) = tokio::join!(pool.acquire(URL), network.accept());
    let waits = tokio::time::timeout(Duration::from_secs(1), pool.get(URL)).await;
    assert!(waits.is_err());
    drop(lease.expect("a lease"));
    settled(&pool, &mut far, "waiting").await;
    assert!(!network.was_dialled());
}

#[tokio::test(start_paused = true)]
async fn while_it_is_dialled_for() {
    let (pool, mut network) = pool(h2());
    let wire = abandon(&pool, Body::empty(), network.wire()).await;
    let mut far = Far::greet(wire).await;
    settled(&pool, &mut far, "dialling").await;
    assert!(!network.was_dialled(), "the dial is not lost");
}

async fn greeted(network: &mut Network) -> Far {
    let mut far = network.accept().await;
    far.next(HEADERS).await;
    far
}

#[tokio::test(start_paused = true)]
async fn after_its_head_was_sent() {
    let (pool, mut network) = pool(h2());
    let mut far = abandon(&pool, Body::empty(), greeted(&mut network)).await;
    reset_of(&mut far, 1).await;
    settled(&pool, &mut far, "head sent").await;
}

#[tokio::test(start_paused = true)]
async fn while_its_body_is_sent() {
    let (pool, mut network) = pool(h2());
    let (pieces, body) = piecemeal();
    pieces.send(Bytes::from_static(b"some")).expect("a reader");
    let until = async {
        let mut far = greeted(&mut network).await;
        far.next(DATA).await;
        far
    };
    let mut far = abandon(&pool, body, until).await;
    assert!(pieces.send(Bytes::new()).is_err(), "the body is gone");
    reset_of(&mut far, 1).await;
    settled(&pool, &mut far, "body").await;
}

#[tokio::test(start_paused = true)]
async fn while_it_reads_the_response() {
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        let stream = far.request().await;
        far.write(HEADERS, END_HEADERS, stream, &head(200)).await;
        far.write(DATA, 0, stream, b"some").await;
        far
    };
    let (response, mut far) = tokio::join!(pool.get(URL), serve);
    let reading = response.expect("a head").into_body().bytes();
    let unfinished = tokio::time::timeout(Duration::from_millis(1), reading).await;
    assert!(unfinished.is_err());
    reset_of(&mut far, 1).await;
    // What was on its way is no error.
    far.write(DATA, 0, 1, b"late").await;
    settled(&pool, &mut far, "reading").await;
}
