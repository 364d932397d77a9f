//! HTTP/2 peers that stay open and fall silent: found within the window that PINGs leave them, to the millisecond.

use std::time::Duration;

use crate::network::{Manner, Network, URL, addrs, begun, get, pass, pool, resolver};
use pool_core::{Config, Protocols, Warm};
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(5);
const MILLISECOND: Duration = Duration::from_millis(1);

fn config() -> Config {
    let mut config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    config.http2.ping_interval = INTERVAL;
    config.http2.ping_timeout = TIMEOUT;
    // Another way to find it would hide this one.
    config.health.clear();
    config
}

#[tokio::test(start_paused = true)]
async fn every_request_that_one_held_is_answered_elsewhere_when_the_window_ends() {
    let network = Network::new();
    let all = addrs(4);
    let pool = pool(&network, resolver(all.clone()), config());
    let pool = pool.build().unwrap();
    pool.warm(&Warm::new(URL)).await.unwrap();
    network.set(all[0], Manner::Mute);
    let began = Instant::now();
    let held = (0..8).map(|_| get(&pool));
    for answer in futures_util::future::join_all(held).await {
        answer.unwrap();
    }
    assert_eq!(network.requests_at(all[0]), 2, "one of each four");
    assert!(began.elapsed() <= INTERVAL + TIMEOUT + MILLISECOND);
    assert_eq!(network.open_at(all[0]), 0);
    let closed = pool.snapshot().connections.totals.closed;
    assert_eq!(
        closed.into_iter().collect::<Vec<_>>(),
        [("ping_timeout", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_holds_nothing_is_gone_when_the_window_ends_and_not_before() {
    let network = Network::new();
    let all = addrs(1);
    let pool = pool(&network, resolver(all.clone()), config());
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    network.set(all[0], Manner::Mute);
    pass(INTERVAL + TIMEOUT - 2 * MILLISECOND).await;
    assert_eq!((network.h2().pings(), network.open()), (1, 1));
    pass(4 * MILLISECOND).await;
    assert_eq!(network.open(), 0);
    network.set(all[0], Manner::Answers);
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_speaks_again_in_time_keeps_its_requests() {
    let network = Network::new();
    let all = addrs(1);
    let pool = pool(&network, resolver(all.clone()), config());
    let pool = pool.build().unwrap();
    // Answers the request after the PING was due, and the PING at once.
    network.set(all[0], Manner::Slow(INTERVAL + TIMEOUT + TIMEOUT));
    let asked = pool.clone();
    let answer = begun(async move { get(&asked).await }).await;
    pass(INTERVAL + TIMEOUT).await;
    assert_eq!(network.h2().pings(), 1);
    answer.await.unwrap().unwrap();
    assert_eq!(network.connects().len(), 1);
}
