//! A name that moves to other addresses takes its traffic along, and no request is lost.

use std::time::Duration;

use pool_core::Config;
use pool_core::testing::{Alpn, Fleet};

use crate::dice::{Dice, rounds};
use crate::load::Load;
use crate::rig::{origins, pool_of, resolver_of};
use crate::witness::{Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_addresses_join_and_old_ones_drain() {
    bounded(async {
        for alpn in [Alpn::Http1, Alpn::H2] {
            scenario(alpn).await;
        }
    })
    .await;
}

async fn scenario(alpn: Alpn) {
    let mut dice = Dice::of("addresses_change_under_load");
    let fleet = Fleet::builder()
        .origins(origins(4))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    let (ledger, addrs) = (fleet.ledger(), fleet.addrs());
    let witness = Witness::new();
    let mut config = Config::default();
    config.upkeep.refresh_interval = Duration::from_millis(10);
    let resolver = resolver_of(&fleet);
    let name = |which: usize| resolver.set(fleet.name(), fleet.port(), vec![addrs[which]]);
    name(0);
    let pool = pool_of(&fleet, config)
        .resolver(resolver.clone())
        .observer(witness.clone())
        .build()
        .expect("a pool");

    let load = Load::start(&pool, &fleet.url("/"), 12, 4);
    fleet
        .origin(0)
        .ledger()
        .wait_until(|at| at.served() > 0)
        .await;
    let mut now = 0;
    for _ in 0..rounds(8, 80) {
        let next = (now + 1 + dice.below(3) as usize) % 4;
        name(next);
        let moved = fleet.origin(next).ledger().since(&ledger.mark());
        moved.wait_until(|moved| moved.served() >= 20).await;
        let old = fleet.origin(now).ledger();
        old.wait_until(|old| old.open_connections() == 0).await;
        now = next;
    }
    let tally = load.stop().await;

    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    assert!(tally.maybe.is_empty(), "{:?}", tally.maybe);
    assert_eq!(ledger.duplicates(), []);
    let closed = pool.snapshot().connections.totals.closed;
    assert_eq!(closed.keys().collect::<Vec<_>>(), [&"endpoint_gone"]);
    close_and_balance(&pool, &witness).await;
}
