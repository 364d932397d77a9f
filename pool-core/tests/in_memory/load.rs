//! HTTP/2 under load: one connection more where many streams go on, and none for a burst.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pool_core::config::{DialWhenBusy, PolicyConfig};
use pool_core::{Config, ConnId, Pool, Protocols};
use pool_localip::{AddrSet, LocalAddrAllocator};
use tokio::task::JoinSet;

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver, settle};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// So many tasks that send one request after the other, until this is dropped.
pub(crate) fn steady(pool: &Pool, streams: usize) -> JoinSet<()> {
    let task = |_| {
        let pool = pool.clone();
        async move {
            loop {
                get(&pool).await.unwrap();
            }
        }
    };
    (0..streams).map(task).collect()
}

/// So many requests at the same time, all of them answered.
async fn burst(pool: &Pool, requests: usize) {
    let one = |_| {
        let pool = pool.clone();
        async move { get(&pool).await.unwrap() }
    };
    let all: JoinSet<String> = (0..requests).map(one).collect();
    assert_eq!(all.join_all().await.len(), requests);
}

/// HTTP/2 on one address, which answers after so long.
fn slow(answer: Duration, change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool) {
    let network = Network::new();
    network.set(addrs(1)[0], Manner::Slow(answer));
    let mut config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    config.eviction.clear();
    change(&mut config);
    let pool = pool(&network, resolver(addrs(1)), config);
    (network, pool.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn sixteen_streams_that_go_on_use_two_connections_within_a_second() {
    let (network, pool) = slow(100 * MS, |_| {});
    let load = steady(&pool, 16);
    pass(400 * MS).await;
    assert_eq!(network.open(), 1, "it may be a burst");
    pass(600 * MS).await;
    assert_eq!(network.open(), 2);
    pass(5 * SECOND).await;
    assert_eq!(network.connects().len(), 2, "and no third");
    drop(load);
    settle().await;
    let mut carried: HashMap<ConnId, usize> = HashMap::new();
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(pool.acquire(URL).await.unwrap());
        let id = held.last().unwrap().conn_info().id;
        *carried.entry(id).or_default() += 1;
    }
    assert!(
        carried.values().eq(&[8, 8]),
        "each carries its half: {carried:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn with_one_connection_asked_for_there_is_one() {
    for change in [
        (|config| config.http2.connections = 1) as fn(&mut Config),
        |config| config.limits.per_host = 1,
        |config| config.dial.when_busy = DialWhenBusy::Never,
    ] {
        let (network, pool) = slow(100 * MS, change);
        let _load = steady(&pool, 64);
        pass(5 * SECOND).await;
        assert_eq!(network.connects().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn with_more_asked_for_there_are_as_many_as_carry_many() {
    let (network, pool) = slow(100 * MS, |config| config.http2.connections = 4);
    let some = steady(&pool, 20);
    pass(5 * SECOND).await;
    assert_eq!(
        network.connects().len(),
        3,
        "of 20, fewer than 8 on each of three"
    );
    let _more = steady(&pool, 44);
    pass(5 * SECOND).await;
    assert_eq!(network.connects().len(), 4);
    drop(some);
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_no_dial_but_the_first() {
    for answer in [Duration::ZERO, 100 * MS, 10 * SECOND] {
        let (network, pool) = slow(answer, |_| {});
        burst(&pool, 64).await;
        assert_eq!(network.connects().len(), 1, "the first requests");
        for _ in 0..20 {
            pass(10 * SECOND).await;
            burst(&pool, 64).await;
        }
        assert_eq!(network.connects().len(), 1, "and no more for twenty bursts");
    }
}

#[tokio::test(start_paused = true)]
async fn seven_streams_are_not_many() {
    let (network, pool) = slow(100 * MS, |_| {});
    let _load = steady(&pool, 7);
    pass(5 * SECOND).await;
    assert_eq!(network.connects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_comes_and_goes_does_not_dial_and_evict_without_end() {
    let idle = PolicyConfig::new("idle").option("after", "5s");
    let (network, pool) = slow(100 * MS, |config| {
        config.eviction = vec![idle];
        config.upkeep.idle_interval = SECOND;
    });
    // Shorter pauses than an idle connection is kept for: the two stay.
    for _ in 0..5 {
        let load = steady(&pool, 16);
        pass(3 * SECOND).await;
        drop(load);
        pass(3 * SECOND).await;
    }
    assert_eq!(network.connects().len(), 2);
    // Longer ones: they go, and come again with the load, and only then.
    for round in 0..5 {
        pass(10 * SECOND).await;
        assert_eq!(network.open(), 0, "idle");
        let load = steady(&pool, 16);
        pass(3 * SECOND).await;
        drop(load);
        assert_eq!(network.connects().len(), 2 + 2 * (round + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_is_refused_it_is_tried_elsewhere_and_no_request_fails() {
    let network = Network::new();
    let [first, second] = [addrs(2)[0], addrs(2)[1]];
    network.set(first, Manner::Slow(100 * MS));
    network.set(second, Manner::Refuses);
    let mut config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    config.dial.backoff_base = SECOND;
    config.dial.jitter = 0.0;
    let pool = pool(&network, resolver(addrs(2)), config).build().unwrap();
    let _load = steady(&pool, 16);
    pass(3 * SECOND).await;
    assert_eq!(network.connects(), [first, second, first]);
    assert_eq!(network.open_at(first), 2);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_for_a_source_address() {
    let sources: AddrSet = "10.1.0.1".parse().unwrap();
    let sources = sources.max_per_addr(1);
    let network = Network::new();
    network.set(addrs(1)[0], Manner::Slow(100 * MS));
    let config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    let allocator: Arc<dyn LocalAddrAllocator> = Arc::new(sources);
    let pool = pool(&network, resolver(addrs(1)), config);
    let pool = pool.local_addrs(allocator).build().unwrap();
    let _load = steady(&pool, 16);
    for _ in 0..2_000 {
        pass(7 * MS).await;
        let totals = pool.snapshot().connections.totals;
        assert_eq!(
            (totals.open, totals.dialling),
            (totals.open.min(1), totals.dialling.min(1))
        );
        assert!(
            totals.open == 0 || totals.dialling == 0,
            "a dial that holds a place in vain"
        );
    }
    let totals = pool.snapshot().connections.totals;
    assert!(
        totals.dials_failed > 5,
        "it was tried: {}",
        totals.dials_failed
    );
    settle().await;
    assert_eq!(network.connects().len(), 1);
}
