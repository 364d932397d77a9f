//! Hosts with addresses of both families: one connection is there at the second try, the matrix has them all.

use std::net::SocketAddr;

use crate::network::{Manner, Network, URL, addrs, get, pool, resolver};
use pool_core::{Config, Warm};

/// More than a request tries.
fn v6() -> Vec<SocketAddr> {
    let addr = |n| format!("[2001:db8::{n}]:80").parse().unwrap();
    (1..=12).map(addr).collect()
}

#[tokio::test(start_paused = true)]
async fn a_family_that_leads_nowhere_costs_one_try() {
    let network = Network::new();
    let (dead, alive) = (v6(), addrs(2));
    for &addr in &dead {
        network.set(addr, Manner::Refuses);
    }
    let answer = [&dead[..], &alive].concat();
    let pool = pool(&network, resolver(answer), Config::default());
    let pool = pool.build().unwrap();
    assert_eq!(get(&pool).await.unwrap(), alive[0].to_string());
    assert_eq!(network.connects(), [dead[0], alive[0]]);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_opens_the_addresses_of_both() {
    let network = Network::new();
    let (v6, v4) = (v6(), addrs(2));
    let answer = [&v6[..], &v4].concat();
    let pool = pool(&network, resolver(answer.clone()), Config::default());
    let pool = pool.build().unwrap();
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 14);
    let mut connected = network.connects();
    connected.sort();
    let mut all = answer;
    all.sort();
    assert_eq!(connected, all);
}
