//! Local addresses that are given up while connections from them are open.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::manager::CloseReason;
use pool_core::{Config, Connect, ConnectContext, ConnectError, Connected, Error, Pool};
use pool_localip::{
    AddrList, AddrSet, AllocContext, Exhausted, Lease, Listeners, LocalAddrAllocator, Retired,
    SourceListener, WorkingSet,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::network::{Manner, Network, URL, addrs, get, pass, pool, resolver};

/// Two addresses, of which one may leave.
#[derive(Debug)]
struct Leaving {
    list: AddrList,
    gone: Mutex<Vec<IpAddr>>,
    listeners: Listeners,
}

impl Leaving {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            list: "10.1.0.1,10.1.0.2".parse().unwrap(),
            gone: Mutex::default(),
            listeners: Listeners::default(),
        })
    }

    fn leave(&self, addr: IpAddr, why: Retired) {
        self.gone.lock().unwrap().push(addr);
        self.listeners.retired(&[addr], why);
    }
}

impl LocalAddrAllocator for Leaving {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let gone = self.gone.lock().unwrap().clone();
        self.list.allocate(&cx.with_avoid(&gone))
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.list.sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.listeners.add(listener);
    }
}

fn pool_from(sources: Arc<dyn LocalAddrAllocator>, network: &Arc<Network>) -> Pool {
    let pool = pool(network, resolver(addrs(1)), Config::default());
    pool.local_addrs(sources).build().unwrap()
}

fn closed_for_it(pool: &Pool) -> u64 {
    let closed = pool.snapshot().connections.totals.closed;
    closed
        .get(CloseReason::SourceGone.code())
        .copied()
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_at_once_and_busy_ones_after_their_request() {
    let (network, sources) = (Network::new(), Leaving::new());
    let pool = pool_from(sources.clone(), &network);
    let (idle, busy, other) = (
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    );
    let source = |lease: &pool_core::PooledLease| lease.conn_info().facts.leased.unwrap();
    let (leaving, staying) = (source(&idle), source(&busy));
    // Turn by turn.
    assert_eq!(source(&other), leaving);
    drop((idle, busy));
    sources.leave(leaving, Retired::Unwanted);
    pass(Duration::from_secs(60)).await;
    assert_eq!(network.open(), 2, "the idle one has closed");

    let request = http::Request::get(URL).body(()).unwrap();
    let response = other.send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    pass(Duration::from_secs(1)).await;
    assert_eq!((network.open(), closed_for_it(&pool)), (1, 2));
    for _ in 0..3 {
        let lease = pool.acquire(URL).await.unwrap();
        assert_eq!(source(&lease), staying);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_on_an_address_that_has_left_the_machine_is_sent_again_from_another_in_a_moment()
{
    let (network, sources) = (Network::new(), Leaving::new());
    let pool = pool_from(sources.clone(), &network);
    let addr = addrs(1)[0];
    // The first connection's request never gets an answer: the address is gone before.
    network.set(addr, Manner::Mute);
    let pending = tokio::spawn({
        let pool = pool.clone();
        async move { get(&pool).await }
    });
    while network.requests_at(addr) == 0 {
        tokio::task::yield_now().await;
    }
    network.set(addr, Manner::Answers);
    let began = Instant::now();
    let snapshot = pool.snapshot().sources;
    let used = snapshot.each[0].addr.unwrap();
    sources.leave(used, Retired::Gone);
    assert_eq!(pending.await.unwrap().unwrap(), addr.to_string());
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(2));
    assert_eq!(closed_for_it(&pool), 1);
    let lease = pool.acquire(URL).await.unwrap();
    assert_ne!(lease.conn_info().facts.leased, Some(used));
}

/// Connects when it is told to.
#[derive(Debug)]
struct Gate {
    network: Arc<Network>,
    reached: Notify,
    opens: Notify,
}

#[async_trait]
impl Connect for Gate {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        self.reached.notify_one();
        self.opens.notified().await;
        self.network.connect(cx).await
    }
}

/// A pool whose first dial is under way, for a request that waits for it.
async fn dialling(
    network: &Arc<Network>,
    sources: &Arc<Leaving>,
) -> (Pool, Arc<Gate>, JoinHandle<Result<String, Error>>) {
    let gate = Arc::new(Gate {
        network: network.clone(),
        reached: Notify::new(),
        opens: Notify::new(),
    });
    let connect: Arc<dyn Connect> = gate.clone();
    let pool = pool(network, resolver(addrs(1)), Config::default())
        .connect(connect)
        .local_addrs(sources.clone())
        .build()
        .unwrap();
    let asked = tokio::spawn({
        let pool = pool.clone();
        async move { get(&pool).await }
    });
    gate.reached.notified().await;
    (pool, gate, asked)
}

#[tokio::test(start_paused = true)]
async fn what_a_dial_under_way_brings_from_a_retired_address_is_used_once() {
    let (network, sources) = (Network::new(), Leaving::new());
    let (pool, gate, asked) = dialling(&network, &sources).await;
    let source = pool.snapshot().sources.each[0].addr.unwrap();
    sources.leave(source, Retired::Unwanted);
    gate.opens.notify_one();
    asked.await.unwrap().unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!((network.open(), closed_for_it(&pool)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_dial_under_way_brings_from_an_address_that_left_the_machine_is_cut_in_a_moment() {
    let (network, sources) = (Network::new(), Leaving::new());
    let (pool, gate, asked) = dialling(&network, &sources).await;
    let addr = addrs(1)[0];
    let source = pool.snapshot().sources.each[0].addr.unwrap();
    sources.leave(source, Retired::Gone);
    network.set(addr, Manner::Mute);
    let began = Instant::now();
    gate.opens.notify_one();
    while network.requests_at(addr) == 0 {
        tokio::task::yield_now().await;
    }
    network.set(addr, Manner::Answers);
    // For the dial of the second try.
    gate.opens.notify_one();
    assert_eq!(asked.await.unwrap().unwrap(), addr.to_string());
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!(closed_for_it(&pool), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_waits_for_an_address_goes_on_when_a_working_set_grows() {
    let network = Network::new();
    let list: AddrSet = "10.1.0.1,10.1.0.2".parse().unwrap();
    let set = WorkingSet::new(list.max_per_addr(1), 1);
    let handle = set.handle();
    let pool = pool_from(Arc::new(set), &network);
    let _held = pool.acquire(URL).await.unwrap();
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move {
            pool.acquire(URL)
                .await
                .map(|lease| lease.conn_info().facts.leased)
        }
    });
    pass(Duration::from_secs(10)).await;
    assert!(!waits.is_finished());
    let began = Instant::now();
    handle.resize(2);
    waits.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}
