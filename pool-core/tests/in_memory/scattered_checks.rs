//! Checks of many connections: those of one host do not come all at once.

use std::sync::Arc;

use pool_core::{Config, StaticResolver, Warm};
use pool_health::HttpCheck;

use crate::network::{Network, addrs, pool};

#[tokio::test(start_paused = true)]
async fn the_connections_of_several_hosts_are_checked_in_turn() {
    let (network, addrs) = (Network::new(), addrs(4));
    let names = StaticResolver::default();
    let host = |at: usize| format!("{at}.test");
    for (at, &addr) in addrs.iter().enumerate() {
        names.set(&host(at), 80, vec![addr]);
    }
    let mut config = Config::default();
    config.upkeep.health_concurrency = 1;
    let pool = pool(&network, Arc::new(names), config);
    let pool = pool.health(Arc::new(HttpCheck::new("/"))).build().unwrap();
    for at in 0..addrs.len() {
        let plan = Warm::new(&format!("http://{}", host(at))).per_cell(8);
        assert_eq!(pool.warm(&plan).await.unwrap().ready(), 8);
    }
    let before = network.requests().len();
    assert_eq!(pool.check_health().await, 0);
    let checked = &network.requests()[before..];
    assert_eq!(checked.len(), 32);
    let changes = checked.windows(2).filter(|pair| pair[0] != pair[1]).count();
    // Host by host there would be 3.
    assert!(changes > 12, "{changes}");
}
