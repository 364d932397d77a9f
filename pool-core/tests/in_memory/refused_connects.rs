//! Addresses that refuse: each is tried once, and one that answers is enough.

use std::sync::Arc;

use crate::network::{Manner, Network, addrs, get, pool, resolver};
use pool_core::{Config, ErrorKind};
use pool_localip::AddrSet;

#[tokio::test(start_paused = true)]
async fn when_all_refuse_each_is_tried_once_and_the_error_names_one() {
    let (network, addrs) = (Network::new(), addrs(3));
    for &addr in &addrs {
        network.set(addr, Manner::Refuses);
    }
    let pool = pool(&network, resolver(addrs.clone()), Config::default())
        .build()
        .unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(addrs.contains(&error.target().unwrap()));
    assert!(error.to_string().contains("10.0.0."), "{error}");
    let mut tried = network.connects();
    tried.sort();
    assert_eq!(tried, addrs);
    assert_eq!(pool.snapshot().connections.totals.dials_failed, 3);
}

#[tokio::test(start_paused = true)]
async fn when_one_refuses_the_other_serves() {
    for refusing in 0..2 {
        let (network, addrs) = (Network::new(), addrs(2));
        network.set(addrs[refusing], Manner::Refuses);
        let pool = pool(&network, resolver(addrs.clone()), Config::default())
            .build()
            .unwrap();
        for _ in 0..4 {
            assert_eq!(get(&pool).await.unwrap(), addrs[1 - refusing].to_string());
        }
        assert!(network.connects().len() <= 2, "{:?}", network.connects());
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_again_is_used_after_its_wait() {
    let (network, addrs) = (Network::new(), addrs(1));
    network.set(addrs[0], Manner::Refuses);
    let pool = pool(&network, resolver(addrs.clone()), Config::default())
        .build()
        .unwrap();
    get(&pool).await.unwrap_err();
    network.set(addrs[0], Manner::Answers);
    let began = tokio::time::Instant::now();
    get(&pool).await.unwrap();
    let waited = began.elapsed();
    let base = Config::default().dial.backoff_base;
    assert!(waited > base / 4 && waited <= base * 2, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_of_both_families_is_reached_by_that_of_the_sources() {
    let (network, mut addrs) = (Network::new(), addrs(1));
    let served = addrs[0].to_string();
    addrs.insert(0, "[2001:db8::1]:443".parse().unwrap());
    let sources: AddrSet = "10.1.0.1".parse().unwrap();
    let pool = pool(&network, resolver(addrs.clone()), Config::default())
        .local_addrs(Arc::new(sources))
        .build()
        .unwrap();
    for _ in 0..4 {
        assert_eq!(get(&pool).await.unwrap(), served);
    }
    assert_eq!(network.connects(), [addrs[1]]);
}
