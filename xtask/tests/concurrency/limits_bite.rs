//! Every limit is one that the servers can confirm.

use std::sync::Arc;
use std::time::Duration;

use pool_core::testing::{Alpn, Fleet, FleetBuilder, Ledger};
use pool_core::{Config, ErrorKind, Pool, Protocols, StaticResolver};
use tokio::time::timeout;
use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::rig::{origins, pool_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_per_host() {
    let fleet = start(h1(3)).await;
    let mut config = Config::default();
    config.limits.per_host = 5;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    slow_crowd(&pool, &fleet, 50).await;
    assert_eq!(fleet.ledger().accepted(), 5);
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_per_address() {
    let fleet = start(h1(3)).await;
    let mut config = Config::default();
    config.limits.per_endpoint = 2;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    slow_crowd(&pool, &fleet, 50).await;
    let accepted = fleet.origins().iter().map(|o| o.ledger().accepted());
    assert_eq!(accepted.collect::<Vec<_>>(), [2, 2, 2]);
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_in_all() {
    let fleet = start(h1(1).name("a.test").extra_names(["b.test"])).await;
    let mut config = Config::default();
    config.limits.total = 3;
    config.limits.per_host = 3;
    let pool = two_names(&fleet, config);
    let [a, b] = urls(&fleet);
    let held = [
        pool.acquire(&a).await.expect("the first"),
        pool.acquire(&a).await.expect("the second"),
        pool.acquire(&b).await.expect("the third"),
    ];
    let mut fourth = spawn(pool.acquire(&b));
    assert_pending!(fourth.poll());
    assert_eq!(fleet.ledger().accepted(), 3);
    // Of another host, and fresh: it is closed for the one that starves.
    drop(held);
    drop(fourth.await.expect("room has been made"));
    sees(&fleet, |l| l.open_connections() <= 3).await;
    close_balanced(&pool).await;
}

#[tokio::test]
async fn dials_per_host() {
    let fleet = start(Fleet::builder().max_streams(1)).await;
    let mut config = http1_only();
    config.limits.dials_per_host = 2;
    config.limits.per_host = 8;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    let url = fleet.url("/");
    let urls: Vec<&str> = std::iter::repeat_n(url.as_str(), 8).collect();
    assert_eq!(stalled_dials(&pool, &fleet, &urls, 2).await, 2);
}

#[tokio::test]
async fn dials_in_all() {
    let fleet = Fleet::builder().name("a.test").extra_names(["b.test"]);
    let fleet = start(fleet).await;
    let mut config = http1_only();
    config.limits.dials_total = 3;
    config.limits.dials_per_host = 3;
    config.limits.per_host = 4;
    let pool = two_names(&fleet, config);
    let names = urls(&fleet);
    let urls: Vec<&str> = (0..8).map(|task| names[task % 2].as_str()).collect();
    assert_eq!(stalled_dials(&pool, &fleet, &urls, 3).await, 3);
}

#[tokio::test]
async fn waiters_per_host() {
    let fleet = start(h1(1)).await;
    let mut config = Config::default();
    config.limits.per_host = 1;
    config.limits.waiters_per_host = 4;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    let url = fleet.url("/");
    let held = pool.acquire(&url).await.expect("a lease");
    let mut waiters: Vec<_> = (0..4).map(|_| spawn(pool.acquire(&url))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    let error = pool.acquire(&url).await.expect_err("the queue is full");
    assert_eq!(error.kind(), ErrorKind::Saturated);
    drop(held);
    drop(assert_ready!(waiters[0].poll()).expect("a lease"));
    assert_eq!(pool.snapshot().connections.totals.turned_away, 1);
    // There is a place again.
    let mut next = spawn(pool.acquire(&url));
    assert_pending!(next.poll());
    assert_eq!(fleet.ledger().accepted(), 1);
}

#[tokio::test]
async fn waiters_in_all() {
    let fleet = start(h1(1).name("a.test").extra_names(["b.test"])).await;
    let mut config = Config::default();
    config.limits.per_host = 1;
    config.limits.waiters_per_host = 2;
    config.limits.waiters_total = 2;
    let pool = two_names(&fleet, config);
    let [a, b] = urls(&fleet);
    let held_a = pool.acquire(&a).await.expect("a lease");
    let held_b = pool.acquire(&b).await.expect("a lease");
    let mut first = spawn(pool.acquire(&a));
    assert_pending!(first.poll());
    let mut second = spawn(pool.acquire(&b));
    assert_pending!(second.poll());
    let error = pool.acquire(&a).await.expect_err("two wait already");
    assert_eq!(error.kind(), ErrorKind::Saturated);
    drop(second);
    let mut third = spawn(pool.acquire(&a));
    assert_pending!(third.poll());
    drop((held_a, held_b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_per_host() {
    let fleet = start(h1(2)).await;
    let mut config = Config::default();
    config.limits.per_host = 8;
    config.limits.idle_per_host = 2;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    slow_crowd(&pool, &fleet, 8).await;
    assert_eq!(fleet.ledger().accepted(), 8);
    sees(&fleet, |l| l.open_connections() == 2).await;
    let mark = fleet.ledger().mark();
    get(&pool, &fleet.url("/")).await;
    assert_eq!(fleet.ledger().since(&mark).accepted(), 0, "two were kept");
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_in_all() {
    let fleet = start(h1(2).name("a.test").extra_names(["b.test"])).await;
    let mut config = Config::default();
    config.limits.idle_total = 3;
    let pool = two_names(&fleet, config);
    let [a, b] = urls(&fleet);
    let held = [
        pool.acquire(&a).await.expect("a connection"),
        pool.acquire(&a).await.expect("a connection"),
        pool.acquire(&b).await.expect("a connection"),
        pool.acquire(&b).await.expect("a connection"),
    ];
    assert_eq!(fleet.ledger().accepted(), 4);
    drop(held);
    sees(&fleet, |l| l.open_connections() == 3).await;
    close_balanced(&pool).await;
}

async fn start(fleet: FleetBuilder) -> Fleet {
    fleet.start().await.expect("a fleet")
}

fn h1(addresses: u8) -> FleetBuilder {
    Fleet::builder()
        .origins(origins(addresses))
        .alpn(Alpn::Http1)
}

fn http1_only() -> Config {
    Config {
        protocols: Protocols::Http1,
        ..Config::default()
    }
}

/// Requests that overlap for sure: each keeps its connection longer than all of them take to ask.
async fn slow_crowd(pool: &Pool, fleet: &Fleet, tasks: usize) {
    crowd(tasks, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=300"));
        async move { get(&pool, &url).await }
    })
    .await;
}

/// Waits until the servers see it so.
async fn sees(fleet: &Fleet, holds: impl FnMut(&Ledger) -> bool) {
    let seen = timeout(Duration::from_secs(10), fleet.ledger().wait_until(holds)).await;
    seen.unwrap_or_else(|_| panic!("{:?}", fleet.ledger()));
}

/// How many dials reach an origin that lets none of them finish, when each URL is asked for at once.
async fn stalled_dials(pool: &Pool, fleet: &Fleet, urls: &[&str], at_least: usize) -> usize {
    fleet.origin(0).script(|script| script.stall_accept = true);
    let mut askers: Vec<_> = urls.iter().map(|url| spawn(pool.acquire(url))).collect();
    for asker in &mut askers {
        assert_pending!(asker.poll());
    }
    let ledger = fleet.ledger();
    sees(fleet, |ledger| ledger.accepted() >= at_least).await;
    // What was started beside those connects before this one is accepted: the listener serves in order.
    let door = fleet.addrs()[0];
    let knock = tokio::net::TcpStream::connect(door)
        .await
        .expect("a listener");
    let at = knock.local_addr().expect("an address");
    sees(fleet, |ledger| {
        ledger.conns().iter().any(|conn| conn.peer == at)
    })
    .await;
    drop(askers);
    pool.close(Duration::ZERO).await;
    ledger.accepted() - 1
}

fn two_names(fleet: &Fleet, config: Config) -> Pool {
    let resolver = StaticResolver::default();
    for name in ["a.test", "b.test"] {
        resolver.set(name, fleet.port(), fleet.addrs());
    }
    let pool = pool_of(fleet, config).resolver(Arc::new(resolver));
    pool.build().expect("a pool")
}

fn urls(fleet: &Fleet) -> [String; 2] {
    ["a", "b"].map(|name| format!("https://{name}.test:{}/slow?ms=300", fleet.port()))
}
