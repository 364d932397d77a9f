//! Frames that carry nothing, without end: the connection is given up and says why, and a peer at work is let be.

use std::time::Duration;

use http::Request;
use pool_core::{Body, Error, ErrorKind, Pool};

use super::peers::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Far, HEADERS, Network, PING, PRIORITY,
    RST_STREAM, SETTINGS, URL, WINDOW_UPDATE, chain, closed, everything_has_happened, frame, h2,
    head, open, pass, pool,
};

async fn get(pool: &Pool) -> Result<bytes::Bytes, Error> {
    let request = Request::get(URL).body(Body::empty()).expect("a request");
    pool.request(request).await?.into_body().bytes().await
}

/// A flood of one frame, repeated for as long as anybody reads, up to a bound that shows that nobody stopped it.
async fn pour(far: &mut Far, frame: &[u8]) -> usize {
    use tokio::io::AsyncWriteExt;
    for n in 0..50_000 {
        if far.0.write_all(frame).await.is_err() {
            return n;
        }
    }
    panic!("nobody stops it");
}

fn floods() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("PING", frame(PING, ACK, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        // Of the stream that is waited for: what comes after the first is for a closed stream.
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])),
        ("unknown", frame(0xbe, 0, 0, b"grease")),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_flood_before_the_response_ends_the_request_by_name() {
    for (name, frame) in floods() {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = network.accept().await;
            far.request().await;
            pour(&mut far, &frame).await
        };
        let (got, poured) = tokio::join!(get(&pool), serve);
        assert!(poured < 10_000, "{name}: {poured}");
        let error = got.expect_err(name);
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::MaybeProcessed, 1),
            "{name}"
        );
        if name != "RST_STREAM" {
            assert!(error.to_string().contains(name), "{error}");
            let flooded = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<Error>());
            assert_eq!(flooded.map(Error::kind), Some(ErrorKind::Flooded), "{name}");
        }
        everything_has_happened().await;
        assert_eq!(
            (open(&pool), closed(&pool)),
            (0, vec![("flood", 1)]),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_on_an_idle_connection_closes_it() {
    for (name, frame) in floods() {
        let (pool, mut network) = pool(h2());
        let (got, mut far) = tokio::join!(get(&pool), serve_one(&mut network));
        got.expect("a response");
        let poured = pour(&mut far, &frame).await;
        assert!(poured < 10_000, "{name}: {poured}");
        everything_has_happened().await;
        assert_eq!(
            (open(&pool), closed(&pool)),
            (0, vec![("flood", 1)]),
            "{name}"
        );

        let (got, _far) = tokio::join!(get(&pool), serve_one(&mut network));
        got.expect("another connection serves");
    }
}

async fn serve_one(network: &mut Network) -> Far {
    let mut far = network.accept().await;
    let stream = far.request().await;
    far.answer(stream, 200).await;
    far
}

#[tokio::test(start_paused = true)]
async fn a_flood_within_a_body_ends_the_body() {
    let empty = frame(DATA, 0, 1, &[]);
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        far.request().await;
        far.write(HEADERS, END_HEADERS, 1, &head(200)).await;
        far
    };
    let (response, mut far) = tokio::join!(pool.get(URL), serve);
    let body = response.expect("a head").into_body();
    let (got, poured) = tokio::join!(body.bytes(), pour(&mut far, &empty));
    assert!(poured < 10_000, "{poured}");
    let error = got.expect_err("no end of the body");
    assert_eq!(error.kind(), ErrorKind::Body);
    assert!(chain(&error).contains("flooded"), "{}", chain(&error));
    assert!(chain(&error).contains("DATA"), "{}", chain(&error));
    everything_has_happened().await;
    assert_eq!(closed(&pool), [("flood", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end_is_a_flood() {
    let (pool, mut network) = pool(h2());
    let more = frame(CONTINUATION, 0, 1, &[]);
    let serve = async {
        let mut far = network.accept().await;
        far.request().await;
        far.write(HEADERS, 0, 1, &head(200)).await;
        pour(&mut far, &more).await
    };
    let (got, poured) = tokio::join!(get(&pool), serve);
    assert!(poured < 10_000, "{poured}");
    let error = got.expect_err("no end of the head");
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::MaybeProcessed, 1)
    );
    assert!(error.to_string().contains("CONTINUATION"), "{error}");
    everything_has_happened().await;
    assert_eq!(closed(&pool), [("flood", 1)]);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_hundred_informational_heads_end_the_request() {
    for (count, status) in [(100, Some(200)), (101, None)] {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = network.accept().await;
            let stream = far.request().await;
            // In one piece: however they arrive, they are counted.
            let mut all = frame(HEADERS, END_HEADERS, stream, &head(103)).repeat(count);
            all.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(200)));
            tokio::io::AsyncWriteExt::write_all(&mut far.0, &all)
                .await
                .expect("a reader");
            far
        };
        let (got, _far) = tokio::join!(pool.get(URL), serve);
        match got {
            Ok(response) => assert_eq!(Some(response.status().as_u16()), status),
            Err(error) => {
                assert_eq!(status, None);
                assert_eq!(
                    (error.kind(), error.attempts()),
                    (ErrorKind::MaybeProcessed, 1)
                );
                assert!(
                    error.to_string().contains("too many informational"),
                    "{error}"
                );
            }
        }
        everything_has_happened().await;
        assert_eq!(
            (open(&pool), closed(&pool)),
            (1, vec![]),
            "the connection stays"
        );
    }
}

