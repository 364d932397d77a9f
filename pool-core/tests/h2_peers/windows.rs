//! Peers that take nothing, and callers that read nothing: who waits, for how long, and what piles up.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use pool_core::{Body, Config, ErrorKind, Phase, Pool};
use tokio::time::Instant;

use super::peers::{
    DATA, END_HEADERS, END_STREAM, Far, HEADERS, SETTINGS, URL, builder, closed,
    everything_has_happened, h2, head, open, peak, pool,
};

const PATIENCE: Duration = Duration::from_secs(3);
const MIB: usize = 1024 * 1024;

/// Nothing but the deadlines of requests finds a peer that takes nothing.
fn config() -> Config {
    let mut config = h2();
    config.timeouts.response_head = PATIENCE;
    config.http2.ping_interval = Duration::MAX;
    config
}

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post(URL).body(body.into()).expect("a request")
}

async fn fails(pool: &Pool, request: Request<Body>) -> pool_core::Error {
    let began = Instant::now();
    let error = pool.request(request).await.expect_err("no response");
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::ResponseHead));
    assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    error
}

/// A pipe that holds less than two requests: the socket buffers of a peer that has stopped reading.
const FULL: usize = 256;

#[test]
fn a_peer_that_does_not_read_costs_each_request_its_time_and_no_memory() {
    const ROUNDS: usize = 20;
    let peak = peak(async {
        let (builder, mut network) = builder(config(), FULL);
        let pool = builder.build().expect("a pool");
        let body = Bytes::from(vec![b'x'; MIB]);
        let mut wires = Vec::new();
        let mut stalled = 0;
        for _ in 0..ROUNDS {
            let error = fails(&pool, post(body.clone())).await;
            stalled += usize::from(error.to_string().contains("takes no bytes"));
            while network.was_dialled() {
                let far = Far(network.wire().await);
                wires.push(far);
            }
        }
        everything_has_happened().await;
        assert!(stalled >= ROUNDS / 2, "{stalled}");
        assert_eq!(
            wires.len(),
            ROUNDS - stalled,
            "no third request on one of them"
        );
        drop(wires);
    });
    assert!(peak < 3 * MIB as u64, "{peak} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_takes_no_bytes_is_not_used_again() {
    let (builder, mut network) = builder(config(), FULL);
    let pool = builder.build().expect("a pool");
    let accept = async {
        let mut wire = network.wire().await;
        let settings = super::peers::frame(SETTINGS, 0, 0, &[]);
        tokio::io::AsyncWriteExt::write_all(&mut wire, &settings)
            .await
            .expect("room");
        wire
    };
    let (error, _wire) = tokio::join!(fails(&pool, post(vec![b'x'; MIB])), accept);
    assert!(
        !error.to_string().contains("takes no bytes"),
        "some of it left: {error}"
    );
    assert_eq!(open(&pool), 1);
    let error = fails(&pool, post("abc")).await;
    assert!(error.to_string().contains("takes no bytes"), "{error}");
    super::peers::pass(Duration::from_secs(2)).await;
    assert_eq!(
        (open(&pool), closed(&pool)),
        (0, vec![("write_stalled", 1)])
    );
}

/// PINGs find it too, although they cannot be written either.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_found_by_a_ping_that_cannot_be_written() {
    let mut config = config();
    config.http2.ping_interval = Duration::from_secs(2);
    config.http2.ping_timeout = Duration::from_secs(1);
    config.timeouts.response_head = Duration::from_secs(60);
    let (builder, mut network) = builder(config, FULL);
    let pool = builder.build().expect("a pool");
    let accept = async {
        let mut wire = network.wire().await;
        let settings = super::peers::frame(SETTINGS, 0, 0, &[]);
        tokio::io::AsyncWriteExt::write_all(&mut wire, &settings)
            .await
            .expect("room");
        wire
    };
    let began = Instant::now();
    let (sent, _wire) = tokio::join!(pool.request(post(vec![b'x'; MIB])), accept);
    let error = sent.expect_err("no response");
    assert_eq!(error.kind(), ErrorKind::MaybeProcessed);
    assert!(error.to_string().contains("PING"), "{error}");
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(closed(&pool), [("ping_timeout", 1)]);
}

/// SETTINGS_INITIAL_WINDOW_SIZE of zero.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

