//! Whoever sends one request after the other needs one connection.

use pool_core::Config;
use pool_core::testing::{Alpn, Fleet};

use crate::books::close_balanced;
use crate::crowd::get;
use crate::dice::rounds;
use crate::rig::pool_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_h1() {
    stays_on_one(Alpn::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_h2() {
    stays_on_one(Alpn::H2).await;
}

async fn stays_on_one(alpn: Alpn) {
    let fleet = Fleet::builder().alpn(alpn).start().await.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    let requests = rounds(300, 5000);
    for _ in 0..requests {
        // The end of the body is the end of the exchange, also where the connection's task learns of it a moment later.
        get(&pool, &fleet.url("/")).await;
    }
    let ledger = fleet.ledger();
    assert_eq!(ledger.served() as u64, requests);
    assert_eq!(ledger.accepted(), 1);
    let totals = close_balanced(&pool).await.connections.totals;
    assert_eq!(totals.dials, 1, "none was begun in vain either");
}
