//! 421: sent once more, over a connection that was not open then.

use http::{Request, Response};
use pool_core::config::Http1Engine;
use pool_core::{Body, Config, ConnInfo, Pool, PoolBody, RequestOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::peers::{URL, closed, everything_has_happened, h2, open, pool};

fn attempts(response: &Response<PoolBody>) -> u32 {
    let info = response.extensions().get::<ConnInfo>();
    info.expect("a response of the pool").attempts
}

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post(URL).body(body.into()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn any_method_is_sent_once_more_on_a_fresh_connection() {
    for request in [post(Body::empty()), post("abc")] {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut first = network.accept().await;
            let stream = first.request().await;
            first.answer(stream, 421).await;
            let mut second = network.accept().await;
            let stream = second.request().await;
            second.answer(stream, 200).await;
            first.closed().await;
            second
        };
        let (response, _second) = tokio::join!(pool.request(request), serve);
        let response = response.expect("a response");
        assert_eq!((response.status().as_u16(), attempts(&response)), (200, 2));
        assert_eq!(closed(&pool), [("misdirected", 1)]);
        assert_eq!(open(&pool), 1);
        assert_eq!(pool.snapshot().retries, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_421_is_the_callers() {
    let (pool, mut network) = pool(h2());
    let serve = async {
        for _ in 0..2 {
            let mut far = network.accept().await;
            let stream = far.request().await;
            far.answer(stream, 421).await;
            tokio::spawn(async move { far.closed().await });
        }
        network
    };
    let (response, network) = tokio::join!(pool.get(URL), serve);
    let response = response.expect("a response");
    assert_eq!((response.status().as_u16(), attempts(&response)), (421, 2));
    everything_has_happened().await;
    assert!(!network.was_dialled());
    assert_eq!(closed(&pool), [("misdirected", 1)], "the second one stays");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_open_then_is_not_used() {
    let mut config = h2();
    config.limits.streams_per_conn = 1;
    let (pool, mut network) = pool(config);
    // Two connections, since each takes one stream.
    let serve = async {
        let (mut one, mut two) = (network.accept().await, network.accept().await);
        for far in [&mut one, &mut two] {
            let stream = far.request().await;
            far.answer(stream, 200).await;
        }
        [one, two]
    };
    let (a, b, mut fars) = tokio::join!(pool.get(URL), pool.get(URL), serve);
    drop((a.expect("a response"), b.expect("a response")));
    assert_eq!(open(&pool), 2);

    let serve = async {
        let [one, two] = &mut fars;
        let (stream, first) = tokio::select! {
            stream = one.request() => (stream, one),
            stream = two.request() => (stream, two),
        };
        assert_eq!(stream, 3, "one that is open serves first");
        first.answer(stream, 421).await;
        let mut third = network.accept().await;
        let stream = third.request().await;
        third.answer(stream, 200).await;
        first.closed().await;
        third
    };
    let (response, _third) = tokio::join!(pool.get(URL), serve);
    assert_eq!(response.expect("a response").status(), 200);
    everything_has_happened().await;
    assert_eq!(closed(&pool), [("misdirected", 1)]);
    assert_eq!(open(&pool), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_host_waits_for_the_place_of_the_one_that_said_so() {
    let mut config = h2();
    config.limits.per_host = 1;
    let (pool, mut network) = pool(config);
    let serve = async {
        let mut first = network.accept().await;
        let stream = first.request().await;
        first.answer(stream, 421).await;
        let closing = tokio::spawn(async move { first.closed().await });
        let mut second = network.accept().await;
        let stream = second.request().await;
        second.answer(stream, 200).await;
        closing.await.expect("no panic");
        second
    };
    let (response, _second) = tokio::join!(pool.get(URL), serve);
    assert_eq!(response.expect("a response").status(), 200);
    assert_eq!(open(&pool), 1);
}

/// Whoever must not send again gets the 421, and the connection stays.
#[tokio::test(start_paused = true)]
async fn what_must_not_be_sent_again_is_the_callers_at_once() {
    let stream = || {
        let piece = futures_util::stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(
            bytes::Bytes::from_static(b"abc"),
        ))]);
        Body::wrap(http_body_util::StreamBody::new(piece))
    };
    let no_retry = || {
        let mut request = post("abc");
        let options = RequestOptions::new().no_retry();
        request.extensions_mut().insert(options);
        request
    };
    let mut one_try = h2();
    one_try.retry.max_attempts = 1;
    let mut no_budget = h2();
    no_budget.retry.budget_min = 0;
    no_budget.retry.budget_percent = 0;
    for (case, config, request) in [
        ("a stream", h2(), post(stream())),
        ("no_retry", h2(), no_retry()),
        ("max_attempts", one_try, post("abc")),
        ("an empty budget", no_budget, post("abc")),
    ] {
        let (pool, mut network) = pool(config);
        let serve = async {
            let mut far = network.accept().await;
            let stream = far.request().await;
            far.answer(stream, 421).await;
            far
        };
        let (response, _far) = tokio::join!(pool.request(request), serve);
        let response = response.expect(case);
        assert_eq!(
            (response.status().as_u16(), attempts(&response)),
            (421, 1),
            "{case}"
        );
        everything_has_happened().await;
        assert_eq!((open(&pool), closed(&pool)), (1, vec![]), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_sends_once() {
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        let stream = far.request().await;
        far.answer(stream, 421).await;
        far
    };
    let send = async {
        let lease = pool.acquire(URL).await.expect("a lease");
        lease.send(post("abc")).await
    };
    let (response, _far) = tokio::join!(send, serve);
    assert_eq!(response.expect("a response").status(), 421);
}

/// The same on HTTP/1.1, where the connection that said so carries nothing else.
#[tokio::test(start_paused = true)]
async fn http1_goes_the_same_way() {
    async fn serve(wire: &mut DuplexStream, status: &str) {
        let mut read = Vec::new();
        while !read.ends_with(b"abc") {
            read.push(wire.read_u8().await.expect("a request"));
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        wire.write_all(answer.as_bytes()).await.expect("a reader");
    }
    for engine in [Http1Engine::Hyper, Http1Engine::Inline] {
        for (second, retries) in [("200 OK", 1), ("421 Misdirected", 1)] {
            let mut config = Config::default();
            config.http1.engine = engine;
            config.limits.per_host = 1;
            let (pool, mut network): (Pool, _) = pool(config);
            let serve = async {
                let mut one = network.wire().await;
                serve(&mut one, "421 Misdirected").await;
                let mut two = network.wire().await;
                serve(&mut two, second).await;
                (one, two)
            };
            let (response, wires) = tokio::join!(pool.request(post("abc")), serve);
            let response = response.expect("a response");
            assert!(second.starts_with(response.status().as_str()), "{engine:?}");
            assert_eq!(attempts(&response), 2);
            assert_eq!(response.into_body().bytes().await.expect("a body"), "ok");
            everything_has_happened().await;
            assert_eq!(closed(&pool), [("misdirected", 1)], "{engine:?}");
            assert_eq!(pool.snapshot().retries, retries);
            drop(wires);
        }
    }
}
