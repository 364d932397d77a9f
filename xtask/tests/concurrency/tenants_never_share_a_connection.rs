//! What must be kept apart is kept apart: tenants, plain text and TLS, HTTP versions.

use std::collections::{BTreeMap, BTreeSet};

use http::Request;
use pool_core::testing::{Alpn, Fleet};
use pool_core::{Body, Config, Partition, Pool, Protocol, Protocols, RequestOptions};

use crate::books::close_balanced;
use crate::crowd::crowd;
use crate::dice::rounds;
use crate::rig::pool_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_over_h2() {
    tenants(Alpn::H2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_over_h1() {
    tenants(Alpn::Http1).await;
}

async fn tenants(alpn: Alpn) {
    const TENANTS: usize = 4;
    let fleet = Fleet::builder().alpn(alpn).start().await.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    let each = rounds(10, 200);
    crowd(8 * TENANTS, |task| {
        let tenant = format!("/tenant-{}", task % TENANTS);
        let options = RequestOptions::new().partition(Partition::named(&tenant));
        let (pool, url) = (pool.clone(), fleet.url(&tenant));
        async move {
            for _ in 0..each {
                send(&pool, &url, options.clone()).await;
            }
        }
    })
    .await;
    // The common partition is a tenant of its own.
    send(&pool, &fleet.url("/common"), RequestOptions::new()).await;
    let on = paths_by_connection(&fleet);
    assert!(on.values().all(|paths| paths.len() == 1), "{on:?}");
    let tenants: BTreeSet<&String> = on.values().flatten().collect();
    assert_eq!(tenants.len(), TENANTS + 1);
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_versions() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    for _ in 0..3 {
        for (protocols, path) in [
            (Protocols::Http1, "/h1"),
            (Protocols::Http2, "/h2"),
            (Protocols::Auto, "/auto"),
        ] {
            let options = RequestOptions::new().protocols(protocols);
            send(&pool, &fleet.url(path), options).await;
        }
    }
    let on = paths_by_connection(&fleet);
    assert_eq!(on.len(), 3, "{on:?}");
    assert!(on.values().all(|paths| paths.len() == 1), "{on:?}");
    let spoken = fleet.ledger().conns().into_iter().map(|conn| conn.protocol);
    let (h1, h2) = (Some(Protocol::Http1), Some(Protocol::Http2));
    assert_eq!(spoken.collect::<Vec<_>>(), [h1, h2, h2]);
    close_balanced(&pool).await;
}

/// A server in plain text and one with TLS, of one name, one after the other on one port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_never_goes_over_a_tls_connection_nor_the_other_way_round() {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    send(&pool, &fleet.url("/tls"), RequestOptions::new()).await;
    let plain = fleet.url("/plain").replace("https://", "http://");
    pool.get(&plain).await.expect_err("that port speaks TLS");
    let ledger = fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.handshakes()), (2, 1));
    assert_eq!(ledger.arrived(), 1, "the request over TLS, and no other");

    let fleet = Fleet::builder().tls(false).start().await.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    send(&pool, &fleet.url("/plain"), RequestOptions::new()).await;
    let tls = fleet.url("/tls").replace("http://", "https://");
    pool.get(&tls)
        .await
        .expect_err("that port speaks plain text");
    assert_eq!(
        (fleet.ledger().accepted(), fleet.ledger().arrived()),
        (2, 1)
    );
}

async fn send(pool: &Pool, url: &str, options: RequestOptions) {
    let get = Request::get(url).extension(options);
    let get = get.body(Body::empty()).expect("a request");
    let response = pool.request(get).await.expect("a response");
    assert_eq!(response.status(), 200);
    response.into_body().bytes().await.expect("a body");
}

/// Which paths each connection was asked for, as the server saw it.
fn paths_by_connection(fleet: &Fleet) -> BTreeMap<u64, BTreeSet<String>> {
    let mut on: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for request in fleet.ledger().requests() {
        on.entry(request.conn).or_default().insert(request.path);
    }
    on
}
