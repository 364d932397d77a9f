//! Values at the ends of their ranges, and calls that come too late.

use std::time::Duration;

use pool_core::{Config, ErrorKind, Pool, Warm};

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver, settle};

/// Every duration as long as it can be.
fn endless() -> Config {
    const NEVER: Duration = Duration::MAX;
    let mut config = Config::default();
    config.limits.min_reclaim_idle = NEVER;
    config.timeouts.acquire = NEVER;
    config.timeouts.resolve = NEVER;
    config.timeouts.connect = NEVER;
    config.timeouts.handshake = NEVER;
    config.timeouts.response_head = NEVER;
    config.timeouts.body_idle = NEVER;
    config.timeouts.drain = NEVER;
    config.http2.ping_interval = NEVER;
    config.http2.ping_timeout = NEVER;
    config.dial.backoff_base = NEVER;
    config.dial.backoff_max = NEVER;
    config.dial.when_busy = pool_core::config::DialWhenBusy::After(NEVER);
    config.upkeep.health_interval = NEVER;
    config.upkeep.health_timeout = NEVER;
    config.upkeep.alive_bypass = NEVER;
    config.upkeep.idle_interval = NEVER;
    config.upkeep.lifetime_interval = NEVER;
    config.upkeep.refresh_interval = NEVER;
    config
}

/// Everything that may be zero.
fn nothing() -> Config {
    let mut config = Config::default();
    config.limits.idle_per_host = 0;
    config.limits.idle_total = 0;
    config.limits.min_reclaim_idle = Duration::ZERO;
    config.timeouts.drain = Duration::ZERO;
    config.retry.budget_percent = 0;
    config.retry.budget_min = 0;
    config.upkeep.alive_bypass = Duration::ZERO;
    config.dial.when_busy = pool_core::config::DialWhenBusy::After(Duration::ZERO);
    config.dial.jitter = 0.0;
    config
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_every_time_is_endless_works() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(2)), endless())
        .build()
        .unwrap();
    for _ in 0..3 {
        get(&pool).await.unwrap();
        pass(Duration::from_secs(3600)).await;
    }
    assert_eq!(network.connects().len(), 3, "an old one is not used");
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 2);
    assert_eq!(pool.close(Duration::MAX).await.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_back_off_without_end_is_no_dial_without_end() {
    let network = Network::new();
    network.set(addrs(1)[0], Manner::Refuses);
    let pool = pool(&network, resolver(addrs(1)), endless())
        .build()
        .unwrap();
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Refused);
    let again = tokio::time::timeout(Duration::from_secs(3600), get(&pool)).await;
    assert!(
        again.is_err(),
        "it waits for the back-off to end: {again:?}"
    );
    assert_eq!(network.connects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pool_of_which_everything_is_zero_that_may_be_works() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(2)), nothing())
        .build()
        .unwrap();
    for requests in 1..=3 {
        get(&pool).await.unwrap();
        assert_eq!(
            network.connects().len(),
            requests,
            "no idle connection is kept"
        );
    }
    settle().await;
    assert_eq!(network.open(), 0);
    assert_eq!(pool.close(Duration::ZERO).await.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_may_wait_what_is_warm_serves_and_the_next_is_refused() {
    let network = Network::new();
    let mut config = Config::default();
    config.limits.waiters_per_host = 0;
    config.limits.waiters_total = 0;
    let pool = pool(&network, resolver(addrs(1)), config).build().unwrap();
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Saturated);
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 1);
    let held = pool.acquire(URL).await.unwrap();
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Saturated);
    drop(held);
    get(&pool).await.unwrap();
}

async fn refuses(pool: &Pool) {
    assert_eq!(get(pool).await.unwrap_err().kind(), ErrorKind::Closed);
    let lease = pool.acquire(URL).await;
    assert_eq!(lease.unwrap_err().kind(), ErrorKind::Closed);
    let warm = pool.warm(&Warm::new(URL)).await;
    assert_eq!(warm.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_closed_pool_refuses_and_closing_it_again_is_nothing() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    let closed = pool.close(Duration::MAX).await;
    assert_eq!((closed.drained, closed.aborted), (1, 0));
    refuses(&pool).await;
    let again = pool.close(Duration::MAX).await;
    assert_eq!((again.drained, again.aborted), (0, 0));
    refuses(&pool).await;
    pool.reconfigure(Config::default()).unwrap();
    assert_eq!((pool.evict_idle(), pool.evict_expired()), (0, 0));
    assert_eq!(pool.check_health().await, 0);
    refuses(&pool).await;
    assert_eq!((network.connects().len(), network.open()), (1, 0));
}
