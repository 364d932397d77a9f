//! Plugins that panic at every call: requests go on, and the panics are counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::network::{Network, addrs, get, pass, pool, resolver};
use async_trait::async_trait;
use pool_core::{Config, Connect, ConnectContext, ConnectError, Connected, ErrorKind};
use pool_core::{Event, Observer, Pool};
use pool_health::{EvictionContext, EvictionPolicy, HealthCheck, OutlierContext, OutlierPolicy};
use pool_health::{OutlierVerdict, Probe, Unhealthy, Verdict};
use pool_localip::{AllocContext, Exhausted, Lease, LocalAddrAllocator};

#[derive(Debug)]
struct Panics;

impl EvictionPolicy for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }
    fn judge(&self, _: &EvictionContext<'_>) -> Verdict {
        panic!("expected by this test")
    }
}

impl OutlierPolicy for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }
    fn judge(&self, _: &OutlierContext<'_>) -> OutlierVerdict {
        panic!("expected by this test")
    }
}

impl Observer for Panics {
    fn on(&self, _: &Event<'_>) {
        panic!("expected by this test")
    }
}

#[async_trait]
impl HealthCheck for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }
    async fn check(&self, _: &mut dyn Probe) -> Result<(), Unhealthy> {
        panic!("expected by this test")
    }
}

impl LocalAddrAllocator for Panics {
    fn allocate(&self, _: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        panic!("expected by this test")
    }
    fn sources(&self) -> Vec<IpAddr> {
        panic!("expected by this test")
    }
}

#[async_trait]
impl Connect for Panics {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        panic!("expected by this test")
    }
}

fn builder() -> pool_core::PoolBuilder {
    pool(&Network::new(), resolver(addrs(2)), Config::default())
}

/// Ten requests succeed and at least so many panics are counted.
async fn works(pool: &Pool, panics: u64) {
    for _ in 0..10 {
        get(pool).await.expect("an answer");
    }
    let counted = pool.snapshot().plugin_panics;
    assert!(counted >= panics, "{counted} panics");
    let closed = pool.close(Duration::from_secs(1)).await;
    assert_eq!(closed.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_policy_keeps_every_connection() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.eviction(Arc::new(Panics)).build().unwrap();
    // Not of the first request: its connection was opened for it.
    works(&pool, 9).await;
    assert_eq!(network.connects().len(), 1);
    assert_eq!(pool.evict_idle(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outlier_policy_ejects_nothing() {
    works(&builder().outlier(Arc::new(Panics)).build().unwrap(), 10).await;
}

#[tokio::test(start_paused = true)]
async fn an_observer_misses_what_happens() {
    works(&builder().observer(Arc::new(Panics)).build().unwrap(), 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_health_check_fails_the_connection_and_upkeep_goes_on() {
    let mut config = Config::default();
    config.upkeep.health_interval = Duration::from_secs(1);
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), config)
        .health(Arc::new(Panics))
        .build()
        .unwrap();
    for round in 1..=3 {
        get(&pool).await.unwrap();
        pass(Duration::from_millis(1500)).await;
        assert_eq!(pool.snapshot().plugin_panics, round);
    }
    assert_eq!(network.connects().len(), 3);
    let closed = pool.snapshot().connections.totals.closed;
    assert_eq!(closed.into_iter().collect::<Vec<_>>(), [("unhealthy", 3)]);
    works(&pool, 3).await;
}

#[tokio::test(start_paused = true)]
async fn an_allocator_has_no_address_and_nothing_hangs() {
    let pool = builder().local_addrs(Arc::new(Panics)).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    assert!(pool.snapshot().plugin_panics >= 1);
    assert_eq!(pool.close(Duration::from_secs(1)).await.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connector_fails_to_connect_and_nothing_hangs() {
    let pool = builder().connect(Arc::new(Panics)).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.to_string().matches("panicked").count(), 1, "{error}");
    assert_eq!(pool.snapshot().plugin_panics, 2, "one for each address");
    assert_eq!(pool.close(Duration::from_secs(1)).await.aborted, 0);
}
