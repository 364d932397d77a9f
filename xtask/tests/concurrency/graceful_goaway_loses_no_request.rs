//! An origin that says GOAWAY at any moment costs nobody a request, and no POST happens twice.

use http::Method;
use pool_core::Config;
use pool_core::testing::Fleet;

use crate::dice::{Dice, rounds};
use crate::load::Load;
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goaway_at_random_points_under_load_costs_no_request() {
    bounded(scenario()).await;
}

async fn scenario() {
    let mut dice = Dice::of("graceful_goaway_loses_no_request");
    let fleet = Fleet::builder()
        .origins(origins(3))
        .start()
        .await
        .expect("a fleet");
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let mut config = Config::default();
    config.limits.streams_per_conn = 4;
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .build()
        .expect("a pool");

    let load = Load::start(&pool, &fleet.url("/echo"), 24, 3);
    for _ in 0..rounds(40, 400) {
        let more = ledger.arrived() + 1 + dice.below(50) as usize;
        ledger.wait_until(|ledger| ledger.arrived() >= more).await;
        fleet.origin(dice.below(3) as usize).goaway();
    }
    let tally = load.stop().await;

    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    assert!(
        tally.maybe.is_empty(),
        "a graceful GOAWAY says what it left out: {:?}",
        tally.maybe
    );
    let posted_twice: Vec<_> = duplicates_of(&ledger, &Method::POST);
    assert!(posted_twice.is_empty(), "{posted_twice:?}");
    assert_eq!(
        ledger.duplicates(),
        [],
        "a graceful origin serves what it has read"
    );
    assert!(ledger.accepted() > 3, "connections were replaced");
    let away = pool
        .snapshot()
        .connections
        .totals
        .closed
        .get("goaway")
        .copied();
    assert!(away.unwrap_or(0) > 0, "the pool saw the GOAWAYs");
    close_and_balance(&pool, &witness).await;
}

fn duplicates_of(ledger: &pool_core::testing::Ledger, method: &Method) -> Vec<(String, usize)> {
    let requests = ledger.requests();
    let of_method = |id: &str| {
        requests
            .iter()
            .any(|r| r.method == *method && r.id.as_deref() == Some(id))
    };
    let twice = ledger.duplicates();
    twice.into_iter().filter(|(id, _)| of_method(id)).collect()
}
