//! Every limit is one that the servers can confirm.

use std::sync::Arc;
use std::time::Duration;

use pool_core::testing::{Alpn, Fleet, FleetBuilder, Ledger};
use pool_core::{Config, ErrorKind, Pool, StaticResolver};
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
    fourth.await.expect("room has been made");
    sees(&fleet, |ledger| ledger.open_connections() <= 3).await;
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dials_per_host() {
    let fleet = start(one_stream_each()).await;
    let mut config = Config::default();
    config.limits.dials_per_host = 2;
    config.limits.per_host = 8;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    let dials = most_dials(&fleet, slow_crowd(&pool, &fleet, 8)).await;
    assert_eq!((dials, fleet.ledger().accepted()), (2, 8));
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dials_in_all() {
    let fleet = one_stream_each().name("a.test").extra_names(["b.test"]);
    let fleet = start(fleet).await;
    let mut config = Config::default();
    config.limits.dials_total = 3;
    config.limits.dials_per_host = 3;
    config.limits.per_host = 4;
    let pool = two_names(&fleet, config);
    let urls = urls(&fleet);
    let crowd = crowd(8, |task| {
        let (pool, url) = (pool.clone(), urls[task % 2].clone());
        async move { get(&pool, &url).await }
    });
    let dials = most_dials(&fleet, crowd).await;
    assert_eq!((dials, fleet.ledger().accepted()), (3, 8));
    close_balanced(&pool).await;
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
    sees(&fleet, |ledger| ledger.open_connections() == 2).await;
    let mark = fleet.ledger().mark();
    get(&pool, &fleet.url("/")).await;
    assert_eq!(fleet.ledger().since(&mark).accepted(), 0, "two were kept");
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

/// Connections that take long to open and carry one request at a time.
fn one_stream_each() -> FleetBuilder {
    let delay = Duration::from_millis(50);
    Fleet::builder().max_streams(1).handshake_delay(delay)
}

/// Requests that overlap for sure: each keeps its connection longer than all of them take to ask.
async fn slow_crowd(pool: &Pool, fleet: &Fleet, tasks: usize) {
    crowd(tasks, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=300"));
        async move { get(&pool, &url).await }
    })
    .await;
}

/// Waits until the server sees it so.
async fn sees(fleet: &Fleet, holds: impl FnMut(&Ledger) -> bool) {
    let seen = timeout(Duration::from_secs(10), fleet.ledger().wait_until(holds)).await;
    seen.unwrap_or_else(|_| panic!("{:?}", fleet.ledger()));
}

/// The most handshakes the server saw under way while `work` was done.
async fn most_dials(fleet: &Fleet, work: impl Future) -> usize {
    let ledger = fleet.ledger();
    let mut most = 0;
    let watch = ledger.wait_until(|ledger| {
        // In this order a handshake that ends in between is not counted, instead of counted twice.
        let accepted = ledger.accepted();
        most = most.max(accepted - ledger.handshakes().min(accepted));
        false
    });
    tokio::select! {
        () = watch => unreachable!("it waits for ever"),
        _ = work => {}
    }
    most
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