#[test]
fn a_window_that_stays_shut_fails_its_stream_and_no_other() {
    let peak = peak(async {
        let (pool, mut network) = pool(config());
        let body = Bytes::from(vec![b'x'; MIB]);
        let mut far = None;
        for _ in 0..10 {
            let serve = async {
                if far.is_none() {
                    let mut first = Far::preface(network.wire().await).await;
                    first.write(SETTINGS, 0, 0, NO_WINDOW).await;
                    far = Some(first);
                }
                let far = far.as_mut().expect("just put there");
                // The upload's head comes first; what has no body goes on.
                let stream = far.request().await;
                far.answer(stream, 200).await;
            };
            let get = async {
                everything_has_happened().await;
                pool.get(URL).await.expect("a response").status()
            };
            let (_error, status, ()) = tokio::join!(fails(&pool, post(body.clone())), get, serve);
            assert_eq!(status, 200);
        }
        assert_eq!(
            (open(&pool), closed(&pool)),
            (1, vec![]),
            "the connection stays"
        );
    });
    assert!(peak < 2 * MIB as u64, "{peak} bytes");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_stuck_behind_its_response_ends_with_the_response() {
    let mut config = config();
    config.timeouts.body_idle = PATIENCE;
    let (pool, mut network) = pool(config);
    let serve = async {
        let mut far = Far::preface(network.wire().await).await;
        far.write(SETTINGS, 0, 0, NO_WINDOW).await;
        let stream = far.next(HEADERS).await.stream;
        far.write(HEADERS, END_HEADERS, stream, &head(200)).await;
        (far, stream)
    };
    let (response, (mut far, stream)) = tokio::join!(pool.request(post("abc")), serve);
    let body = response.expect("a head").into_body();
    let began = Instant::now();
    let error = body.bytes().await.expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::BodyIdle));
    assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    let reset = far.next(super::peers::RST_STREAM).await;
    assert_eq!(reset.stream, stream);
    assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
}

/// The response is answered before its request has been read: it is delivered, and the connection serves on.
#[tokio::test(start_paused = true)]
async fn an_answer_before_the_end_of_the_upload_is_delivered() {
    const NO_ERROR: u32 = 0;
    for ends_by_reset in [true, false] {
        let (pool, mut network) = pool(config());
        let serve = async {
            let mut far = Far::preface(network.wire().await).await;
            far.write(SETTINGS, 0, 0, NO_WINDOW).await;
            let stream = far.next(HEADERS).await.stream;
            far.answer(stream, 413).await;
            if ends_by_reset {
                far.reset(stream, NO_ERROR).await;
            }
            far
        };
        let (response, mut far) = tokio::join!(pool.request(post("abc")), serve);
        assert_eq!(response.expect("a response").status(), 413);
        let serve = async {
            let stream = far.request().await;
            far.answer(stream, 200).await;
        };
        let (response, ()) = tokio::join!(pool.get(URL), serve);
        assert_eq!(response.expect("a response").status(), 200);
        assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
    }
}

#[test]
fn a_body_that_nobody_reads_holds_back_its_own_stream_alone() {
    let peak = peak(async {
        let mut config = config();
        config.http2.stream_window = 256 * 1024;
        config.http2.connection_window = MIB as u32;
        let (pool, mut network) = pool(config);
        let serve = async {
            let mut far = network.accept().await;
            let stream = far.request().await;
            far.write(HEADERS, END_HEADERS, stream, &head(200)).await;
            // As much as its window allows.
            for _ in 0..16 {
                far.write(DATA, 0, stream, &[b'x'; 16 * 1024]).await;
            }
            far
        };
        let (response, mut far) = tokio::join!(pool.get(URL), serve);
        let unread = response.expect("a head");
        for _ in 0..50 {
            let serve = async {
                let stream = far.request().await;
                far.write(HEADERS, END_HEADERS, stream, &head(200)).await;
                far.write(DATA, END_STREAM, stream, &[b'x'; 16 * 1024])
                    .await;
            };
            let get = async {
                let response = pool.get(URL).await.expect("a head");
                response.into_body().bytes().await.expect("a body").len()
            };
            let (read, ()) = tokio::join!(get, serve);
            assert_eq!(read, 16 * 1024);
        }
        assert_eq!(pool.snapshot().connections.totals.leased, 1, "it shows");
        drop(unread);
        let reset = far.next(super::peers::RST_STREAM).await;
        assert_eq!(reset.stream, 1);
    });
    assert!(peak < MIB as u64, "{peak} bytes");
}
