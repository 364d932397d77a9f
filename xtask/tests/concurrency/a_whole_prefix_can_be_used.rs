//! Addresses that no interface has one by one, and addresses that run out of ports: in a network namespace.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_core::testing::{Alpn, Fleet};
use pool_core::{Config, Connect, ConnectContext, Connected, TcpConnector};
use pool_health::MaxUses;
use pool_localip::{AddrSet, Cidr, Cooldown, Strategy};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::dice::{Dice, rounds};
use crate::namespace::{inside, ip};
use crate::rig::pool_of;

const PREFIX: &str = "2001:db8:1::/64";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_addresses_are_seen_each_once() {
    if !inside("a_whole_prefix_can_be_used::thousands_of_addresses_are_seen_each_once") {
        return;
    }
    ip(&format!("-6 route add local {PREFIX} dev lo"));
    let seed = Dice::of("thousands_of_addresses_are_seen_each_once").below(u64::MAX);
    let fleet = Fleet::builder()
        .origins([IpAddr::from(Ipv6Addr::LOCALHOST)])
        .tls(false)
        .alpn(Alpn::Http1)
        .start()
        .await
        .expect("a fleet");
    let mut config = Config::default();
    config.dial.freebind = true;
    let sources: AddrSet = PREFIX.parse().expect("a prefix");
    let pool = pool_of(&fleet, config)
        .local_addrs(Arc::new(sources.strategy(Strategy::Random { seed })))
        .eviction(Arc::new(MaxUses(1)))
        .build()
        .expect("a pool");

    let requests = rounds(5_000, 20_000) as usize;
    let left = Arc::new(AtomicUsize::new(requests));
    crowd(16, |_| {
        let (pool, url, left) = (pool.clone(), fleet.url("/"), left.clone());
        async move {
            let take =
                || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            while take().is_ok() {
                get(&pool, &url).await;
            }
        }
    })
    .await;

    let seen = fleet.ledger().sources();
    assert_eq!(
        seen.len(),
        requests,
        "each request from an address of its own"
    );
    let prefix: Cidr = PREFIX.parse().expect("a prefix");
    assert!(seen.iter().all(|addr| prefix.contains(*addr)));
    let total = close_balanced(&pool).await.sources.total();
    assert_eq!((total.dials, total.open), (requests as u64, 0));
}

/// Ports for each pair of source and target: an even number, for the kernel leaves an odd one out.
const PORTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_ports_is_passed_over() {
    if !inside("a_whole_prefix_can_be_used::an_address_without_ports_is_passed_over") {
        return;
    }
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003")
        .expect("the namespace's own sysctl");
    let fleet = Fleet::builder()
        .alpn(Alpn::Http1)
        .port(39_000)
        .start()
        .await
        .expect("a fleet");
    let target = fleet.addrs()[0];
    let spent: IpAddr = [127, 0, 2, 1].into();
    let mut taken = Vec::new();
    for _ in 0..PORTS {
        taken.push(connected(spent, target).await);
    }

    let sources: AddrSet = "127.0.2.1,127.0.2.2,127.0.2.3".parse().expect("a set");
    let pool = pool_of(&fleet, Config::default())
        .local_addrs(Arc::new(Cooldown::new(sources)))
        .build()
        .expect("a pool");
    let mut held = Vec::new();
    for _ in 0..2 * PORTS {
        held.push(
            pool.acquire(&fleet.url("/"))
                .await
                .expect("a source with ports"),
        );
    }
    let used: BTreeSet<_> = held
        .iter()
        .map(|lease| lease.conn_info().facts.leased)
        .collect();
    let both = [[127, 0, 2, 2], [127, 0, 2, 3]].map(|addr| Some(IpAddr::from(addr)));
    assert_eq!(used, BTreeSet::from(both));

    // No port is left anywhere: whoever asks now waits for a connection to come back.
    let waiting = tokio::spawn({
        let (pool, url) = (pool.clone(), fleet.url("/"));
        async move { pool.acquire(&url).await }
    });
    while pool.snapshot().connections.totals.dials_failed == 0 {
        tokio::task::yield_now().await;
    }
    held.pop();
    let served = waiting.await.expect("it does not panic");
    assert!(served.expect("a connection").conn_info().reused);
    let counts = pool.snapshot().sources;
    let of_spent = counts.each.iter().find(|at| at.addr == Some(spent));
    let of_spent = of_spent.expect("it was tried").counts;
    assert!(
        of_spent.no_free_port > 0 && of_spent.connected == 0,
        "{of_spent:?}"
    );
    let conns = fleet.ledger().conns();
    let seen: BTreeSet<_> = conns.iter().map(|conn| conn.peer.ip()).collect();
    assert_eq!((conns.len(), seen.len()), (3 * PORTS, 3), "{seen:?}");
    drop((held, taken));
    close_balanced(&pool).await;
}

/// A connection beside the pool.
async fn connected(source: IpAddr, target: SocketAddr) -> Connected {
    let cx = ConnectContext::new(target, "origin.test").with_source(source);
    let connected = TcpConnector::default().connect(cx).await;
    connected.expect("a free port")
}
