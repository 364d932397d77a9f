//! Servers that close what is idle: when they do is learned, and no request meets it.

use std::sync::Arc;
use std::time::Duration;

use crate::network::{Manner, Network, addrs, get, pass, pool, resolver};
use pool_core::{Config, Pool};
use pool_health::PeerIdle;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server that closes what is idle for two seconds, and a pool that learns.
fn wary() -> (Arc<Network>, Pool) {
    let network = Network::new();
    network.set(addrs(1)[0], Manner::ClosesIdle(ms(2_000)));
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.eviction(Arc::new(PeerIdle::default()));
    (network, pool.build().unwrap())
}

/// Whether a request after such a pause opens a connection.
async fn opens(network: &Network, pool: &Pool, pause: u64) -> bool {
    pass(ms(pause)).await;
    let before = network.connects().len();
    get(pool).await.unwrap();
    network.connects().len() > before
}

#[tokio::test(start_paused = true)]
async fn a_servers_timeout_is_learned_from_three_closings_and_then_kept_clear_of() {
    let (network, pool) = wary();
    assert!(opens(&network, &pool, 0).await);
    assert!(!opens(&network, &pool, 1_600).await, "nothing is known yet");
    for _ in 0..3 {
        assert!(
            opens(&network, &pool, 2_100).await,
            "the server has closed it"
        );
    }
    assert!(
        opens(&network, &pool, 1_600).await,
        "too close to the server's limit"
    );
    assert!(!opens(&network, &pool, 1_400).await, "far enough from it");

    network.set(addrs(1)[0], Manner::Answers);
    assert!(
        opens(&network, &pool, 1_600).await,
        "nobody knows that it has changed"
    );
    pass(Duration::from_secs(3_600)).await;
    get(&pool).await.unwrap();
    assert!(!opens(&network, &pool, 30_000).await, "forgotten");
}

#[tokio::test(start_paused = true)]
async fn rounds_of_clean_up_evict_before_the_server_does() {
    let (_network, pool) = wary();
    for _ in 0..4 {
        get(&pool).await.unwrap();
        pass(ms(2_100)).await;
    }
    get(&pool).await.unwrap();
    pass(ms(1_400)).await;
    assert_eq!(pool.evict_idle(), 0);
    pass(ms(200)).await;
    assert_eq!(pool.evict_idle(), 1);
}
