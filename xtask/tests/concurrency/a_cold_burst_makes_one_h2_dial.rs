//! A hundred askers of a cold HTTP/2 origin share one dial.

use std::time::Duration;

use pool_core::Config;
use pool_core::testing::{Alpn, Fleet};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::rig::pool_of;

const TASKS: usize = 100;

/// Long enough for every task to have asked before the first connection is there.
const HANDSHAKE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_askers_share_one_dial() {
    let fleet = Fleet::builder().handshake_delay(HANDSHAKE).start().await;
    let fleet = fleet.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    crowd(TASKS, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/"));
        async move { get(&pool, &url).await }
    })
    .await;
    let ledger = fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.served()), (1, TASKS));
    let totals = close_balanced(&pool).await.connections.totals;
    assert_eq!((totals.dials, totals.dials_failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_turns_out_to_be_h1_is_dialled_up_to_the_limit() {
    let fleet = Fleet::builder().alpn(Alpn::Http1);
    let fleet = fleet.handshake_delay(HANDSHAKE).start().await;
    let fleet = fleet.expect("a fleet");
    let config = Config::default();
    let limit = config.limits.per_host;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    crowd(TASKS, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=100"));
        async move { get(&pool, &url).await }
    })
    .await;
    let ledger = fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.served()), (limit, TASKS));
    close_balanced(&pool).await;
}
