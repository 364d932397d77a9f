//! More dials than source addresses: a dial waits for an address to come back, and asks no more often than that.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::network::{Network, URL, addrs, pass, pool, resolver};
use pool_core::{Config, Pool};
use pool_localip::{AddrSet, AllocContext, Exhausted, Lease, LocalAddrAllocator};

/// Counts how often it is asked.
#[derive(Debug)]
struct Counted {
    set: AddrSet,
    asked: AtomicUsize,
}

impl LocalAddrAllocator for Counted {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.set.allocate(cx)
    }
    fn sources(&self) -> Vec<IpAddr> {
        self.set.sources()
    }
}

fn two_sources() -> Arc<Counted> {
    let set: AddrSet = "10.1.0.1,10.1.0.2".parse().expect("two addresses");
    Arc::new(Counted {
        set: set.max_per_addr(1),
        asked: AtomicUsize::new(0),
    })
}

fn pool_from(sources: &Arc<Counted>, network: &Arc<Network>) -> Pool {
    let allocator: Arc<dyn LocalAddrAllocator> = sources.clone();
    let pool = pool(network, resolver(addrs(1)), Config::default());
    pool.local_addrs(allocator).build().expect("a pool")
}

#[tokio::test(start_paused = true)]
async fn a_parked_dial_goes_on_when_an_address_comes_back() {
    let (sources, network) = (two_sources(), Network::new());
    let pool = pool_from(&sources, &network);
    // Held, not returned: a third request needs a third connection.
    let first = pool.acquire(URL).await.unwrap();
    let second = pool.acquire(URL).await.unwrap();
    let third = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(URL).await }
    });
    pass(Duration::from_secs(10)).await;
    assert!(!third.is_finished());
    assert_eq!((network.connects().len(), sources.set.in_use()), (2, 2));
    assert_eq!(sources.asked.load(Ordering::Relaxed), 3, "no busy loop");

    // A connection that closes gives its address back; one that is returned would have gone to the waiter as it is.
    let source = first.conn_info().facts.leased;
    let request = http::Request::get(URL).header("connection", "close");
    let response = first.send(request.body(()).unwrap()).await.unwrap();
    drop(response);
    let third = third.await.unwrap().unwrap();
    assert_eq!(third.conn_info().facts.leased, source);
    assert!(!third.conn_info().reused);
    assert_eq!(sources.asked.load(Ordering::Relaxed), 4);
    assert_eq!(sources.set.in_use(), 2);

    drop((second, third));
    pool.close(Duration::from_secs(1)).await;
    assert_eq!(sources.set.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_parked_dial_ends_with_the_pool() {
    let (sources, network) = (two_sources(), Network::new());
    let pool = pool_from(&sources, &network);
    let held = (
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    );
    let third = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(URL).await.map(drop) }
    });
    while sources.asked.load(Ordering::Relaxed) < 3 {
        tokio::task::yield_now().await;
    }
    let began = tokio::time::Instant::now();
    drop(held);
    pool.close(Duration::from_secs(20)).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(sources.set.in_use(), 0);
    // It may have been served by what came back just before; either way it does not hang.
    let _served = third.await.unwrap();
}
