//! A local address that fails a dial is passed over in it, and none but a leased one is ever used.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pool_core::{
    Config, Connect, ConnectContext, ConnectError, Connected, ErrorKind, Pool, RequestOptions,
    SourceClass, SourceCounts,
};
use pool_localip::{AddrList, AllocContext, Exhausted, Lease, LocalAddrAllocator};

use crate::network::{Network, URL, addrs, get, get_with, pool, resolver};

/// A machine on which some local addresses do not do.
#[derive(Debug)]
struct Machine {
    network: Arc<Network>,
    broken: HashMap<IpAddr, Broken>,
    tried: Mutex<Vec<IpAddr>>,
}

#[derive(Clone, Copy, Debug)]
enum Broken {
    NoFreePort,
    NotHere,
    Forbidden,
    NoRoute,
}

#[async_trait]
impl Connect for Machine {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let source = cx.source.expect("every dial has a source here");
        self.tried.lock().unwrap().push(source);
        let error = |kind| io::Error::from(kind);
        match self.broken.get(&source) {
            None => self.network.connect(cx).await,
            Some(Broken::NoFreePort) => Err(ConnectError::NoFreePort(error(
                io::ErrorKind::AddrNotAvailable,
            ))),
            Some(Broken::NotHere) => Err(ConnectError::Unbindable(error(
                io::ErrorKind::AddrNotAvailable,
            ))),
            Some(Broken::Forbidden) => Err(ConnectError::Unbindable(error(
                io::ErrorKind::PermissionDenied,
            ))),
            Some(Broken::NoRoute) => Err(error(io::ErrorKind::InvalidInput).into()),
        }
    }
}

impl Machine {
    fn of(broken: &[(&str, Broken)]) -> Arc<Self> {
        Arc::new(Self {
            network: Network::new(),
            broken: broken.iter().map(|&(addr, how)| (ip(addr), how)).collect(),
            tried: Mutex::default(),
        })
    }

    fn tried(&self) -> Vec<IpAddr> {
        self.tried.lock().unwrap().clone()
    }

    fn pool(self: &Arc<Self>, sources: impl LocalAddrAllocator + 'static) -> Pool {
        let connect: Arc<dyn Connect> = self.clone();
        pool(&self.network, resolver(addrs(1)), Config::default())
            .connect(connect)
            .local_addrs(Arc::new(sources))
            .build()
            .unwrap()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn list(sources: &str) -> AddrList {
    sources.parse().unwrap()
}

fn counts_of(pool: &Pool, addr: &str) -> SourceCounts {
    let snapshot = pool.snapshot().sources;
    let found = snapshot.each.iter().find(|at| at.addr == Some(ip(addr)));
    found.expect("a known source").counts
}

#[tokio::test(start_paused = true)]
async fn one_dial_goes_through_the_sources_until_one_does() {
    let machine = Machine::of(&[
        ("10.1.0.1", Broken::NoFreePort),
        ("10.1.0.2", Broken::NotHere),
        ("10.1.0.3", Broken::Forbidden),
        ("10.1.0.4", Broken::NoRoute),
    ]);
    let pool = machine.pool(list("10.1.0.1,10.1.0.2,10.1.0.3,10.1.0.4,10.1.0.5"));
    get(&pool).await.unwrap();
    let all = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"];
    assert_eq!(machine.tried(), all.map(ip));
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.dials, totals.dials_failed, totals.open), (1, 0, 1));

    let counts = all.map(|addr| counts_of(&pool, addr));
    assert!(counts.iter().all(|counts| counts.dials == 1));
    assert_eq!((counts[0].no_free_port, counts[1].no_free_port), (1, 1));
    assert_eq!((counts[2].unbindable, counts[3].given_up), (1, 1));
    assert_eq!((counts[4].connected, counts[4].open), (1, 1));

    pool.close(std::time::Duration::from_secs(1)).await;
    let total = pool.snapshot().sources.total();
    assert_eq!((total.dials, total.open, total.dialling), (5, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn when_every_source_fails_the_error_names_the_last_one() {
    let machine = Machine::of(&[
        ("10.1.0.1", Broken::NoFreePort),
        ("10.1.0.2", Broken::NoFreePort),
    ]);
    let pool = machine.pool(list("10.1.0.1,10.1.0.2"));
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    assert_eq!(error.local(), Some(ip("10.1.0.2")));
    assert!(error.to_string().contains("no free port"), "{error}");
    assert_eq!(machine.tried(), ["10.1.0.1", "10.1.0.2"].map(ip));
}

#[tokio::test(start_paused = true)]
async fn one_dial_is_not_tried_from_a_whole_prefix() {
    let broken: Vec<String> = (0..100).map(|i| format!("10.1.0.{i}")).collect();
    let broken: Vec<(&str, Broken)> = broken
        .iter()
        .map(|addr| (addr.as_str(), Broken::NoFreePort))
        .collect();
    let machine = Machine::of(&broken);
    let sources: Vec<IpAddr> = broken.iter().map(|(addr, _)| ip(addr)).collect();
    let pool = machine.pool(AddrList::new(sources).unwrap());
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::LocalAddr);
    assert_eq!(machine.tried().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_one_source_gets_no_other() {
    let machine = Machine::of(&[("10.1.0.1", Broken::NoFreePort)]);
    let pool = machine.pool(list("10.1.0.1,10.1.0.2"));
    let exact = RequestOptions::new().source(SourceClass::Exact(ip("10.1.0.1")));
    let error = get_with(&pool, exact).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    assert_eq!(machine.tried(), [ip("10.1.0.1")]);
}

/// Gives the same address whatever it is told.
#[derive(Debug)]
struct Stubborn;

impl LocalAddrAllocator for Stubborn {
    fn allocate(&self, _: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        Ok(Lease::new(ip("10.1.0.1"), |_| ()))
    }

    fn sources(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn an_allocator_that_gives_a_failed_address_again_ends_the_dial() {
    let machine = Machine::of(&[("10.1.0.1", Broken::NoFreePort)]);
    let pool = machine.pool(Stubborn);
    let error = pool.get(URL).await.unwrap_err();
    assert!(error.to_string().contains("no free port"), "{error}");
    assert_eq!(machine.tried(), [ip("10.1.0.1")]);
}
