//! Name lookups that fail, hang, panic or change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver};
use async_trait::async_trait;
use pool_core::{BoxError, Config, ErrorKind, Phase, Resolver, Warm};

/// Does badly the first time, well from then on.
#[derive(Debug)]
struct Shaky {
    first: First,
    asked: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
enum First {
    Fails,
    Hangs,
    Panics,
    IsEmpty,
}

impl Shaky {
    fn new(first: First) -> Arc<Self> {
        let asked = AtomicUsize::new(0);
        Arc::new(Self { first, asked })
    }
}

#[async_trait]
impl Resolver for Shaky {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) > 0 {
            return Ok(addrs(1));
        }
        match self.first {
            First::Fails => Err("no such name".into()),
            First::Hangs => std::future::pending().await,
            First::Panics => panic!("expected by this test"),
            First::IsEmpty => Ok(Vec::new()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_lookup_ends_every_wait_for_it_and_the_next_request_asks_again() {
    let table = [
        (First::Fails, ErrorKind::Resolve, 0),
        (First::Hangs, ErrorKind::Timeout(Phase::Resolve), 0),
        (First::Panics, ErrorKind::Resolve, 1),
        (First::IsEmpty, ErrorKind::Resolve, 0),
    ];
    for (first, kind, panics) in table {
        let shaky = Shaky::new(first);
        let pool = pool(&Network::new(), shaky.clone(), Config::default())
            .build()
            .unwrap();
        let all = futures_util::future::join_all((0..8).map(|_| get(&pool))).await;
        for outcome in all {
            assert_eq!(outcome.unwrap_err().kind(), kind, "{first:?}");
        }
        assert_eq!(
            shaky.asked.load(Ordering::Relaxed),
            1,
            "they share one lookup"
        );
        assert_eq!(pool.snapshot().plugin_panics, panics, "{first:?}");
        get(&pool).await.unwrap();
        assert_eq!(shaky.asked.load(Ordering::Relaxed), 2, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn warming_with_a_resolver_that_panics_is_an_error() {
    let pool = pool(
        &Network::new(),
        Shaky::new(First::Panics),
        Config::default(),
    )
    .build()
    .unwrap();
    let error = pool.warm(&Warm::new(URL)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resolve);
    assert_eq!(pool.snapshot().plugin_panics, 1);
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 1);
}

/// Panics every other time.
#[derive(Debug, Default)]
struct Hiccup(AtomicUsize);

#[async_trait]
impl Resolver for Hiccup {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(asked.is_multiple_of(2), "expected by this test");
        Ok(addrs(1))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_does_not_end_the_refresh() {
    let hiccup = Arc::new(Hiccup::default());
    let mut config = Config::default();
    config.upkeep.refresh_interval = Duration::from_secs(1);
    let pool = pool(&Network::new(), hiccup.clone(), config)
        .build()
        .unwrap();
    get(&pool).await.unwrap();
    pass(Duration::from_millis(6500)).await;
    assert_eq!(hiccup.0.load(Ordering::Relaxed), 7);
    assert_eq!(pool.snapshot().plugin_panics, 3);
    get(&pool).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_without_connections_is_looked_up_again() {
    let (network, all) = (Network::new(), addrs(2));
    let names = resolver(vec![all[0]]);
    let mut config = Config::default();
    config.upkeep.refresh_interval = Duration::from_secs(60);
    let pool = pool(&network, names.clone(), config)
        .eviction(Arc::new(pool_health::IdleTimeout(Duration::from_secs(1))))
        .build()
        .unwrap();
    assert_eq!(get(&pool).await.unwrap(), all[0].to_string());
    pass(Duration::from_secs(30)).await;
    assert_eq!(pool.snapshot().connections.totals.open, 0);
    // It moves while nobody asks for it.
    network.set(all[0], Manner::Refuses);
    names.set("a.test", 80, vec![all[1]]);
    pass(Duration::from_secs(60)).await;
    assert_eq!(get(&pool).await.unwrap(), all[1].to_string());
}

/// Fails, or has no address, after its first answer.
#[derive(Debug)]
struct Once {
    then: First,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolver for Once {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        match (self.asked.fetch_add(1, Ordering::Relaxed), self.then) {
            (0, _) => Ok(addrs(2)),
            (_, First::Hangs) => std::future::pending().await,
            (_, First::IsEmpty) => Ok(Vec::new()),
            _ => Err("no such name".into()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_keeps_the_last_answer_and_what_is_open() {
    for then in [First::Fails, First::Hangs, First::IsEmpty] {
        let network = Network::new();
        let asked = AtomicUsize::new(0);
        let once = Arc::new(Once { then, asked });
        let mut config = Config::default();
        config.upkeep.refresh_interval = Duration::from_secs(10);
        config.eviction.clear();
        let pool = pool(&network, once.clone(), config).build().unwrap();
        pool.warm(&Warm::new(URL)).await.unwrap();
        pass(Duration::from_secs(100)).await;
        assert!(once.asked.load(Ordering::Relaxed) > 3, "{then:?}");
        assert_eq!(network.open(), 2, "{then:?}");
        for _ in 0..4 {
            get(&pool).await.unwrap();
        }
        assert_eq!(network.connects().len(), 2, "{then:?}: nothing is opened");
        for addr in addrs(2) {
            assert_eq!(
                network.requests_at(addr),
                2,
                "{then:?}: both are in rotation"
            );
        }
    }
}
