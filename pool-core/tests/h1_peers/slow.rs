//! Peers that are slow: each wait has a limit of its own.

use std::time::Duration;

use http::Request;
use pool_core::{Body, ErrorKind, Phase};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::peers::{
    END, OK, Serve, URL, everything_has_happened, h1, in_memory, open, pass, reasons, text,
    with_both,
};

const SECOND: Duration = Duration::from_secs(1);

/// Says one byte each second, until nobody reads.
async fn drip(far: &mut (impl Serve + Send), bytes: &[u8]) {
    for byte in bytes {
        pass(SECOND).await;
        if far.write_u8(*byte).await.is_err() {
            return;
        }
    }
}

fn post() -> Request<Body> {
    Request::post(URL)
        .body(Body::from("abc"))
        .expect("a request")
}

/// A byte now and then is no response: the time for the head counts to its end.
#[tokio::test(start_paused = true)]
async fn a_head_byte_by_byte_runs_into_its_time() {
    with_both(async |engine| {
        let mut config = h1(engine);
        config.timeouts.response_head = 10 * SECOND;
        let (pool, mut network) = in_memory(config);
        let began = Instant::now();
        let serve = async {
            let mut far = network.accept().await;
            far.request("abc").await;
            drip(&mut far, OK).await;
        };
        let request = async { (pool.request(post()).await, began.elapsed()) };
        let ((response, took), ()) = tokio::join!(request, serve);
        let error = response.expect_err("no response");
        let late = ErrorKind::Timeout(Phase::ResponseHead);
        assert_eq!((error.kind(), took), (late, 10 * SECOND), "{engine:?}");
        everything_has_happened().await;
        assert_eq!((open(&pool), reasons(&pool)), (0, vec![("unfinished", 1)]));
    })
    .await;
}

/// A byte now and then is a body; how long all of it may take is the caller's to say, who drops it then.
#[tokio::test(start_paused = true)]
async fn a_body_byte_by_byte_is_read_as_long_as_each_byte_is_in_time() {
    with_both(async |engine| {
        for caller_waits in [true, false] {
            let mut config = h1(engine);
            config.timeouts.body_idle = 2 * SECOND;
            let (pool, mut network) = in_memory(config);
            let serve = async {
                let mut far = network.accept().await;
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n";
                far.serve("abc", head).await;
                drip(&mut far, &[b'x'; 20]).await;
                far
            };
            let read = async {
                let response = pool.request(post()).await.expect("a response");
                let limit = if caller_waits { 60 } else { 5 } * SECOND;
                tokio::time::timeout(limit, text(response)).await
            };
            let (body, _far) = tokio::join!(read, serve);
            everything_has_happened().await;
            match body {
                Ok(body) => {
                    assert!(caller_waits);
                    assert_eq!(body.expect("a body").len(), 20);
                    assert_eq!((open(&pool), reasons(&pool)), (1, vec![]));
                }
                Err(_elapsed) => {
                    assert!(!caller_waits, "{engine:?}");
                    assert_eq!((open(&pool), reasons(&pool)), (0, vec![("unfinished", 1)]));
                }
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_runs_into_its_time() {
    with_both(async |engine| {
        let mut config = h1(engine);
        config.timeouts.body_idle = 5 * SECOND;
        let (pool, mut network) = in_memory(config);
        let serve = async {
            let mut far = network.accept().await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n";
            far.serve("abc", head).await;
            drip(&mut far, b"abc").await;
            far
        };
        let began = Instant::now();
        let read = async {
            let response = pool.request(post()).await.expect("a response");
            (text(response).await, began.elapsed())
        };
        let ((body, took), _far) = tokio::join!(read, serve);
        let error = body.expect_err("no body");
        let late = ErrorKind::Timeout(Phase::BodyIdle);
        assert_eq!((error.kind(), took), (late, 8 * SECOND), "{engine:?}");
        everything_has_happened().await;
        assert_eq!((open(&pool), reasons(&pool)), (0, vec![("unfinished", 1)]));
    })
    .await;
}

/// A peer that takes no bytes: the time for the head begins with the last that it took.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_runs_into_the_time_for_the_head() {
    with_both(async |engine| {
        let mut config = h1(engine);
        config.timeouts.response_head = 10 * SECOND;
        let (pool, mut network) = in_memory(config);
        let began = Instant::now();
        let request = Request::post(URL).body(Body::from(vec![0; 1024 * 1024]));
        let request = async {
            let response = pool.request(request.expect("a request")).await;
            (response, began.elapsed())
        };
        let ((response, took), _far) = tokio::join!(request, network.accept());
        let error = response.expect_err("no response");
        let late = ErrorKind::Timeout(Phase::ResponseHead);
        assert_eq!((error.kind(), took), (late, 10 * SECOND), "{engine:?}");
        everything_has_happened().await;
        assert_eq!((open(&pool), reasons(&pool)), (0, vec![("unfinished", 1)]));
        let serve = async {
            let mut far = network.accept().await;
            far.serve(END, OK).await;
        };
        let (response, ()) = tokio::join!(pool.get(URL), serve);
        response.expect("a response");
    })
    .await;
}
