//! Connections born together do not die together.

use std::sync::Arc;
use std::time::Duration;

use crate::network::{Network, URL, addrs, pass, pool, resolver, settle};
use pool_core::{Config, Warm};
use pool_health::Lifetime;

const CONNS: usize = 1_000;
const MAX: u64 = 100;

/// How many of a thousand connections are open at each second of their life, as the servers see it.
async fn life(jitter: f64) -> Vec<usize> {
    let network = Network::new();
    let mut config = Config::default();
    config.limits.per_host = CONNS;
    config.limits.total = CONNS;
    config.eviction.clear();
    config.upkeep.lifetime_interval = Duration::from_secs(1);
    let policy = Lifetime::new(Duration::from_secs(MAX)).jitter(jitter);
    let pool = pool(&network, resolver(addrs(10)), config)
        .eviction(Arc::new(policy))
        .build()
        .unwrap();
    let plan = Warm::new(URL).per_cell(CONNS / 10);
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), CONNS);
    settle().await;
    let mut open = vec![network.open()];
    // A round of clean-up may come up to an interval late.
    for _ in 0..MAX + 2 {
        pass(Duration::from_secs(1)).await;
        open.push(network.open());
    }
    let closed = pool.snapshot().connections.totals.closed;
    assert_eq!(
        closed.into_iter().collect::<Vec<_>>(),
        [("lifetime", CONNS as u64)]
    );
    open
}

#[tokio::test(start_paused = true)]
async fn with_jitter_they_close_evenly_over_it() {
    let open = life(0.5).await;
    assert_eq!(open[50], CONNS, "none before half of its life");
    assert_eq!(open.last(), Some(&0), "none outlives it");
    // A thousand over fifty seconds are 20 a second, give or take: 44 is more than five standard deviations away.
    let most = open.windows(2).map(|pair| pair[0] - pair[1]).max();
    assert!(most < Some(44), "{most:?} closed in one second");
    // And about as many in each fifth of the time: 180, three standard deviations up or down.
    for fifth in open[51..].chunks_exact(10) {
        let closed = fifth[0] - fifth[9];
        assert!((140..=220).contains(&closed), "{closed} in nine seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn without_they_close_in_one_round() {
    let open = life(0.0).await;
    assert_eq!(open[MAX as usize - 1], CONNS);
    assert_eq!(open[MAX as usize + 1], 0);
}
