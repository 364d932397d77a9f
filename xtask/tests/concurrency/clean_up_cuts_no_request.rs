//! Clean-up by idleness, age and health beside live load replaces connections and cuts none in use.

use std::sync::Arc;
use std::time::Duration;

use pool_core::Config;
use pool_core::testing::{Alpn, Body, Fleet};
use pool_health::{HttpCheck, IdleTimeout, Lifetime, MaxUses};

use crate::dice::{Dice, rounds};
use crate::load::Load;
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http1() {
    bounded(clean_up(Alpn::Http1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2() {
    bounded(clean_up(Alpn::H2)).await;
}

async fn clean_up(alpn: Alpn) {
    let mut dice = Dice::of("clean_up_cuts_no_request");
    let fleet = Fleet::builder()
        .origins(origins(3))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    for origin in fleet.origins() {
        origin.script(|script| {
            script.body = Body::Drip {
                bytes: 4,
                every: Duration::from_millis(1),
            };
        });
    }
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let mut config = Config::default();
    config.limits.per_host = 12;
    config.limits.streams_per_conn = 3;
    config.upkeep.idle_interval = Duration::from_millis(3);
    config.upkeep.lifetime_interval = Duration::from_millis(5);
    config.upkeep.health_interval = Duration::from_millis(4);
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .eviction(Arc::new(IdleTimeout(Duration::from_millis(2))))
        .eviction(Arc::new(Lifetime::new(Duration::from_millis(40))))
        .health(Arc::new(HttpCheck::new("/health")))
        .build()
        .expect("a pool");

    // Load that comes and goes leaves connections idle in between.
    for _ in 0..rounds(5, 50) {
        let wave = ledger.since(&ledger.mark());
        let load = Load::start(&pool, &fleet.url("/"), 4 + dice.below(12), 4);
        wave.wait_until(|wave| wave.served() >= 200).await;
        let tally = load.stop().await;
        assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
        assert!(tally.maybe.is_empty(), "{:?}", tally.maybe);
    }

    let closed = pool.snapshot().connections.totals.closed;
    for reason in ["idle", "lifetime"] {
        assert!(closed.contains_key(reason), "{reason}: {closed:?}");
    }
    let ours = ["idle", "lifetime"];
    assert!(
        closed.keys().all(|reason| ours.contains(reason)),
        "{closed:?}"
    );
    assert!(ledger.accepted() > 12, "connections were replaced");
    close_and_balance(&pool, &witness).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_serves_more_than_its_uses() {
    bounded(async {
        for alpn in [Alpn::Http1, Alpn::H2] {
            max_uses(alpn).await;
        }
    })
    .await;
}

async fn max_uses(alpn: Alpn) {
    const USES: u64 = 7;
    let fleet = Fleet::builder()
        .origins(origins(2))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let pool = pool_of(&fleet, Config::default())
        .observer(witness.clone())
        .eviction(Arc::new(MaxUses(USES)))
        .build()
        .expect("a pool");
    let load = Load::start(&pool, &fleet.url("/"), 32, 5);
    let wanted = usize::try_from(rounds(1000, 20_000)).expect("a count");
    ledger.wait_until(|ledger| ledger.served() >= wanted).await;
    let tally = load.stop().await;

    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    assert!(tally.maybe.is_empty(), "{:?}", tally.maybe);
    assert_eq!(
        ledger.max_requests_on_a_connection() as u64,
        USES,
        "{alpn:?}"
    );
    assert!(ledger.accepted() as u64 * USES >= ledger.arrived() as u64);
    if alpn == Alpn::H2 {
        assert!(ledger.max_concurrent() > 1, "streams ran side by side");
    }
    close_and_balance(&pool, &witness).await;
}
