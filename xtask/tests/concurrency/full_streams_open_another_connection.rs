//! When the streams of an HTTP/2 connection run out, another one opens, and limits hold.

use pool_core::Config;
use pool_core::testing::Fleet;

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::rig::{origins, pool_of};

const CAP: u32 = 10;
const TASKS: usize = 100;
const PER_HOST: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_connection_that_is_full_gets_company() {
    let fleet = fleet().await;
    let pool = pool_of(&fleet, config()).build().expect("a pool");
    get(&pool, &fleet.url("/")).await;
    burst(&fleet, &pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_burst_above_the_cap_is_spread_and_none_fails() {
    let fleet = fleet().await;
    let pool = pool_of(&fleet, config()).build().expect("a pool");
    burst(&fleet, &pool).await;
}

async fn fleet() -> Fleet {
    let fleet = Fleet::builder().origins(origins(2)).max_streams(CAP);
    fleet.start().await.expect("a fleet")
}

fn config() -> Config {
    let mut config = Config::default();
    config.limits.per_host = PER_HOST;
    config
}

async fn burst(fleet: &Fleet, pool: &pool_core::Pool) {
    crowd(TASKS, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/slow?ms=200"));
        async move { get(&pool, &url).await }
    })
    .await;
    let ledger = fleet.ledger();
    let slow = ledger.requests();
    let slow = slow.iter().filter(|request| request.path != "/");
    assert_eq!(slow.count(), TASKS, "none was sent twice");
    assert_eq!(ledger.accepted(), PER_HOST, "opened as many as allowed");
    assert!(ledger.max_concurrent() <= u64::from(CAP));
    close_balanced(pool).await;
}
