//! How often each kind of upkeep runs, and how much of it at a time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pool_core::config::{PolicyConfig, Upkeep};
use pool_core::{BoxError, Resolver, Warm};
use pool_health::{HealthCheck, HttpCheck, Probe, Unhealthy};

use super::*;
use crate::check_at_checkout::{Doctor, Says};
use crate::network::Manner;

one_case_each!(Upkeep {
    health_interval,
    health_concurrency,
    health_fall,
    health_rise,
    health_timeout,
    alive_bypass,
    idle_interval,
    lifetime_interval,
    refresh_interval,
});

/// A pool with a check that passes, and one connection to each of so many addresses.
async fn checked(hosts: u8, says: Says, change: impl FnOnce(&mut Config)) -> (Arc<Doctor>, Pool) {
    let network = Network::new();
    let doctor = Doctor::new(Says::Well, &network);
    let config = quiet(|config| {
        config.upkeep.health_interval = NEVER;
        config.upkeep.alive_bypass = NEVER;
        change(config);
    });
    let pool = pool(&network, resolver(addrs(hosts)), config);
    let pool = pool.health(doctor.clone()).build().unwrap();
    let report = pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!(report.ready(), usize::from(hosts));
    doctor.forget();
    doctor.says(says);
    (doctor, pool)
}

async fn health_interval() {
    let (doctor, pool) = checked(1, Says::Well, |_| {}).await;
    pass(HOUR).await;
    assert_eq!(doctor.asked(), 0);
    change(&pool, |config| config.upkeep.health_interval = 2 * HOUR);
    pass(HOUR / 2).await;
    assert_eq!(doctor.asked(), 0);
    // An hour and a half after the round before, which was the start, it is due by an hour and three quarters.
    change(&pool, |config| config.upkeep.health_interval = HOUR / 4 * 7);
    pass(HOUR / 4 + SECOND).await;
    assert_eq!(doctor.asked(), 1, "it counts from the round before");
    change(&pool, |config| config.upkeep.health_interval = 60 * SECOND);
    pass(HOUR - SECOND).await;
    assert_eq!(doctor.asked(), 60);
    change(&pool, |config| config.upkeep.health_interval = NEVER);
    pass(HOUR).await;
    assert_eq!(doctor.asked(), 60);
}

/// Counts how many checks are under way at a time, each of them a second.
#[derive(Debug, Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl HealthCheck for Crowd {
    fn name(&self) -> &'static str {
        "crowd"
    }
    async fn check(&self, _: &mut dyn Probe) -> Result<(), Unhealthy> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        pass(SECOND).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

async fn health_concurrency() {
    let crowd = Arc::new(Crowd::default());
    let config = quiet(|config| config.upkeep.health_concurrency = 1);
    let pool = pool(&Network::new(), resolver(addrs(4)), config);
    let pool = pool.health(crowd.clone()).build().unwrap();
    pool.warm(&Warm::new(URL)).await.unwrap();
    crowd.most.store(0, Ordering::Relaxed);
    for at_a_time in [1, 3] {
        change(&pool, |config| config.upkeep.health_concurrency = at_a_time);
        assert_eq!(pool.check_health().await, 0);
        assert_eq!(crowd.most.load(Ordering::Relaxed), at_a_time);
    }
}

/// A pool with two addresses, the second of which answers with 503, and how many are out of rotation.
fn ailing(change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool, impl Fn() -> usize) {
    let network = Network::new();
    network.set(addrs(2)[1], Manner::Unwell);
    let config = quiet(|config| {
        config.upkeep.health_interval = NEVER;
        change(config);
    });
    let pool = pool(&network, resolver(addrs(2)), config);
    let pool = pool.health(Arc::new(HttpCheck::new("/"))).build().unwrap();
    let out = {
        let pool = pool.clone();
        move || {
            let hosts = pool.snapshot().connections.hosts;
            let endpoints = hosts.iter().flat_map(|host| &host.endpoints);
            endpoints.filter(|endpoint| !endpoint.active).count()
        }
    };
    (network, pool, out)
}

async fn health_fall() {
    let (_, pool, out) = ailing(|config| config.upkeep.health_fall = 9);
    change(&pool, |config| config.upkeep.health_fall = 3);
    for expected in [0, 0, 1] {
        // A connection of its own each time, as one that did not pass has closed.
        pool.warm(&Warm::new(URL)).await.unwrap();
        assert_eq!(out(), expected);
    }
}

async fn health_rise() {
    let (network, pool, out) = ailing(|_| {});
    pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!(out(), 1);
    network.set(addrs(2)[1], Manner::Answers);
    change(&pool, |config| config.upkeep.health_rise = 3);
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 2);
    for expected in [1, 0, 0] {
        assert_eq!(pool.check_health().await, 0);
        assert_eq!(out(), expected);
    }
}

async fn health_timeout() {
    let (_, pool) = checked(1, Says::Hangs, |config| {
        config.upkeep.health_timeout = NEVER
    })
    .await;
    change(&pool, |config| config.upkeep.health_timeout = SECOND);
    let failed = tokio::time::timeout(HOUR, pool.check_health()).await;
    assert_eq!(failed, Ok(1));
}

async fn alive_bypass() {
    let (doctor, pool) = checked(1, Says::Well, |_| {}).await;
    pass(60 * SECOND).await;
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked(), 0);
    change(&pool, |config| config.upkeep.alive_bypass = 30 * SECOND);
    pass(60 * SECOND).await;
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked(), 1);
}

/// A policy that wants a connection gone after a minute, and the task whose interval this is.
async fn clean_up(policy: PolicyConfig, interval: fn(&mut Upkeep) -> &mut Duration) {
    let (network, pool) = pool_with(1, |config| {
        config.eviction = vec![policy];
        config.upkeep.idle_interval = NEVER;
        config.upkeep.lifetime_interval = NEVER;
    });
    get(&pool).await.unwrap();
    pass(HOUR).await;
    assert_eq!(network.open(), 1, "nobody looks");
    change(&pool, |config| *interval(&mut config.upkeep) = SECOND);
    pass(2 * SECOND).await;
    assert_eq!(network.open(), 0);
}

async fn idle_interval() {
    let policy = PolicyConfig::new("idle").option("after", "60s");
    clean_up(policy, |upkeep| &mut upkeep.idle_interval).await;
}

async fn lifetime_interval() {
    let policy = PolicyConfig::new("lifetime").option("max", "60s");
    clean_up(policy, |upkeep| &mut upkeep.lifetime_interval).await;
}

/// Counts lookups.
#[derive(Debug, Default)]
struct Book(AtomicUsize);

#[async_trait]
impl Resolver for Book {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(addrs(1))
    }
}

async fn refresh_interval() {
    let book = Arc::new(Book::default());
    let pool = pool(&Network::new(), book.clone(), quiet(|_| {}));
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    pass(HOUR).await;
    assert_eq!(book.0.load(Ordering::Relaxed), 1);
    change(&pool, |config| config.upkeep.refresh_interval = HOUR);
    settle().await;
    assert_eq!(book.0.load(Ordering::Relaxed), 2, "an hour since the start");
    pass(HOUR).await;
    assert_eq!(book.0.load(Ordering::Relaxed), 3);
}
