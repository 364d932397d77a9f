//! A server that cannot prove who it is gets no request, and is not asked again and again.
#![cfg(feature = "testing")]

use std::error::Error as _;
use std::sync::Arc;

use pool_core::testing::{Certificate, Fleet, FleetBuilder};
use pool_core::{Config, Error, ErrorKind, Pool, StaticResolver};
use pool_tls::{Roots, RustlsConnector};

#[tokio::test]
async fn the_error_names_the_reason_and_nothing_is_pooled() {
    let table = [
        (Certificate::Expired, "expired"),
        (Certificate::NotYetValid, "not valid yet"),
        (Certificate::SelfSigned, "UnknownIssuer"),
        (Certificate::UnknownAuthority, "BadSignature"),
        (Certificate::WrongName, "not valid for name"),
    ];
    for (certificate, reason) in table {
        let fleet = Fleet::builder().certificate(certificate);
        let (fleet, pool) = rig(fleet).await;
        for request in 1..=3 {
            let error = pool.get(&fleet.url("/")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
            assert_eq!(error.target(), Some(fleet.addrs()[0]));
            assert_eq!(error.attempts(), 0, "no request was sent");
            let chain = chain(&error);
            assert!(chain.contains(reason), "{certificate:?}: {chain}");
            let ledger = fleet.ledger();
            assert_eq!(ledger.accepted(), request, "one dial for each request");
            assert_eq!((ledger.arrived(), ledger.handshakes()), (0, 0));
        }
        let totals = pool.snapshot().connections.totals;
        assert_eq!((totals.opened, totals.dials_failed), (0, 3));
    }
}

#[tokio::test]
async fn a_burst_shares_the_failure() {
    let (fleet, pool) = rig(Fleet::builder().certificate(Certificate::Expired)).await;
    let url = fleet.url("/");
    let all = futures_util::future::join_all((0..50).map(|_| pool.get(&url))).await;
    for outcome in all {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Tls);
    }
    assert!(fleet.ledger().accepted() <= 2, "{:?}", fleet.ledger());
}

#[tokio::test]
async fn a_server_without_tls_on_a_tls_port_is_a_tls_error() {
    let (fleet, pool) = rig(Fleet::builder().tls(false)).await;
    let url = fleet.url("/").replace("http://", "https://");
    let error = pool.get(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert_eq!(fleet.ledger().arrived(), 0);
    assert_eq!(fleet.ledger().accepted(), 1);
    assert_eq!(pool.snapshot().connections.totals.opened, 0);
}

async fn rig(fleet: FleetBuilder) -> (Fleet, Pool) {
    let fleet = fleet.start().await.expect("a fleet");
    let tls = RustlsConnector::builder().roots(Roots::None);
    let tls = tls.add_ca_pem(fleet.ca_pem().as_bytes()).expect("a root");
    let resolver = StaticResolver::default();
    resolver.set(fleet.name(), fleet.port(), fleet.addrs());
    let mut config = Config::default();
    config.dial.backoff_base = std::time::Duration::from_millis(1);
    let pool = Pool::builder()
        .config(config)
        .tls(Arc::new(tls.build().expect("a connector")))
        .resolver(Arc::new(resolver));
    (fleet, pool.build().expect("a pool"))
}

/// The error and its causes, in words and as they debug.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next} {next:?}"));
        cause = next.source();
    }
    text
}
