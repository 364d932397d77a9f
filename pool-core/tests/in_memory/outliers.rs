//! Addresses that do worse than the others of their host, and addresses that ask for a pause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver};
use pool_core::{Config, Pool, Warm};
use pool_health::{ConsecutiveFailures, OutlierPolicy, SlowEndpoint, StatusEjection, SuccessRate};

/// A pool with a connection to each of four addresses, the first of which has this manner.
async fn four(
    network: &Arc<Network>,
    manner: Manner,
    policy: impl OutlierPolicy + 'static,
) -> (Pool, SocketAddr) {
    let all = addrs(4);
    let pool = pool(network, resolver(all.clone()), Config::default());
    let pool = pool.outlier(Arc::new(policy)).build().unwrap();
    pool.warm(&Warm::new(URL)).await.unwrap();
    network.set(all[0], manner);
    (pool, all[0])
}

/// Sends so many requests, one after the other, and returns how many of them the address saw.
async fn seen(network: &Network, pool: &Pool, addr: SocketAddr, requests: usize) -> usize {
    let before = network.requests_at(addr);
    for _ in 0..requests {
        // Whether it goes well is not asked here.
        let _answer = get(pool).await;
    }
    network.requests_at(addr) - before
}

fn second(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn an_address_gets_the_pause_it_asks_for_within_reason() {
    for (asked, pause) in [(600, 600), (1, 60), (u64::MAX, 3_600)] {
        let network = Network::new();
        let policy = StatusEjection::new("429".parse().unwrap(), second(60));
        let (pool, asking) = four(&network, Manner::AsksForPause(asked), policy).await;
        assert_eq!(
            seen(&network, &pool, asking, 40).await,
            1,
            "asked for {asked} s"
        );
        pass(second(pause - 1)).await;
        assert_eq!(
            seen(&network, &pool, asking, 40).await,
            0,
            "asked for {asked} s"
        );
        pass(second(1)).await;
        // What was idle for so long has closed meanwhile.
        pool.warm(&Warm::new(URL)).await.unwrap();
        assert_eq!(
            seen(&network, &pool, asking, 40).await,
            1,
            "asked for {asked} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_under_way_at_an_ejection_do_not_make_it_longer() {
    let network = Network::new();
    let policy = StatusEjection::new("429".parse().unwrap(), second(60));
    let (pool, asking) = four(&network, Manner::AsksForPause(1), policy).await;
    pool.warm(&Warm::new(URL).per_cell(4)).await.unwrap();
    let before = network.requests_at(asking);
    join_all((0..16).map(|_| get(&pool))).await;
    assert_eq!(network.requests_at(asking) - before, 4, "all at once");
    pass(second(61)).await;
    pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!(seen(&network, &pool, asking, 8).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_slower_than_the_others_is_left_out_and_comes_back() {
    let network = Network::new();
    let policy = SlowEndpoint::new(3.0).durations(second(30), second(30));
    let (pool, slow) = four(&network, Manner::Slow(second(1)), policy).await;
    let first = seen(&network, &pool, slow, 200).await;
    assert!((15..=30).contains(&first), "{first} requests were slow");
    assert_eq!(seen(&network, &pool, slow, 40).await, 0);
    network.set(slow, Manner::Answers);
    pass(second(31)).await;
    assert_eq!(seen(&network, &pool, slow, 200).await, 50);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_fails_more_often_than_the_others_is_left_out() {
    let network = Network::new();
    let policy = SuccessRate::new(0.3).min_outcomes(10);
    let (pool, bad) = four(&network, Manner::Answers, policy).await;
    assert_eq!(seen(&network, &pool, bad, 80).await, 20);
    network.set(bad, Manner::Mute);
    let mut met = 0;
    for _ in 0..200 {
        let answer = tokio::time::timeout(second(120), get(&pool)).await;
        met += usize::from(!matches!(answer, Ok(Ok(_))));
    }
    assert!((1..=15).contains(&met), "{met} requests met it");
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_an_address_went_does_not_keep_it_out_for_longer() {
    let network = Network::new();
    let mut config = Config::default();
    config.outlier.clear();
    let policy = StatusEjection::new("429".parse().unwrap(), second(60));
    let all = addrs(4);
    let pool = pool(&network, resolver(all.clone()), config)
        .outlier(Arc::new(policy))
        .build()
        .unwrap();
    pool.warm(&Warm::new(URL).per_cell(3)).await.unwrap();
    network.set(all[0], Manner::AsksForPause(1));
    let asked = (0..12).map(|_| get(&pool));
    join_all(asked).await;
    assert_eq!(network.requests_at(all[0]), 3, "all at once");
    network.set(all[0], Manner::Answers);
    pass(second(61)).await;
    pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!(seen(&network, &pool, all[0], 40).await, 10);
}

#[tokio::test(start_paused = true)]
async fn addresses_that_fail_at_once_do_not_go_all_at_once() {
    for (share, stay) in [(1.0, 1), (0.5, 2)] {
        let network = Network::new();
        let mut config = Config::default();
        config.outlier.clear();
        let policy = StatusEjection::new("429".parse().unwrap(), second(60));
        let all = addrs(4);
        let pool = pool(&network, resolver(all.clone()), config)
            .outlier(Arc::new(policy.at_most(share)))
            .build()
            .unwrap();
        pool.warm(&Warm::new(URL).per_cell(3)).await.unwrap();
        for addr in &all {
            network.set(*addr, Manner::AsksForPause(1));
        }
        let asked = (0..12).map(|_| get(&pool));
        join_all(asked).await;
        let hosts = pool.snapshot().connections.hosts;
        let active = hosts[0].endpoints.iter().filter(|at| at.active).count();
        assert_eq!(active, stay);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_back_and_still_fails_is_met_once() {
    let network = Network::new();
    let mut config = Config::default();
    config.outlier.clear();
    let policy = ConsecutiveFailures::new(3).durations(second(10), second(10));
    let all = addrs(4);
    let pool = pool(&network, resolver(all.clone()), config)
        .outlier(Arc::new(policy))
        .build()
        .unwrap();
    pool.warm(&Warm::new(URL)).await.unwrap();
    network.set(all[0], Manner::Unwell);
    assert_eq!(seen(&network, &pool, all[0], 40).await, 3);
    for _ in 0..3 {
        pass(second(11)).await;
        assert_eq!(seen(&network, &pool, all[0], 40).await, 1);
    }
    network.set(all[0], Manner::Answers);
    pass(second(11)).await;
    assert_eq!(seen(&network, &pool, all[0], 40).await, 10);
    network.set(all[0], Manner::Unwell);
    assert_eq!(seen(&network, &pool, all[0], 40).await, 3, "it was well");
}
