//! Warm-up beside everything else: plans that do not fit, addresses that stay silent, callers that give up.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver, settle};
use pool_core::{Config, ErrorKind, Priority, RequestOptions, StaticResolver, Warm, WarmOutcome};
use pool_localip::AddrSet;

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_fit_is_refused_with_the_limit() {
    let network = Network::new();
    type Change = fn(&mut Config);
    let cases: [(Change, usize, &str); 5] = [
        (|_| {}, usize::MAX, "limits.per_host is 16"),
        (|_| {}, 9, "wants 18 connections, limits.per_host is 16"),
        (
            |config| config.limits.per_endpoint = 2,
            3,
            "wants 3 connections to 10.0.0.1:80, limits.per_endpoint is 2",
        ),
        (
            |config| config.limits.idle_per_host = 3,
            2,
            "wants 4 connections, limits.idle_per_host is 3",
        ),
        (
            |config| config.limits.idle_total = 1,
            1,
            "wants 2 connections, limits.idle_total is 1",
        ),
    ];
    for (change, per_cell, says) in cases {
        let mut config = Config::default();
        change(&mut config);
        let pool = pool(&network, resolver(addrs(2)), config).build().unwrap();
        let plan = Warm::new(URL).per_cell(per_cell);
        let error = pool.warm(&plan).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request);
        let why = error.source().expect("it says why").to_string();
        assert!(why.contains(says), "{why}");
    }
    assert!(network.connects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_does_not_keep_the_others_cold() {
    let network = Network::new();
    network.set(addrs(2)[0], Manner::Silent);
    let mut config = Config::default();
    config.limits.dials_per_host = 2;
    let set: AddrSet = "10.1.0.1,10.1.0.2,10.1.0.3,10.1.0.4".parse().unwrap();
    let pool = pool(&network, resolver(addrs(2)), config)
        .local_addrs(Arc::new(set))
        .build()
        .unwrap();
    let report = pool.warm(&Warm::new(URL)).await.unwrap();
    for cell in &report.cells {
        let silent = cell.target == addrs(2)[0];
        match &cell.outcome {
            WarmOutcome::Failed(error) if silent => {
                assert_eq!(error.kind().code(), "connect_timeout");
            }
            outcome => assert!(matches!(outcome, WarmOutcome::Ready(_)), "{cell:?}"),
        }
    }
    let targets: Vec<_> = report.cells.iter().map(|cell| cell.target).collect();
    assert!(targets.is_sorted(), "by address, then source");
}

#[tokio::test(start_paused = true)]
async fn giving_up_a_warm_up_disturbs_nobody_who_waits() {
    let network = Network::new();
    let first = addrs(1)[0];
    network.set(first, Manner::Silent);
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    let warming = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm(&Warm::new(URL)).await.map(drop) }
    });
    pass(Duration::from_secs(1)).await;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { get(&pool).await }
    });
    pass(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    network.set(first, Manner::Answers);
    warming.abort();
    assert_eq!(waiting.await.unwrap().unwrap(), first.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_ends_with_the_pool() {
    let network = Network::new();
    network.set(addrs(1)[0], Manner::Silent);
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    let warming = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm(&Warm::new(URL)).await }
    });
    pass(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(pool.close(Duration::MAX).await.aborted, 0);
    assert!(began.elapsed() < Duration::from_secs(1));
    let report = warming.await.unwrap().unwrap();
    let [cell] = &report.cells[..] else {
        panic!("one connection was wanted");
    };
    let WarmOutcome::Failed(error) = &cell.outcome else {
        panic!("{cell:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Closed);
    let error = pool.warm(&Warm::new(URL)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_its_way_out_is_not_there() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.eviction(Arc::new(Used)).build().unwrap();
    let held = pool.acquire(URL).await.unwrap();
    assert_eq!(pool.evict_idle(), 1, "it drains");
    let report = pool.warm(&Warm::new(URL)).await.unwrap();
    assert!(matches!(report.cells[0].outcome, WarmOutcome::Ready(_)));
    drop(held);
}

/// Wants no connection that has been used.
#[derive(Debug)]
struct Used;

impl pool_health::EvictionPolicy for Used {
    fn name(&self) -> &'static str {
        "used"
    }
    fn judge(&self, cx: &pool_health::EvictionContext<'_>) -> pool_health::Verdict {
        match cx.conn.uses {
            0 => pool_health::Verdict::Keep,
            _ => pool_health::Verdict::Evict(pool_health::EvictReason::Policy("used")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_size_of_a_plan_is_known_before_anything_is_opened() {
    let network = Network::new();
    let set: AddrSet = "10.1.0.1,10.1.0.2,10.1.0.3".parse().unwrap();
    let pool = pool(&network, resolver(addrs(2)), Config::default())
        .local_addrs(Arc::new(set))
        .build()
        .unwrap();
    assert_eq!(pool.warm_size(&Warm::new(URL)).await.unwrap(), 6);
    let error = pool.warm_size(&Warm::new(URL).per_cell(3)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Request);
    assert!(network.connects().is_empty());
    // What is open already belongs to it.
    pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!(pool.warm_size(&Warm::new(URL)).await.unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_plan_has_a_floor_and_a_ceiling() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(2)), Config::default());
    let pool = pool.build().unwrap();
    let plan = Warm::new(URL).per_cell(8).at_most(3);
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), 3);
    settle().await;
    assert_eq!(
        (network.open_at(addrs(2)[0]), network.open_at(addrs(2)[1])),
        (2, 1)
    );
    // What is there counts.
    let plan = Warm::new(URL).at_least(6);
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), 6);
    assert_eq!(network.connects().len(), 6);
    assert_eq!(
        pool.warm_size(&Warm::new(URL).at_least(6)).await.unwrap(),
        6
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_a_higher_class_goes_before_what_is_left_of_the_others() {
    let network = Network::new();
    let all = addrs(8);
    for &addr in &all {
        network.set(addr, Manner::Takes(Duration::from_secs(1)));
    }
    let names = StaticResolver::default();
    names.set("low.test", 80, all[..4].to_vec());
    names.set("high.test", 80, all[4..].to_vec());
    let pool = pool(&network, Arc::new(names), Config::default());
    let pool = pool.build().unwrap();
    let plan = |url, priority| {
        let options = RequestOptions::new().priority(priority);
        Warm::new(url).options(options).concurrency(1)
    };
    let low = plan("http://low.test", Priority::Low);
    let high = plan("http://high.test", Priority::High);
    let (low, high) = tokio::join!(pool.warm(&low), pool.warm(&high));
    assert_eq!((low.unwrap().ready(), high.unwrap().ready()), (4, 4));
    let begun = [&all[..1], &all[4..], &all[1..4]].concat();
    assert_eq!(network.connects(), begun);
}
