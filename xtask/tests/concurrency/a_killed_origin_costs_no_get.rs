//! An origin that dies under load costs no GET, and carries traffic again once it is back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pool_core::testing::{Alpn, Body, Fleet};
use pool_core::{Config, Warm};
use pool_health::{ConsecutiveFailures, MaxUses};

use crate::dice::{Dice, rounds};
use crate::load::Load;
use crate::rig::{origins, pool_of};
use crate::witness::{Seen, Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http1_connections_that_are_replaced_find_the_way_back() {
    bounded(scenario(Alpn::Http1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_warming_again_brings_the_way_back() {
    bounded(scenario(Alpn::H2)).await;
}

async fn scenario(alpn: Alpn) {
    let mut dice = Dice::of("a_killed_origin_costs_no_get");
    let fleet = Fleet::builder()
        .origins(origins(4))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    for origin in fleet.origins() {
        // A body cut half-way is an error that only the caller can mend: here a head is a whole answer.
        origin.script(|script| script.body = Body::Exactly(Bytes::new()));
    }
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let mut config = Config::default();
    config.limits.per_host = 12;
    config.dial.backoff_base = Duration::from_millis(5);
    config.dial.backoff_max = Duration::from_millis(20);
    let ejection = Duration::from_millis(30);
    let mut builder = pool_of(&fleet, config)
        .observer(witness.clone())
        .outlier(Arc::new(
            ConsecutiveFailures::new(2).durations(ejection, ejection),
        ));
    if alpn == Alpn::Http1 {
        builder = builder.eviction(Arc::new(MaxUses(20)));
    }
    let pool = builder.build().expect("a pool");
    let plan = Warm::new(&fleet.url("/"));
    assert_eq!(pool.warm(&plan).await.expect("a plan").ready(), 4);

    let load = Load::start(&pool, &fleet.url("/"), 12, 0);
    for _ in 0..rounds(3, 30) {
        let victim = dice.below(4) as usize;
        let (origin, addr) = (fleet.origin(victim), fleet.origin(victim).addr());
        // Busy enough that requests are under way when it dies.
        let busy = origin.ledger().since(&ledger.mark());
        busy.wait_until(|busy| busy.arrived() >= 20).await;
        let failed = witness.count(|seen| seen == Seen::DialFailed(addr));
        origin.kill();
        let died = ledger.since(&ledger.mark());
        died.wait_until(|died| died.served() >= 100).await;
        assert_eq!(origin.ledger().open_connections(), 0);
        // Over HTTP/1.1 a connection that is replaced meets the dead address; nothing else dials over HTTP/2.
        if alpn == Alpn::H2 {
            let report = pool.warm(&plan).await.expect("a plan");
            assert_eq!(report.ready(), 3, "{report:?}");
        }
        let dialled = |seen| seen == Seen::DialFailed(addr);
        witness.wait_for(failed + 1, dialled).await;

        origin.restart().await.expect("its own port");
        let back = origin.ledger().since(&ledger.mark());
        if alpn == Alpn::H2 {
            let report = pool.warm(&plan).await.expect("a plan");
            assert_eq!(report.ready(), 4, "{report:?}");
        }
        back.wait_until(|back| back.served() >= 20).await;
    }
    let tally = load.stop().await;

    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    let retried = witness.count(|seen| seen == Seen::Retried);
    assert!(retried > 0, "some requests were under way at each death");
    close_and_balance(&pool, &witness).await;
}