/// Heads of this kind for a stream whose caller does not look, so that nobody counts them there.
#[tokio::test(start_paused = true)]
async fn informational_heads_that_nobody_counts_are_a_flood() {
    let (pool, mut network) = pool(h2());
    let mut sleeper = Box::pin(pool.get(URL));
    let mut far = tokio::select! {
        _ = &mut sleeper => panic!("no response"),
        far = async {
            let mut far = network.accept().await;
            far.request().await;
            far
        } => far,
    };
    let poured = pour(&mut far, &frame(HEADERS, END_HEADERS, 1, &head(103))).await;
    assert!(poured < 3000, "{poured}");
    everything_has_happened().await;
    assert_eq!(closed(&pool), [("flood", 1)]);
    sleeper.await.expect_err("its connection is gone");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_pings_once_a_second_stays() {
    let mut config = h2();
    config.eviction.clear();
    let (pool, mut network) = pool(config);
    let (got, mut far) = tokio::join!(get(&pool), serve_one(&mut network));
    got.expect("a response");
    for _ in 0..5_000 {
        far.write(PING, 0, 0, &[7; 8]).await;
        while far.next(PING).await.flags & ACK == 0 {
            far.write(PING, ACK, 0, &[0; 8]).await;
        }
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
}

/// As gRPC streams do: many small messages, each followed by window updates and now and then by a PING.
#[tokio::test(start_paused = true)]
async fn many_small_messages_are_no_flood() {
    const MESSAGES: usize = 20_000;
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        let stream = far.request().await;
        far.write(HEADERS, END_HEADERS, stream, &head(200)).await;
        for n in 0..MESSAGES {
            far.write(DATA, 0, stream, b"0\0\0\0\x04abcd").await;
            far.write(
                WINDOW_UPDATE,
                0,
                if n % 2 == 0 { 0 } else { stream },
                &[0, 0, 0, 9],
            )
            .await;
            if n % 64 == 0 {
                far.write(PING, 0, 0, &[7; 8]).await;
                // Its answer, or a PING of the client's own before it.
                while far.next(PING).await.flags & ACK == 0 {
                    far.write(PING, ACK, 0, &[0; 8]).await;
                }
            }
        }
        far.write(DATA, END_STREAM, stream, &[]).await;
        far
    };
    let (got, _far) = tokio::join!(get(&pool), serve);
    assert_eq!(got.expect("all of it").len(), MESSAGES * 9);
    assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
}
