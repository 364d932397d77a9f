//! One measured row: so many requests, so many at a time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::BodyExt;
use pool_core::{Error, Pool};
use serde::Serialize;
use tokio::time::Instant;

use super::stage::Stage;
use crate::exit::Failure;
use crate::output::micros;

/// What a row measured. Latencies are of the requests that were ok; handshakes and sources are what the origins saw.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) requests: u32,
    /// Answered with a status below 400, to the body's end.
    pub(super) ok: u32,
    /// All others: no answer, or one of 400 or above.
    pub(super) failed: u32,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    /// TLS handshakes that the origins completed.
    pub(super) handshakes: usize,
    /// Local addresses that at least one request came from.
    pub(super) sources_seen: usize,
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) requests: u32,
    pub(super) concurrency: u32,
}

/// Without a pool: each request opens a connection of its own.
pub(super) async fn cold(stage: &Stage, load: Load) -> Result<Row, Failure> {
    let clients: Result<Vec<Pool>, Failure> =
        (0..load.requests).map(|n| stage.plain_client(n)).collect();
    let clients = clients?;
    let url = stage.fleet.url("/");
    let row = measure("cold", stage, load, &|| {}, async |n| {
        let client = &clients[n as usize];
        let start = Instant::now();
        let ok = is_ok(get(client, &url).await);
        let took = start.elapsed();
        client.close(Duration::ZERO).await;
        ok.then_some(took)
    });
    Ok(row.await)
}

/// Through a pool. `half_way` happens when half of the requests have begun.
pub(super) async fn pooled(
    name: &'static str,
    stage: &Stage,
    pool: &Pool,
    load: Load,
    half_way: &(dyn Fn() + Sync),
) -> Row {
    let url = stage.fleet.url("/");
    let row = measure(name, stage, load, half_way, async |_| {
        let start = Instant::now();
        is_ok(get(pool, &url).await).then(|| start.elapsed())
    });
    row.await
}

/// Runs the load; `request` does the request of a number and returns how long it took if it was ok.
async fn measure(
    name: &'static str,
    stage: &Stage,
    load: Load,
    half_way: &(dyn Fn() + Sync),
    request: impl AsyncFn(u32) -> Option<Duration>,
) -> Row {
    let Load {
        requests,
        concurrency,
    } = load;
    stage.slow_down(false);
    let ledger = stage.fleet.ledger();
    let seen = ledger.since(&ledger.mark());
    let next = AtomicU32::new(0);
    let asker = async || {
        let mut took = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= requests {
                return took;
            }
            if n == requests / 2 {
                stage.slow_down(true);
                half_way();
            }
            took.extend(request(n).await);
        }
    };
    let took = join_all((0..concurrency).map(|_| asker())).await;
    let mut took: Vec<Duration> = took.into_iter().flatten().collect();
    took.sort_unstable();
    let ok = u32::try_from(took.len()).expect("no more than requests");
    Row {
        name,
        requests,
        ok,
        failed: requests - ok,
        p50_us: micros(percentile(&took, 50)),
        p99_us: micros(percentile(&took, 99)),
        handshakes: seen.handshakes(),
        sources_seen: seen.sources().len(),
    }
}

async fn get(pool: &Pool, url: &str) -> Result<u16, Error> {
    let response = pool.get(url).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(status)
}

fn is_ok(outcome: Result<u16, Error>) -> bool {
    outcome.is_ok_and(|status| status < 400)
}

/// The value that `percent` of all are not above; zero of none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), Duration::from_millis(100));
        assert_eq!(percentile(&sorted, 99), Duration::from_millis(198));
        assert_eq!(percentile(&sorted[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
