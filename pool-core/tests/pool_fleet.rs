//! The pool against real sockets: the embedded fleet.
#![cfg(feature = "testing")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pool_core::testing::{Alpn, Fleet};
use pool_core::{Config, ConnInfo, Pool, Protocol, StaticResolver, Warm, WarmOutcome};
use pool_localip::AddrSet;
use pool_tls::{Roots, RustlsConnector};

fn origins(n: u8) -> Vec<IpAddr> {
    (1..=n).map(|i| IpAddr::from([127, 0, 1, i])).collect()
}

fn pool(fleet: &Fleet, config: Config) -> pool_core::PoolBuilder {
    let tls = RustlsConnector::builder()
        .roots(Roots::None)
        .add_ca_pem(fleet.ca_pem().as_bytes());
    let tls = tls
        .expect("the fleet's CA")
        .build()
        .expect("a TLS configuration");
    let resolver = StaticResolver::default();
    resolver.set(fleet.name(), fleet.port(), fleet.addrs());
    Pool::builder()
        .config(config)
        .tls(Arc::new(tls))
        .resolver(Arc::new(resolver))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_share_warm_connections_over_h2() {
    let fleet = Fleet::builder()
        .origins(origins(2))
        .start()
        .await
        .expect("a fleet");
    let pool = pool(&fleet, Config::default()).build().expect("a pool");
    for i in 0..20 {
        let response = pool.get(&fleet.url("/")).await.expect("a response");
        assert_eq!(response.status(), 200);
        let info = response
            .extensions()
            .get::<ConnInfo>()
            .cloned()
            .expect("conn info");
        assert_eq!(info.facts.protocol, Protocol::Http2);
        assert_eq!(info.reused, i > 0, "request {i}");
        response.into_body().bytes().await.expect("a body");
    }
    assert_eq!(fleet.ledger().handshakes(), 1);
    let closed = pool.close(Duration::from_secs(5)).await;
    assert_eq!((closed.drained, closed.aborted), (1, 0));
    fleet
        .ledger()
        .wait_until(|ledger| ledger.open_connections() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h1_serves_concurrent_requests_within_the_limit() {
    let fleet = Fleet::builder()
        .origins(origins(2))
        .alpn(Alpn::Http1)
        .start()
        .await
        .expect("a fleet");
    let mut config = Config::default();
    config.limits.per_host = 3;
    let pool = pool(&fleet, config).build().expect("a pool");
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (pool, url) = (pool.clone(), fleet.url("/"));
            tokio::spawn(async move {
                let response = pool.get(&url).await.expect("a response");
                response.into_body().bytes().await.expect("a body");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task");
    }
    let ledger = fleet.ledger();
    assert!(ledger.peak_open() <= 3, "{} at once", ledger.peak_open());
    assert_eq!(ledger.served(), 100);
    let seen = pool.snapshot().connections.totals;
    assert_eq!(seen.acquired, seen.released);
    pool.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_snapshot_counts_the_sessions_that_the_origin_saw_resumed() {
    for (tls, requests) in [(true, 1), (true, 5), (false, 3)] {
        let fleet = Fleet::builder().tls(tls).alpn(Alpn::Http1);
        let fleet = fleet.start().await.expect("a fleet");
        let mut config = Config::default();
        config.limits.idle_per_host = 0;
        let pool = pool(&fleet, config).build().expect("a pool");
        for _ in 0..requests {
            let response = pool.get(&fleet.url("/")).await.expect("a response");
            response.into_body().bytes().await.expect("a body");
        }
        let ledger = fleet.ledger();
        assert_eq!(ledger.accepted(), requests, "a connection for each");
        let seen = pool.snapshot();
        let (handshakes, resumed) = (seen.handshakes, seen.handshakes_resumed);
        let expected = if tls {
            (requests, requests - 1)
        } else {
            (0, 0)
        };
        assert_eq!((handshakes as usize, resumed as usize), expected);
        assert_eq!(resumed as usize, ledger.resumed());
        if tls {
            assert_eq!(handshakes as usize, ledger.handshakes());
        }
        pool.close(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warming_opens_the_matrix_and_requests_then_dial_nothing() {
    let fleet = Fleet::builder()
        .origins(origins(4))
        .start()
        .await
        .expect("a fleet");
    fleet.origin(1).script(|script| script.status = 403);
    fleet.origin(2).kill();
    let sources: AddrSet = "127.0.2.0/29".parse().expect("sources");
    let pool = pool(
        &fleet,
        Config {
            limits: pool_core::config::Limits {
                per_host: 64,
                ..Default::default()
            },
            ..Default::default()
        },
    )
    .local_addrs(Arc::new(sources))
    .health(Arc::new(pool_health::HttpCheck::new("/")))
    .build()
    .expect("a pool");
    let report = pool
        .warm(&Warm::new(&fleet.url("/")))
        .await
        .expect("a report");
    assert_eq!(report.cells.len(), 32);
    assert_eq!(report.ready(), 16, "{report:?}");
    let rejected = report
        .cells
        .iter()
        .filter(|c| matches!(c.outcome, WarmOutcome::Rejected { status: 403 }))
        .count();
    assert_eq!(rejected, 8);
    let mark = fleet.ledger().mark();
    for _ in 0..64 {
        let response = pool.get(&fleet.url("/")).await.expect("a response");
        assert_eq!(response.status(), 200);
        response.into_body().bytes().await.expect("a body");
    }
    let row = fleet.ledger().since(&mark);
    assert_eq!(row.handshakes(), 0);
    assert_eq!(row.sources().len(), 8, "{:?}", row.sources());
    let closed = pool.close(Duration::from_secs(5)).await;
    assert_eq!(closed.aborted, 0);
}
