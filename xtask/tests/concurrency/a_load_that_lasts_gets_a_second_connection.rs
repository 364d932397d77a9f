//! Many HTTP/2 requests at a time that go on have two connections opened for them, and as many as are asked for.

use pool_core::testing::Fleet;
use pool_core::{Config, Pool};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::rig::pool_of;

const TASKS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_by_default() {
    let (fleet, pool) = pool_with(Config::default()).await;
    // Ten seconds, of which one should do.
    for _ in 0..50 {
        if fleet.ledger().accepted() == 1 {
            go_on(&fleet, &pool, 10).await;
        }
    }
    assert_eq!(fleet.ledger().accepted(), 2);
    go_on(&fleet, &pool, 50).await;
    let conns = fleet.ledger().conns();
    assert_eq!(conns.len(), 2, "and no third");
    assert!(
        conns.iter().all(|conn| conn.requests >= TASKS as u64 * 10),
        "both carry the load"
    );
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_if_one_is_asked_for() {
    let mut config = Config::default();
    config.http2.connections = 1;
    let (fleet, pool) = pool_with(config).await;
    go_on(&fleet, &pool, 100).await;
    assert_eq!(fleet.ledger().accepted(), 1);
    close_balanced(&pool).await;
}

/// A pool with one connection.
async fn pool_with(config: Config) -> (Fleet, Pool) {
    let fleet = Fleet::builder().start().await.expect("a fleet");
    let pool = pool_of(&fleet, config).build().expect("a pool");
    get(&pool, &fleet.url("/")).await;
    (fleet, pool)
}

/// Each task sends so many requests, one after the other, each of which takes 20 ms.
async fn go_on(fleet: &Fleet, pool: &Pool, requests: usize) {
    crowd(TASKS, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=20"));
        async move {
            for _ in 0..requests {
                get(&pool, &url).await;
            }
        }
    })
    .await;
}
