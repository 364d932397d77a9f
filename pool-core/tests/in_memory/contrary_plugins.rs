//! Plugins that contradict themselves, condemn everything or take their time, and resolvers that say far too much.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver, settle};
use async_trait::async_trait;
use pool_core::{Config, ErrorKind, Warm};
use pool_health::{EjectReason, EvictReason, EvictionContext, EvictionPolicy, HealthCheck};
use pool_health::{OutlierContext, OutlierPolicy, OutlierVerdict, Probe, Unhealthy, Verdict};

/// Says yes and no in turns, whatever it is asked.
#[derive(Debug, Default)]
struct Fickle(AtomicUsize);

impl Fickle {
    fn says_no(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % 2 == 1
    }
}

impl EvictionPolicy for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }
    fn judge(&self, _: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(self.says_no(), EvictReason::Policy("fickle"))
    }
}

#[async_trait]
impl HealthCheck for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }
    async fn check(&self, _: &mut dyn Probe) -> Result<(), Unhealthy> {
        match self.says_no() {
            true => Err(Unhealthy::new("fickle")),
            false => Ok(()),
        }
    }
}

/// Condemns an address for whatever happens there, and asks for longer than there is.
#[derive(Debug)]
struct CondemnsAll;

impl OutlierPolicy for CondemnsAll {
    fn name(&self) -> &'static str {
        "condemns-all"
    }
    fn judge(&self, _: &OutlierContext<'_>) -> OutlierVerdict {
        OutlierVerdict::Eject {
            duration: Duration::MAX,
            reason: EjectReason::Policy("condemns-all"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_eviction_policy_of_two_minds_costs_at_most_one_dial_per_request() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default())
        .eviction(Arc::new(Fickle::default()))
        .build()
        .unwrap();
    for requests in 1..=20 {
        get(&pool).await.unwrap();
        let dials = network.connects().len();
        assert!(dials <= requests, "{dials} dials for {requests} requests");
    }
    assert!(network.connects().len() > 5, "it was asked");
}

#[tokio::test(start_paused = true)]
async fn a_check_of_two_minds_costs_at_most_a_connection_per_round() {
    let network = Network::new();
    let mut config = Config::default();
    config.health.clear();
    config.upkeep.health_interval = Duration::from_secs(1);
    let pool = pool(&network, resolver(addrs(1)), config)
        .health(Arc::new(Fickle::default()))
        .build()
        .unwrap();
    for _ in 0..20 {
        get(&pool).await.unwrap();
        pass(Duration::from_millis(1_010)).await;
    }
    let dials = network.connects().len();
    assert_eq!(dials, 10, "every other of twenty rounds took one");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_condemns_everything_leaves_the_last_address() {
    let network = Network::new();
    let all = addrs(5);
    let pool = pool(&network, resolver(all.clone()), Config::default())
        .outlier(Arc::new(CondemnsAll))
        .build()
        .unwrap();
    pool.warm(&Warm::new(URL)).await.unwrap();
    for _ in 0..20 {
        get(&pool).await.unwrap();
    }
    let hosts = pool.snapshot().connections.hosts;
    let active = hosts[0].endpoints.iter().filter(|at| at.active);
    assert_eq!(active.count(), 1);
    assert_eq!(network.requests().len(), 20);
}

/// Waits, the first time that it is asked, for a word that it may go on; the thread waits with it.
#[derive(Debug)]
struct Slow {
    asked: AtomicBool,
    begun: mpsc::SyncSender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl EvictionPolicy for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let is_upkeep = cx.host.open > 0;
        if is_upkeep && !self.asked.swap(true, Ordering::SeqCst) {
            self.begun.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        Verdict::Keep
    }
}

#[tokio::test]
async fn a_policy_that_blocks_its_round_blocks_no_request() {
    let (begun, has_begun) = mpsc::sync_channel(1);
    let (go_on, may_go_on) = mpsc::sync_channel(1);
    let slow = Slow {
        asked: AtomicBool::new(false),
        begun,
        go_on: Mutex::new(may_go_on),
    };
    let mut config = Config::default();
    config.upkeep.idle_interval = Duration::MAX;
    let pool = pool(&Network::new(), resolver(addrs(2)), config)
        .eviction(Arc::new(slow))
        .build()
        .unwrap();
    pool.warm(&Warm::new(URL)).await.unwrap();
    let round = std::thread::spawn({
        let pool = pool.clone();
        move || pool.evict_idle()
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    for _ in 0..20 {
        get(&pool).await.expect("no lock is held while it thinks");
    }
    assert_eq!(pool.snapshot().requests, 20);
    go_on.send(()).unwrap();
    assert_eq!(round.join().unwrap(), 0);
}

/// So many addresses, each of them three times.
fn many(count: u32) -> Vec<SocketAddr> {
    let addrs = (0..count).map(|n| (std::net::Ipv4Addr::from_bits(0x0a00_0000 + n), 80).into());
    addrs.flat_map(|addr| [addr; 3]).collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_addresses_said_three_times_each_are_ten_thousand_addresses() {
    let network = Network::new();
    let mut config = Config::default();
    config.limits.per_host = 10_000;
    config.limits.total = 10_000;
    config.limits.idle_per_host = 10_000;
    config.limits.idle_total = 10_000;
    config.dial.max_addresses = 10_000;
    let pool = pool(&network, resolver(many(10_000)), config);
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), 1, "one for one request");
    let plan = Warm::new(URL);
    assert_eq!(pool.warm_size(&plan).await.unwrap(), 10_000);
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), 10_000);
    settle().await;
    assert_eq!(network.open(), 10_000);
    for _ in 0..10_000 {
        get(&pool).await.unwrap();
    }
    assert!(network.requests_at(many(1)[0]) <= 3, "they take turns");
    pool.close(Duration::from_secs(1)).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(network.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_addresses_that_refuse_a_request_tries_a_few() {
    let network = Network::new();
    let all = many(10_000);
    for addr in &all {
        network.set(*addr, Manner::Refuses);
    }
    let mut config = Config::default();
    config.dial.max_addresses = 10_000;
    let pool = pool(&network, resolver(all), config).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let dials = network.connects().len();
    assert!(dials <= 16, "{dials} dials for one request");
}
