//! Which address a request prefers, as the servers count it; and that a preference is never more than that.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pool_core::config::PolicyConfig;
use pool_core::select::{SelectContext, Selector};
use pool_core::{Config, ErrorKind, Pool, RequestOptions, StaticResolver, Warm};

use crate::network::{Manner, Network, URL, addrs, get, get_with, pass, pool, resolver};

const NAMES: [&str; 4] = ["round-robin", "least-used", "p2c", "sticky"];

fn named(name: &str) -> Config {
    Config {
        selector: PolicyConfig::new(name),
        ..Config::default()
    }
}

/// A pool with so many connections to each of so many addresses.
async fn warmed(
    config: Config,
    hosts: u8,
    per_addr: usize,
) -> (Arc<Network>, Arc<StaticResolver>, Pool) {
    let (network, names) = (Network::new(), resolver(addrs(hosts)));
    let pool = pool(&network, names.clone(), config).build().unwrap();
    let report = pool.warm(&Warm::new(URL).per_cell(per_addr)).await.unwrap();
    assert_eq!(report.ready(), usize::from(hosts) * per_addr);
    (network, names, pool)
}

fn counts(network: &Network, hosts: u8) -> Vec<usize> {
    let count = |at: &SocketAddr| network.requests_at(*at);
    addrs(hosts).iter().map(count).collect()
}

fn session(name: &str) -> RequestOptions {
    RequestOptions::new().affinity(name)
}

#[tokio::test(start_paused = true)]
async fn round_robin_spreads_evenly() {
    let (network, _, pool) = warmed(named("round-robin"), 4, 1).await;
    for _ in 0..40 {
        get(&pool).await.unwrap();
    }
    assert_eq!(counts(&network, 4), [10; 4]);
}

