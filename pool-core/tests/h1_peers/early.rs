//! Answers before the request has ended: final ones, and those that are not final.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use pool_core::config::Http1Engine;
use pool_core::{Body, ErrorKind};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::peers::{
    END, OK, Serve, URL, World, everything_has_happened, h1, in_memory, info, open, pass, reasons,
    text, with_both,
};

/// A body fed by hand, and what feeds it. Dropping the feed ends the body.
fn fed() -> (UnboundedSender<&'static str>, Body) {
    let (feed, pieces) = unbounded_channel();
    let pieces = futures_util::stream::unfold(pieces, async |mut pieces| {
        let piece: &str = pieces.recv().await?;
        let frame = Frame::data(Bytes::from_static(piece.as_bytes()));
        Some((Ok::<_, std::io::Error>(frame), pieces))
    });
    (feed, Body::wrap(StreamBody::new(Box::pin(pieces))))
}

const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";

#[tokio::test]
async fn an_early_answer_is_delivered_and_the_rest_of_the_request_is_not_sent() {
    with_both(async |engine| {
        let mut world = World::plain(h1(engine)).await;
        let (feed, body) = fed();
        feed.send("abc").expect("a reader");
        let (response, mut far) = world.meet(world.post(body), "abc\r\n", TOO_LARGE).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 413);
        assert_eq!(text(response).await.expect("a body"), "big");
        assert_eq!(world.closed().await, "unfinished", "{engine:?}");
        assert!(feed.send("more").is_err(), "nobody reads the body any more");
        far.is_left().await;
        world.works_on_a_fresh_one().await;
    })
    .await;
}

#[tokio::test]
async fn an_early_answer_to_a_request_that_ends_meanwhile_costs_nothing() {
    with_both(async |engine| {
        let world = World::plain(h1(engine)).await;
        let (feed, body) = fed();
        feed.send("abc").expect("a reader");
        let head = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\n";
        let (response, mut far) = world.meet(world.post(body), "abc\r\n", head).await;
        let response = response.expect("a response");
        drop(feed);
        let serve = far.serve("0\r\n\r\n", b"big");
        let (body, ()) = tokio::join!(text(response), serve);
        assert_eq!(body.expect("a body"), "big");
        world.works_again_on(&mut far).await;
    })
    .await;
}

