//! A request that asks for the same authority as the one before it gets the same host only if all else is the same.

use pool_core::{Config, Partition, Protocols, RequestOptions};

use crate::network::{Network, addrs, get, get_with, pool, resolver};

/// Connections that were opened for requests with these options, each sent twice, on a pool that knows the plain host.
async fn opened_for(options: &RequestOptions) -> usize {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    let before = network.connects().len();
    for _ in 0..2 {
        get_with(&pool, options.clone()).await.unwrap();
        get(&pool).await.unwrap();
    }
    assert_eq!(before, 1);
    network.connects().len() - before
}

#[tokio::test(start_paused = true)]
async fn only_the_same_key_is_the_same_host() {
    assert_eq!(opened_for(&RequestOptions::new()).await, 0);
    let tenant = RequestOptions::new().partition(Partition::named("a"));
    assert_eq!(opened_for(&tenant).await, 1);
    let http1 = RequestOptions::new().protocols(Protocols::Http1);
    assert_eq!(opened_for(&http1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_host_is_looked_up_again() {
    let network = Network::new();
    let mut config = Config::default();
    config.limits.idle_per_host = 0;
    config.limits.hosts = 1;
    let resolver = resolver(addrs(1));
    resolver.set("b.test", 80, addrs(2));
    let pool = pool(&network, resolver, config).build().unwrap();
    for _ in 0..3 {
        get(&pool).await.unwrap();
        let other = pool.get("http://b.test/").await.unwrap();
        other.into_body().bytes().await.unwrap();
    }
    assert!(pool.snapshot().connections.hosts.len() <= 2);
    assert_eq!(network.requests().len(), 6);
}
