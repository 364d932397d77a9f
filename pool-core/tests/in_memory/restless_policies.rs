//! Policies and options that ask for the impossible: nothing is dialled or asked without end.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::network::{Manner, Network, URL, addrs, get, pool, resolver};
use pool_core::{Config, ErrorKind, Phase, RequestOptions, Warm};
use pool_health::{EvictReason, EvictionContext, EvictionPolicy, IdleTimeout, Surplus, Verdict};
use pool_localip::{AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator};

/// Wants no connection at all.
#[derive(Debug)]
struct Never;

impl EvictionPolicy for Never {
    fn name(&self) -> &'static str {
        "never"
    }
    fn judge(&self, _: &EvictionContext<'_>) -> Verdict {
        Verdict::Evict(EvictReason::Policy("never"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_evicts_everything_costs_one_dial_per_request() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.eviction(Arc::new(Never)).build().unwrap();
    for requests in 1..=3 {
        get(&pool).await.unwrap();
        assert_eq!(network.connects().len(), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn one_round_leaves_exactly_what_policies_want_to_stay() {
    let policies: [Arc<dyn EvictionPolicy>; 2] = [
        Arc::new(Surplus(3)),
        Arc::new(IdleTimeout(Duration::ZERO).min_idle(3)),
    ];
    for policy in policies {
        let network = Network::new();
        let pool = pool(&network, resolver(addrs(2)), Config::default());
        let pool = pool.eviction(policy).build().unwrap();
        pool.warm(&Warm::new(URL).per_cell(5)).await.unwrap();
        assert_eq!(pool.evict_idle(), 7);
        assert_eq!(pool.evict_idle(), 0, "nothing is left to take");
    }
}

/// Has an address soon: it says so, and names a time gone by.
#[derive(Debug)]
struct Soon {
    asked: AtomicUsize,
    then: Instant,
}

impl LocalAddrAllocator for Soon {
    fn allocate(&self, _: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut exhausted = Exhausted::new(ExhaustedReason::AllBusy);
        exhausted.retry_at = Some(self.then);
        Err(exhausted)
    }
    fn sources(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn an_allocator_that_names_the_past_is_not_asked_without_pause() {
    let mut config = Config::default();
    config.timeouts.acquire = Duration::from_secs(1);
    let allocator = Arc::new(Soon {
        asked: AtomicUsize::new(0),
        then: tokio::time::Instant::now().into_std(),
    });
    let pool = pool(&Network::new(), resolver(addrs(1)), config);
    let pool = pool.local_addrs(allocator.clone()).build().unwrap();
    get(&pool).await.unwrap_err();
    let asked = allocator.asked.load(Ordering::Relaxed);
    assert!(asked <= 102, "asked {asked} times in a second");
}

#[tokio::test(start_paused = true)]
async fn no_time_to_acquire_is_no_wait() {
    let network = Network::new();
    network.set(addrs(1)[0], Manner::Refuses);
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    let mut request = http::Request::get(URL).body(()).unwrap();
    let options = RequestOptions::new().acquire_timeout(Duration::ZERO);
    request.extensions_mut().insert(options);
    let began = tokio::time::Instant::now();
    let error = pool.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
    assert!(began.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn requests_on_leases_are_counted_as_requests() {
    let pool = pool(&Network::new(), resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    let request = http::Request::get(URL).body(()).unwrap();
    let lease = pool.acquire(URL).await.unwrap();
    lease.send(request).await.unwrap();
    get(&pool).await.unwrap();
    assert_eq!(pool.snapshot().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn the_connector_of_a_closed_pool_opens_nothing() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    pool.close(Duration::ZERO).await;
    let mut connector = pool.connector();
    let uri = URL.parse().unwrap();
    let error = tower_service::Service::call(&mut connector, uri).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Closed);
    assert!(network.connects().is_empty());
}