fn expecting(body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(URL).body(body.into()).expect("a request");
    let ask = HeaderValue::from_static("100-continue");
    request.headers_mut().insert("expect", ask);
    request
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The inline engine waits a second for the peer's word. hyper does not wait at all.
fn patience(engine: Http1Engine) -> Duration {
    match engine {
        Http1Engine::Hyper => Duration::ZERO,
        _ => Duration::from_secs(1),
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_peer_never_asks_for_it_is_sent_all_the_same() {
    with_both(async |engine| {
        let (pool, mut network) = in_memory(h1(engine));
        let serve = async {
            let mut far = network.accept().await;
            far.request(END).await;
            let asked = Instant::now();
            far.serve("abc", OK).await;
            assert_eq!(asked.elapsed(), patience(engine), "{engine:?}");
            far
        };
        let (response, _far) = tokio::join!(pool.request(expecting("abc")), serve);
        let body = text(response.expect("a response")).await;
        assert_eq!(body.expect("a body"), "ok");
        everything_has_happened().await;
        assert_eq!((open(&pool), reasons(&pool)), (1, vec![]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_for_the_body_gets_it_at_once_however_often_it_asks() {
    with_both(async |engine| {
        for times in [1, 2] {
            let (pool, mut network) = in_memory(h1(engine));
            let began = Instant::now();
            let serve = async {
                let mut far = network.accept().await;
                far.serve(END, &CONTINUE.repeat(times)).await;
                far.serve("abc", OK).await;
                far
            };
            let (response, _far) = tokio::join!(pool.request(expecting("abc")), serve);
            let body = text(response.expect("a response")).await;
            assert_eq!(body.expect("a body"), "ok");
            assert_eq!(began.elapsed(), Duration::ZERO, "{engine:?}");
            everything_has_happened().await;
            assert_eq!((open(&pool), reasons(&pool)), (1, vec![]));
        }
    })
    .await;
}

/// hyper has sent the body by then, so its connection stays.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_want_the_body_does_not_get_it() {
    with_both(async |engine| {
        let (pool, mut network) = in_memory(h1(engine));
        let serve = async {
            let mut far = network.accept().await;
            let refusal = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n";
            far.serve(END, refusal).await;
            far
        };
        let (response, mut far) = tokio::join!(pool.request(expecting("abc")), serve);
        let response = response.expect("a response");
        assert_eq!(
            (response.status(), info(&response).attempts),
            (http::StatusCode::EXPECTATION_FAILED, 1)
        );
        text(response).await.expect("a body");
        everything_has_happened().await;
        if engine == Http1Engine::Hyper {
            assert_eq!(far.request("abc").await, "abc");
            assert_eq!(open(&pool), 1);
        } else {
            assert_eq!((open(&pool), reasons(&pool)), (0, vec![("unfinished", 1)]));
            let mut rest = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut far, &mut rest)
                .await
                .expect("its end");
            assert!(rest.is_empty());
        }
    })
    .await;
}

/// Heads before the final one that are one too many for the inline engine. hyper counts none: what bounds it is the time
/// that the head of the response may take.
#[tokio::test(start_paused = true)]
async fn informational_responses_are_counted_by_the_inline_engine() {
    with_both(async |engine| {
        for (count, answered) in [(100, true), (101, engine == Http1Engine::Hyper)] {
            let (pool, mut network) = in_memory(h1(engine));
            let serve = async {
                let mut far = network.accept().await;
                far.request("abc").await;
                for _ in 0..count {
                    far.say(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
                        .await;
                }
                // Where it has had enough already nobody reads this.
                let _unread = tokio::io::AsyncWriteExt::write_all(&mut far, OK).await;
                far
            };
            let request = Request::post(URL).body(Body::from("abc"));
            let request = pool.request(request.expect("a request"));
            let (response, _far) = tokio::join!(request, serve);
            everything_has_happened().await;
            match response {
                Ok(response) => {
                    assert!(answered, "{engine:?}: {count}");
                    assert_eq!(text(response).await.expect("a body"), "ok");
                    everything_has_happened().await;
                    assert_eq!((open(&pool), reasons(&pool)), (1, vec![]));
                }
                Err(error) => {
                    assert!(!answered, "{engine:?}: {count}: {error:?}");
                    assert_eq!(error.kind(), ErrorKind::MaybeProcessed);
                    assert!(error.to_string().contains("informational"), "{error}");
                    assert_eq!((open(&pool), reasons(&pool)), (0, vec![("error", 1)]));
                }
            }
        }
    })
    .await;
}

/// Slower than the time for the head allows, one by one: they are no progress.
#[tokio::test(start_paused = true)]
async fn informational_responses_do_not_move_the_deadline() {
    with_both(async |engine| {
        let mut config = h1(engine);
        config.timeouts.response_head = Duration::from_secs(5);
        let (pool, mut network) = in_memory(config);
        let serve = async {
            let mut far = network.accept().await;
            far.request("abc").await;
            for _ in 0..10 {
                pass(Duration::from_secs(1)).await;
                // From the fifth on nobody reads it.
                let hint = b"HTTP/1.1 103 Early Hints\r\n\r\n";
                let _unread = tokio::io::AsyncWriteExt::write_all(&mut far, hint).await;
            }
        };
        let began = Instant::now();
        let request = Request::post(URL).body(Body::from("abc"));
        let request = async {
            let response = pool.request(request.expect("a request")).await;
            (response, began.elapsed())
        };
        let ((response, took), ()) = tokio::join!(request, serve);
        let error = response.expect_err("no response");
        let late = ErrorKind::Timeout(pool_core::Phase::ResponseHead);
        assert_eq!(
            (error.kind(), took),
            (late, Duration::from_secs(5)),
            "{engine:?}"
        );
        assert_eq!(reasons(&pool), [("unfinished", 1)]);
    })
    .await;
}
