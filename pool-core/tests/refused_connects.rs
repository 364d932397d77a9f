//! Addresses that refuse: each is tried once, and one that answers is enough.

mod wire;

use pool_core::{Config, ErrorKind};
use wire::{Manner, Wire, addrs, get, pool, resolver};

#[tokio::test(start_paused = true)]
async fn when_all_refuse_each_is_tried_once_and_the_error_names_one() {
    let (wire, addrs) = (Wire::new(), addrs(3));
    for &addr in &addrs {
        wire.set(addr, Manner::Refuses);
    }
    let pool = pool(&wire, resolver(addrs.clone()), Config::default())
        .build()
        .unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(addrs.contains(&error.target().unwrap()));
    assert!(error.to_string().contains("10.0.0."), "{error}");
    let mut tried = wire.connects();
    tried.sort();
    assert_eq!(tried, addrs);
    assert_eq!(pool.snapshot().connections.totals.dials_failed, 3);
}

#[tokio::test(start_paused = true)]
async fn when_one_refuses_the_other_serves() {
    for refusing in 0..2 {
        let (wire, addrs) = (Wire::new(), addrs(2));
        wire.set(addrs[refusing], Manner::Refuses);
        let pool = pool(&wire, resolver(addrs.clone()), Config::default())
            .build()
            .unwrap();
        for _ in 0..4 {
            assert_eq!(get(&pool).await.unwrap(), addrs[1 - refusing].to_string());
        }
        assert!(wire.connects().len() <= 2, "{:?}", wire.connects());
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_again_is_used_after_its_wait() {
    let (wire, addrs) = (Wire::new(), addrs(1));
    wire.set(addrs[0], Manner::Refuses);
    let pool = pool(&wire, resolver(addrs.clone()), Config::default())
        .build()
        .unwrap();
    get(&pool).await.unwrap_err();
    wire.set(addrs[0], Manner::Answers);
    let began = tokio::time::Instant::now();
    get(&pool).await.unwrap();
    let waited = began.elapsed();
    let base = Config::default().dial.backoff_base;
    assert!(waited > base / 4 && waited <= base * 2, "{waited:?}");
}
