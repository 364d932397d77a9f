//! ENHANCE_YOUR_CALM: the address is left alone for a while that grows, and nobody asks again meanwhile.

use std::time::Duration;

use http::Request;
use pool_core::{Body, ErrorKind, Pool};
use tokio::time::Instant;

use super::peers::{ENHANCE_YOUR_CALM, URL, closed, everything_has_happened, h2, open, pass, pool};

async fn post(pool: &Pool) -> Result<u16, pool_core::Error> {
    let request = Request::post(URL).body(Body::from("abc"));
    let response = pool.request(request.expect("a request")).await?;
    Ok(response.status().as_u16())
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_told_and_the_next_stream_waits_longer_each_time() {
    let (pool, mut network) = pool(h2());
    let mut far = None;
    for wait in [0, 1, 2, 4] {
        let began = Instant::now();
        let serve = async {
            if far.is_none() {
                far = Some(network.accept().await);
            }
            let far = far.as_mut().expect("just put there");
            let stream = far.request().await;
            let waited = began.elapsed();
            far.reset(stream, ENHANCE_YOUR_CALM).await;
            waited
        };
        let (sent, waited) = tokio::join!(post(&pool), serve);
        let error = sent.expect_err("no response");
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::MaybeProcessed, 1)
        );
        assert!(error.to_string().contains("ENHANCE_YOUR_CALM"), "{error}");
        assert_eq!(waited.as_secs(), wait, "before the stream");
        assert_eq!(
            (open(&pool), closed(&pool)),
            (1, vec![]),
            "the connection stays"
        );
        let endpoint = &pool.snapshot().connections.hosts[0].endpoints[0];
        assert!(!endpoint.active, "out of rotation");
    }
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_one_call_for_calm_and_no_storm() {
    const MANY: usize = 20;
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        for _ in 0..MANY {
            let stream = far.request().await;
            far.reset(stream, ENHANCE_YOUR_CALM).await;
        }
        far
    };
    let all = futures_util::future::join_all((0..MANY).map(|_| post(&pool)));
    let (sent, mut far) = tokio::join!(all, serve);
    assert!(sent.iter().all(Result::is_err));
    assert_eq!(pool.snapshot().retries, 0);

    let began = Instant::now();
    let serve = async {
        let stream = far.request().await;
        far.answer(stream, 200).await;
    };
    let (sent, ()) = tokio::join!(post(&pool), serve);
    assert_eq!(sent.expect("a response"), 200);
    assert_eq!(began.elapsed().as_secs(), 1, "they belong together");
}

#[tokio::test(start_paused = true)]
async fn what_a_goaway_leaves_out_is_sent_again_after_the_wait() {
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        let stream = far.request().await;
        far.answer(stream, 200).await;
        far
    };
    let (sent, mut far) = tokio::join!(post(&pool), serve);
    sent.expect("a response");
    let began = Instant::now();
    let serve = async {
        far.request().await;
        far.go_away(1, ENHANCE_YOUR_CALM).await;
        far.closed().await;
        let wire = network.wire().await;
        let waited = began.elapsed();
        let mut far = super::peers::Far::greet(wire).await;
        let stream = far.request().await;
        far.answer(stream, 200).await;
        (waited, far)
    };
    let (sent, (waited, _far)) = tokio::join!(post(&pool), serve);
    assert_eq!(sent.expect("a response"), 200);
    assert_eq!(waited.as_secs(), 1, "before the dial");
    assert_eq!(closed(&pool), [("enhance_your_calm", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_goaway_on_an_idle_connection_holds_back_the_next_dial() {
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        let stream = far.request().await;
        far.answer(stream, 200).await;
        far
    };
    let (sent, mut far) = tokio::join!(post(&pool), serve);
    sent.expect("a response");
    far.go_away(1, ENHANCE_YOUR_CALM).await;
    far.closed().await;
    everything_has_happened().await;
    assert_eq!(
        (open(&pool), closed(&pool)),
        (0, vec![("enhance_your_calm", 1)])
    );

    let next = tokio::spawn({
        let pool = pool.clone();
        async move { post(&pool).await }
    });
    pass(Duration::from_millis(900)).await;
    assert!(!network.was_dialled());
    let mut far = network.accept().await;
    let stream = far.request().await;
    far.answer(stream, 200).await;
    assert_eq!(next.await.expect("no panic").expect("a response"), 200);
}
