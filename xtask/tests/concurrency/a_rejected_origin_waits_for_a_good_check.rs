//! An origin that answers a health check with 403 carries no request until a later check succeeds.

use std::sync::Arc;
use std::time::Duration;

use pool_core::testing::Fleet;
use pool_core::{Config, Warm, WarmOutcome};
use pool_health::{H2Ping, HttpCheck};

use crate::load::{Load, get};
use crate::rig::{origins, pool_of};
use crate::witness::{Seen, Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_no_request_ever_sees_the_403() {
    bounded(scenario()).await;
}

async fn scenario() {
    let fleet = Fleet::builder()
        .origins(origins(3))
        .start()
        .await
        .expect("a fleet");
    let rejected = fleet.origin(1);
    rejected.script(|script| script.status = 403);
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let mut config = Config::default();
    config.upkeep.health_interval = Duration::from_millis(10);
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .health(Arc::new(HttpCheck::new("/health")))
        .build()
        .expect("a pool");
    let report = pool
        .warm(&Warm::new(&fleet.url("/")))
        .await
        .expect("a plan");
    assert!(matches!(
        report.cells[1].outcome,
        WarmOutcome::Rejected { status: 403 }
    ));
    assert_eq!(report.ready(), 2);

    let mark = ledger.mark();
    let load = Load::start(&pool, &fleet.url("/work"), 8, 4);
    // It is asked again and again, and stays out.
    let asked = rejected.ledger().since(&mark);
    asked.wait_until(|asked| asked.served() >= 3).await;
    let since = ledger.since(&mark);
    since.wait_until(|since| since.served() >= 200).await;
    let worked = |request: &pool_core::testing::RequestRecord| request.path == "/work";
    assert!(
        !asked.requests().iter().any(worked),
        "only checks came here"
    );

    rejected.script(|script| script.status = 200);
    let addr = rejected.addr();
    witness
        .wait_for(1, |seen| seen == Seen::Readmitted(addr))
        .await;
    asked
        .wait_until(|asked| asked.requests().iter().filter(|r| worked(r)).count() >= 20)
        .await;
    let tally = load.stop().await;
    assert!(tally.lost.is_empty(), "a 403 among them? {:#?}", tally.lost);
    close_and_balance(&pool, &witness).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_by_hand_closes_a_silent_connection() {
    bounded(by_hand()).await;
}

async fn by_hand() {
    let fleet = Fleet::builder()
        .origins(origins(1))
        .start()
        .await
        .expect("a fleet");
    let witness = Witness::new();
    let mut config = Config::default();
    config.upkeep.health_interval = Duration::MAX;
    config.upkeep.health_timeout = Duration::from_millis(100);
    config.http2.ping_interval = Duration::MAX;
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .health(Arc::new(H2Ping))
        .build()
        .expect("a pool");
    get(&pool, &fleet.url("/")).await;
    assert_eq!(pool.check_health().await, 0, "it answers");

    fleet.origin(0).silence();
    assert_eq!(pool.check_health().await, 1);
    witness.wait_for_every_close().await;
    assert_eq!(
        pool.snapshot()
            .connections
            .totals
            .closed
            .into_iter()
            .collect::<Vec<_>>(),
        [("unhealthy", 1)]
    );
    get(&pool, &fleet.url("/")).await;
    assert_eq!(fleet.ledger().accepted(), 2);
    close_and_balance(&pool, &witness).await;
}
