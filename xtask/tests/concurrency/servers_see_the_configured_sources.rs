//! The addresses that servers see are the ones configured: all of them, and never another.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use pool_core::testing::{Alpn, Fleet};
use pool_core::{Body, Config, ErrorKind, RequestOptions, SourceClass, Warm};
use pool_localip::{AddrSet, Exhausted, ExhaustedReason};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::rig::{origins, pool_of};

const SOURCES: &str = "127.0.2.0/28";

fn sources() -> BTreeSet<IpAddr> {
    (0..16).map(|i| IpAddr::from([127, 0, 2, i])).collect()
}

fn addresses(set: &str) -> Arc<AddrSet> {
    Arc::new(set.parse().expect("a set of addresses"))
}

fn config() -> Config {
    let mut config = Config::default();
    config.limits.per_host = 16;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_matrix_carries_requests_from_every_source() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let pool = pool_of(&fleet, config()).local_addrs(addresses(SOURCES));
    let pool = pool.build().expect("a pool");
    let report = pool.warm(&Warm::new(&fleet.url("/"))).await;
    assert_eq!(report.expect("a report").ready(), 16);
    let ledger = fleet.ledger();
    let seen = ledger.conns().into_iter().map(|conn| conn.peer.ip());
    assert_eq!(seen.collect::<BTreeSet<_>>(), sources());

    crowd(32, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=100"));
        async move { get(&pool, &url).await }
    })
    .await;
    assert_eq!(ledger.sources(), sources());
    assert_eq!(ledger.accepted(), 16, "nothing but the matrix");
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_crowd_comes_from_every_source_in_turn() {
    let fleet = Fleet::builder().origins(origins(2)).alpn(Alpn::Http1);
    let fleet = fleet.start().await.expect("a fleet");
    let pool = pool_of(&fleet, config()).local_addrs(addresses(SOURCES));
    let pool = pool.build().expect("a pool");
    crowd(64, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=300"));
        async move { get(&pool, &url).await }
    })
    .await;
    assert_eq!(fleet.ledger().accepted(), 16);
    assert_eq!(fleet.ledger().sources(), sources());
    close_balanced(&pool).await;
}

#[cfg(target_os = "linux")] // Elsewhere 127.0.0.1 is the only local address of 127/8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarter_of_a_thousand_sources_need_no_set_up() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let mut config = config();
    config.limits.per_host = 250;
    let all: BTreeSet<IpAddr> = (1..=250).map(|i| IpAddr::from([127, 0, 2, i])).collect();
    let set = AddrSet::new(all.iter().copied()).expect("a set of addresses");
    let pool = pool_of(&fleet, config).local_addrs(Arc::new(set));
    let pool = pool.build().expect("a pool");
    let report = pool.warm(&Warm::new(&fleet.url("/"))).await;
    assert_eq!(report.expect("a report").ready(), 250);
    crowd(500, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/"));
        async move { get(&pool, &url).await }
    })
    .await;
    assert_eq!(fleet.ledger().sources(), all);
    assert_eq!(fleet.ledger().accepted(), 250);
    close_balanced(&pool).await;
}

#[tokio::test]
async fn a_target_of_the_other_family_is_refused_by_that_reason() {
    let fleet = Fleet::builder().origins([IpAddr::from(std::net::Ipv6Addr::LOCALHOST)]);
    let Ok(fleet) = fleet.start().await else {
        println!("SKIP: this machine has no IPv6");
        return;
    };
    let pool = pool_of(&fleet, config()).local_addrs(addresses(SOURCES));
    let pool = pool.build().expect("a pool");
    let error = pool.get(&fleet.url("/")).await.expect_err("no IPv6 source");
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    let cause = std::error::Error::source(&error).expect("a cause");
    let exhausted = cause.downcast_ref::<Exhausted>().expect("the allocator's");
    let target = fleet.addrs()[0];
    assert_eq!(exhausted.reason, ExhaustedReason::FamilyMismatch { target });
    assert_eq!(fleet.ledger().accepted(), 0);
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_source_is_the_one_the_server_sees() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let pool = pool_of(&fleet, config()).local_addrs(addresses(SOURCES));
    let pool = pool.build().expect("a pool");
    // From somewhere first: what is idle must not be taken for it.
    get(&pool, &fleet.url("/")).await;
    for source in [[127, 0, 2, 5], [127, 0, 2, 11], [127, 0, 2, 5]].map(IpAddr::from) {
        let mark = fleet.ledger().mark();
        let response = pool.request(from(&fleet, source)).await;
        let response = response.expect("a response");
        response.into_body().bytes().await.expect("a body");
        let seen = fleet.ledger().since(&mark).sources();
        assert_eq!(seen, BTreeSet::from([source]));
    }
    assert_eq!(fleet.ledger().accepted(), 3, "the third was reused");
    close_balanced(&pool).await;
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_before_anything_is_sent() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let foreign: IpAddr = [203, 0, 113, 9].into();
    let pool = pool_of(&fleet, config()).local_addrs(addresses("203.0.113.9"));
    let pool = pool.build().expect("a pool");
    let error = pool.get(&fleet.url("/")).await.expect_err("no such source");
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    assert_eq!(error.local(), Some(foreign), "{error}");
    assert_eq!(fleet.ledger().accepted(), 0, "no fall-back");
    close_balanced(&pool).await;
}

#[tokio::test]
async fn an_exact_source_outside_the_set_is_refused() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let pool = pool_of(&fleet, config()).local_addrs(addresses(SOURCES));
    let pool = pool.build().expect("a pool");
    let other = [127, 0, 3, 1].into();
    let error = pool.request(from(&fleet, other)).await;
    let error = error.expect_err("not one of ours");
    assert_eq!(error.kind(), ErrorKind::LocalAddr);
    assert_eq!(error.local(), Some(other));
    assert_eq!(fleet.ledger().accepted(), 0);
    close_balanced(&pool).await;
}

fn from(fleet: &Fleet, source: IpAddr) -> Request<Body> {
    let options = RequestOptions::new().source(SourceClass::Exact(source));
    let request = Request::get(fleet.url("/")).extension(options);
    request.body(Body::empty()).expect("a request")
}