#[tokio::test(start_paused = true)]
async fn least_used_avoids_the_busy_one() {
    let (network, _, pool) = warmed(named("least-used"), 4, 3).await;
    let held = pool.acquire(URL).await.unwrap();
    let busy = held.conn_info().facts.target;
    for _ in 0..40 {
        get(&pool).await.unwrap();
    }
    assert_eq!(network.requests_at(busy), 0, "although it has room");
    assert_eq!(network.requests().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn p2c_shuns_the_slow_one_and_uses_the_others() {
    let (network, _, pool) = warmed(named("p2c"), 4, 1).await;
    network.set(addrs(4)[0], Manner::Slow(Duration::from_millis(500)));
    for _ in 0..100 {
        get(&pool).await.unwrap();
    }
    let counts = counts(&network, 4);
    assert!(counts[0] <= 2, "once to learn it: {counts:?}");
    assert!(counts[1..].iter().all(|&count| count > 20), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn p2c_tries_again_what_was_slow() {
    let (network, _, pool) = warmed(named("p2c"), 2, 1).await;
    let [slow, quick] = addrs(2)[..] else {
        panic!("two addresses")
    };
    network.set(slow, Manner::Slow(Duration::from_millis(500)));
    network.set(quick, Manner::Slow(Duration::from_millis(50)));
    for _ in 0..20 {
        get(&pool).await.unwrap();
    }
    let before = network.requests_at(slow);
    network.set(slow, Manner::Slow(Duration::from_millis(1)));
    // A peak fades; what nobody asks for a while is asked again.
    pass(Duration::from_secs(60)).await;
    for _ in 0..20 {
        get(&pool).await.unwrap();
    }
    assert!(network.requests_at(slow) > before);
}

#[tokio::test(start_paused = true)]
async fn sticky_keeps_a_session_at_one_address_and_moves_only_what_must_move() {
    let mut config = named("sticky");
    config.upkeep.refresh_interval = Duration::from_secs(60);
    config.eviction.clear();
    let (_, names, pool) = warmed(config, 4, 1).await;
    let sessions: Vec<String> = (0..32).map(|n| format!("session-{n}")).collect();
    let mut homes = HashMap::new();
    for name in sessions.iter().cycle().take(32 * 5) {
        let at = get_with(&pool, session(name)).await.unwrap();
        let home = homes.entry(name).or_insert_with(|| at.clone());
        assert_eq!(*home, at, "{name}");
    }
    let gone = homes[&sessions[0]].clone();
    let used: std::collections::HashSet<_> = homes.values().collect();
    assert_eq!(used.len(), 4, "every address is somebody's home");

    let left = addrs(4).into_iter().filter(|at| at.to_string() != gone);
    names.set("a.test", 80, left.collect::<Vec<_>>());
    pass(Duration::from_secs(61)).await;
    for name in &sessions {
        let at = get_with(&pool, session(name)).await.unwrap();
        if homes[name] == gone {
            assert_ne!(at, gone, "{name}");
        } else {
            assert_eq!(at, homes[name], "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_preference_never_makes_a_request_wait() {
    let mut config = named("sticky");
    config.timeouts.acquire = Duration::from_millis(1);
    let (network, _, pool) = warmed(config, 2, 1).await;
    let home = get_with(&pool, session("s")).await.unwrap();
    // The one connection there is taken.
    let mut held = Vec::new();
    while held.len() < 2 {
        let lease = pool.acquire(URL).await.unwrap();
        if lease.conn_info().facts.target.to_string() == home {
            held.push(lease);
            break;
        }
        held.push(lease);
    }
    held.retain(|lease| lease.conn_info().facts.target.to_string() == home);
    assert_eq!(held.len(), 1);
    let elsewhere = get_with(&pool, session("s")).await.unwrap();
    assert_ne!(elsewhere, home);
    assert_eq!(network.connects().len(), 2, "nothing was dialled for it");
    drop(held);
    assert_eq!(get_with(&pool, session("s")).await.unwrap(), home);
}

/// Chooses in a way that helps nobody.
#[derive(Debug)]
enum Bad {
    Panics,
    Lies(usize),
}

impl Selector for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }
    fn select(&self, cx: &SelectContext<'_>) -> Option<usize> {
        match self {
            Self::Panics => panic!("expected by this test"),
            Self::Lies(beyond) => Some(cx.endpoints.len().saturating_add(*beyond)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_panics_or_lies_costs_nothing() {
    for (bad, panics) in [
        (Bad::Panics, 8),
        (Bad::Lies(0), 0),
        (Bad::Lies(usize::MAX), 0),
    ] {
        let network = Network::new();
        let pool = pool(&network, resolver(addrs(2)), Config::default());
        let pool = pool.selector(Arc::new(bad)).build().unwrap();
        for _ in 0..8 {
            get(&pool).await.unwrap();
        }
        assert_eq!(network.requests().len(), 8);
        assert_eq!(network.connects().len(), 1);
        assert_eq!(pool.snapshot().plugin_panics, panics, "a panic is counted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_address_costs_one_request_while_it_is_doubted() {
    for name in NAMES {
        for poisoned in 0..3 {
            let mut config = named(name);
            config.outlier.clear();
            let (network, _, pool) = warmed(config, 3, 3).await;
            let poisoned = addrs(3)[poisoned];
            network.set(poisoned, Manner::HangsUp);
            let mut failed = Vec::new();
            for n in 0..30 {
                let mut post = http::Request::post(URL).body("once").unwrap();
                let options = session(&format!("session-{n}"));
                post.extensions_mut().insert(options);
                if let Err(error) = pool.request(post).await {
                    failed.push(error.kind());
                }
            }
            // Two connections to it are open and idle all the while.
            assert_eq!(network.open_at(poisoned), 2, "{name}");
            assert_eq!(network.requests_at(poisoned), 1, "{name}");
            assert_eq!(failed, [ErrorKind::MaybeProcessed], "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_address_costs_no_request_that_may_be_sent_again() {
    for name in NAMES {
        let mut config = named(name);
        config.outlier.clear();
        let (network, _, pool) = warmed(config, 3, 3).await;
        network.set(addrs(3)[0], Manner::HangsUp);
        for n in 0..30 {
            get_with(&pool, session(&format!("session-{n}")))
                .await
                .unwrap();
        }
        assert_eq!(network.requests_at(addrs(3)[0]), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_host_with_a_poisoned_address_costs_one_request() {
    for name in NAMES {
        let mut config = named(name);
        config.outlier.clear();
        // Each request dials.
        config.limits.idle_per_host = 0;
        let network = Network::new();
        network.set(addrs(2)[0], Manner::HangsUp);
        let pool = pool(&network, resolver(addrs(2)), config).build().unwrap();
        let mut failed = 0;
        for _ in 0..20 {
            let post = http::Request::post(URL).body("once").unwrap();
            failed += usize::from(pool.request(post).await.is_err());
        }
        assert_eq!(network.connects().len(), 20, "{name}");
        assert_eq!((failed, network.requests_at(addrs(2)[0])), (1, 1), "{name}");
    }
}
