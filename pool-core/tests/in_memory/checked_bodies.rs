//! What a health check gets to see of a response, and how often it looks.

use std::sync::Arc;
use std::time::Duration;

use crate::network::{Network, addrs, get, pass, pool, resolver};
use pool_core::{Config, Pool};
use pool_health::{HealthCheck, HttpCheck};

/// A pool with one connection, whose checks are run by hand. The body of each response is `10.0.0.1:80`.
async fn checked_by(network: &Arc<Network>, check: impl HealthCheck + 'static) -> Pool {
    let mut config = Config::default();
    config.upkeep.health_interval = Duration::MAX;
    config.upkeep.alive_bypass = Duration::MAX;
    config.eviction.clear();
    let pool = pool(network, resolver(addrs(1)), config);
    let pool = pool.health(Arc::new(check)).build().unwrap();
    get(&pool).await.unwrap();
    pool
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_longer_than_asked_for_is_seen_from_its_beginning() {
    let check = || HttpCheck::new("/").max_body(6);
    for (check, failed) in [
        (check().body_contains("10.0.0"), 0),
        (check().body_contains(":80"), 1),
        (check().min_body(6), 0),
        (check().refuse_longer(), 1),
        (check().max_body(11).refuse_longer().body_contains(":80"), 0),
        (check().max_body(0).refuse_longer(), 1),
    ] {
        let network = Network::new();
        let shown = format!("{check:?}");
        let pool = checked_by(&network, check).await;
        assert_eq!(pool.check_health().await, failed, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_due_now_and_then_asks_now_and_then() {
    let network = Network::new();
    let check = HttpCheck::new("/").every(Duration::from_secs(60));
    let pool = checked_by(&network, check).await;
    let mut asked = Vec::new();
    for _ in 0..13 {
        pass(Duration::from_secs(20)).await;
        let before = network.requests().len();
        assert_eq!(pool.check_health().await, 0);
        asked.push(network.requests().len() - before);
    }
    // At the first look, after 20 seconds, and whenever a minute of the connection's life is over.
    assert_eq!(asked, [1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_check_may_leave_alone_what_was_used_lately() {
    let network = Network::new();
    let check = HttpCheck::new("/").after_idle(Duration::from_secs(30));
    let pool = checked_by(&network, check).await;
    for (pause, asked) in [(20, 0), (20, 1), (20, 1)] {
        pass(Duration::from_secs(pause)).await;
        let before = network.requests().len();
        assert_eq!(pool.check_health().await, 0);
        assert_eq!(network.requests().len() - before, asked);
    }
    get(&pool).await.unwrap();
    let before = network.requests().len();
    assert_eq!(pool.check_health().await, 0);
    assert_eq!(network.requests().len(), before);
}
