//! Callers that give up on many requests: this side never looks like an attack.

use std::collections::HashMap;

use super::peers::{CANCEL, Far, RST_STREAM, URL, closed, everything_has_happened, h2, open, pool};

#[tokio::test(start_paused = true)]
async fn a_connection_takes_a_hundred_resets_and_is_replaced() {
    const IN_FLIGHT: usize = 10;
    let (pool, mut network) = pool(h2());
    // A peer that answers nothing, and counts.
    let counts = tokio::spawn(async move {
        let mut resets: Vec<tokio::task::JoinHandle<HashMap<u32, u32>>> = Vec::new();
        while let Ok(far) = tokio::time::timeout(super::peers::LONG, network.accept()).await {
            resets.push(tokio::spawn(count(far)));
        }
        let mut all = Vec::new();
        for counted in resets {
            all.push(counted.await.expect("no panic"));
        }
        all
    });
    for _ in 0..50 {
        let mut requests: Vec<_> = (0..IN_FLIGHT).map(|_| Box::pin(pool.get(URL))).collect();
        let all = futures_util::future::join_all(&mut requests);
        // All are on the wire, and given up.
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(1), all)
                .await
                .is_err()
        );
        drop(requests);
        everything_has_happened().await;
    }
    let totals = pool.snapshot().connections.totals;
    assert_eq!(totals.leased, 0);
    pool.close(std::time::Duration::from_secs(1)).await;
    let counts = counts.await.expect("no panic");
    let resets: u32 = counts.iter().flat_map(HashMap::values).sum();
    assert_eq!(resets, 500, "each request was on the wire: {counts:?}");
    assert!(counts.len() >= 5, "{counts:?}");
    for count in &counts {
        assert!(count.keys().all(|code| *code == CANCEL), "{counts:?}");
        let most = 101 + IN_FLIGHT as u32;
        assert!(count.values().all(|&resets| resets <= most), "{counts:?}");
    }
    let spent = closed(&pool);
    let spent = spent.iter().find(|(reason, _)| *reason == "cancel_budget");
    assert!(spent.is_some_and(|(_, count)| *count >= 4), "{spent:?}");
}

/// The codes of the resets on one connection.
async fn count(mut far: Far) -> HashMap<u32, u32> {
    let mut resets = HashMap::new();
    while let Some(frame) = far.read().await {
        if frame.kind == RST_STREAM {
            let code = frame.payload[..4].try_into().expect("four bytes");
            *resets.entry(u32::from_be_bytes(code)).or_default() += 1;
        }
    }
    resets
}

/// A response that has come whole needs no reset, read or not.
#[tokio::test(start_paused = true)]
async fn responses_that_nobody_reads_cost_nothing() {
    let (pool, mut network) = pool(h2());
    let serve = tokio::spawn(async move {
        let mut far = network.accept().await;
        for _ in 0..300 {
            let stream = far.request().await;
            let (flags, block) = (super::peers::END_HEADERS, super::peers::head(200));
            far.write(super::peers::HEADERS, flags, stream, &block)
                .await;
            let end = super::peers::END_STREAM;
            far.write(super::peers::DATA, end, stream, b"unread").await;
        }
        far
    });
    for _ in 0..300 {
        let response = pool.get(URL).await.expect("a response");
        everything_has_happened().await;
        drop(response);
    }
    let _far = serve.await.expect("no panic");
    assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
}
