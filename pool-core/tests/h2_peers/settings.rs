//! Stream limits that move, and peers that owe their SETTINGS.

use std::time::Duration;

use pool_core::{ErrorKind, Pool};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::peers::{
    END_HEADERS, FRAME_SIZE_ERROR, Far, HEADERS, PING, PROTOCOL_ERROR, SETTINGS, URL, closed,
    everything_has_happened, frame, h2, head, open, pool,
};

/// SETTINGS_MAX_CONCURRENT_STREAMS.
fn streams(limit: u32) -> Vec<u8> {
    [&[0, 3][..], &limit.to_be_bytes()].concat()
}

/// Streams that have arrived and not been answered.
async fn arrived(far: &mut Far) -> Vec<u32> {
    let mut streams = Vec::new();
    let brief = Duration::from_millis(1);
    while let Ok(frame) = tokio::time::timeout(brief, far.read()).await {
        let frame = frame.expect("the client stays");
        if frame.kind == HEADERS {
            streams.push(frame.stream);
        }
    }
    streams
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_moves_is_kept_and_zero_means_wait() {
    let mut config = h2();
    config.limits.per_host = 1;
    let (pool, mut network) = pool(config);
    let mut far = {
        let asked = tokio::spawn({
            let pool = pool.clone();
            async move { pool.get(URL).await.expect("a response").status() }
        });
        let mut far = Far::preface(network.wire().await).await;
        far.write(SETTINGS, 0, 0, &streams(100)).await;
        let stream = far.request().await;
        far.answer(stream, 200).await;
        assert_eq!(asked.await.expect("no panic"), 200);
        far
    };
    far.write(SETTINGS, 0, 0, &streams(1)).await;
    everything_has_happened().await;
    let get = |pool: &Pool| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.get(URL).await.expect("a response").status() })
    };
    let all: Vec<_> = (0..8).map(|_| get(&pool)).collect();
    let first = arrived(&mut far).await;
    assert_eq!(first.len(), 1, "one at a time");
    far.write(SETTINGS, 0, 0, &streams(0)).await;
    everything_has_happened().await;
    far.answer(first[0], 200).await;
    assert_eq!(arrived(&mut far).await, [], "none at all");
    assert_eq!(
        (open(&pool), closed(&pool)),
        (1, vec![]),
        "not ready is not dead"
    );
    far.write(SETTINGS, 0, 0, &streams(5)).await;
    let five = arrived(&mut far).await;
    assert_eq!(five.len(), 5, "whoever waits is woken");
    for stream in five {
        far.answer(stream, 200).await;
    }
    let rest = arrived(&mut far).await;
    assert_eq!(rest.len(), 2);
    for stream in rest {
        far.answer(stream, 200).await;
    }
    for asked in all {
        assert_eq!(asked.await.expect("no panic"), 200);
    }
    assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_settings_gets_one_request_and_has_so_long() {
    let (pool, mut network) = pool(h2());
    let began = Instant::now();
    let serve = async {
        let mut far = Far::preface(network.wire().await).await;
        assert_eq!(arrived(&mut far).await.len(), 1, "no burst before its word");
        far.closed().await;
        began.elapsed().as_secs()
    };
    let all = futures_util::future::join_all((0..20).map(|_| pool.get(URL)));
    let all = tokio::time::timeout(Duration::from_secs(12), all);
    let (_late, waited) = tokio::join!(all, serve);
    assert_eq!(waited, 10, "the handshake's time");
    assert!(closed(&pool).contains(&("error", 1)), "{:?}", closed(&pool));
}

#[tokio::test(start_paused = true)]
async fn a_first_frame_that_is_not_settings_ends_the_connection() {
    for (name, bytes, answered_by) in [
        // Passed over, and the silence after it ends with the handshake's time.
        ("PING", frame(PING, 0, 0, &[7; 8]), None),
        (
            "HEADERS of a request not sent",
            frame(HEADERS, END_HEADERS, 3, &head(200)),
            Some(PROTOCOL_ERROR),
        ),
        (
            "HTTP/1.1",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec(),
            Some(FRAME_SIZE_ERROR),
        ),
        ("zeros", vec![0; 64], Some(PROTOCOL_ERROR)),
    ] {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = Far::preface(network.wire().await).await;
            far.0.write_all(&bytes).await.expect("a reader");
            let code = far.closed().await;
            (far, code)
        };
        let (asked, (_far, code)) = tokio::join!(pool.get(URL), serve);
        let error = asked.expect_err(name);
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::MaybeProcessed, 1),
            "{name}"
        );
        assert_eq!(code, answered_by, "{name}");
        everything_has_happened().await;
        assert_eq!(
            (open(&pool), closed(&pool)),
            (0, vec![("error", 1)]),
            "{name}"
        );
    }
}
