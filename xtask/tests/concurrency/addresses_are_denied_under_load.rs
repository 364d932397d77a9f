//! Addresses are denied and allowed again while requests go on: no request is lost, and none reaches an address that is denied.

use std::sync::Arc;
use std::time::Duration;

use pool_core::Config;
use pool_core::testing::{Alpn, Fleet};
use pool_health::{AccessRule, PrefixList};

use crate::dice::{Dice, rounds};
use crate::load::Load;
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denied_ones_drain_and_allowed_ones_return_over_http1() {
    bounded(scenario(Alpn::Http1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denied_ones_drain_and_allowed_ones_return_over_h2() {
    bounded(scenario(Alpn::H2)).await;
}

const ADDRS: u8 = 4;

async fn scenario(alpn: Alpn) {
    let mut dice = Dice::of("addresses_are_denied_under_load");
    let fleet = Fleet::builder()
        .origins(origins(ADDRS))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    let (ledger, addrs) = (fleet.ledger(), fleet.addrs());
    let witness = Witness::new();
    let list = Arc::new(PrefixList::default());
    let mut config = Config::default();
    config.upkeep.refresh_interval = Duration::from_millis(10);
    let pool = pool_of(&fleet, config)
        .access(list.clone())
        .observer(witness.clone())
        .build()
        .expect("a pool");

    let load = Load::start(&pool, &fleet.url("/"), 12, 4);
    ledger.wait_until(|at| at.served() >= 100).await;
    for round in 0..rounds(12, 120) {
        // One bit for each that is allowed. Where it is one alone, each in its turn, all traffic has to return to it.
        let allowed = match round % 2 {
            0 => 1 << (round / 2 % u64::from(ADDRS)),
            _ => 1 + dice.below((1 << ADDRS) - 1),
        };
        let is_denied = |at: &usize| allowed & (1 << at) == 0;
        let denied: Vec<usize> = (0..addrs.len()).filter(is_denied).collect();
        let rules = denied.iter().map(|&at| AccessRule::deny(addrs[at].ip()));
        list.replace("scenario", rules);
        pool.enforce_access();
        for &at in &denied {
            let origin = fleet.origin(at).ledger();
            origin.wait_until(|at| at.open_connections() == 0).await;
        }
        let later = ledger.since(&ledger.mark());
        later.wait_until(|later| later.served() >= 100).await;
        let requests = later.requests().into_iter();
        let mut reached: Vec<usize> = requests.map(|request| request.origin).collect();
        reached.retain(|origin| denied.contains(origin));
        assert!(
            reached.is_empty(),
            "{reached:?}, denied: {denied:?}, in round {round}"
        );
    }
    let tally = load.stop().await;

    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    assert!(tally.maybe.is_empty(), "{:?}", tally.maybe);
    assert_eq!(ledger.duplicates(), []);
    for origin in fleet.origins() {
        assert!(origin.ledger().served() > 0, "traffic returns to each");
    }
    let closed = pool.snapshot().connections.totals.closed;
    assert!(closed["denied"] > 0, "{closed:?}");
    close_and_balance(&pool, &witness).await;
}
