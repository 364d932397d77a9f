//! An address that leaves the machine under load takes no request with it, and what is sent later comes from those that are left.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use pool_core::testing::{Alpn, Body, Fleet};
use pool_core::{Config, Pool};
use pool_localip::interfaces::{Filter, Interfaces};

use crate::dice::{Dice, rounds};
use crate::load::Load;
use crate::namespace::{inside, ip};
use crate::rig::pool_of;
use crate::witness::{Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_requests_are_sent_again_from_another_over_http1() {
    if inside("a_source_may_leave_the_machine::its_requests_are_sent_again_from_another_over_http1")
    {
        bounded(scenario(Alpn::Http1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_requests_are_sent_again_from_another_over_h2() {
    if inside("a_source_may_leave_the_machine::its_requests_are_sent_again_from_another_over_h2") {
        bounded(scenario(Alpn::H2)).await;
    }
}

const ADDRS: u8 = 4;

fn addr(number: u8) -> IpAddr {
    IpAddr::from([10, 9, 0, number])
}

async fn scenario(alpn: Alpn) {
    let mut dice = Dice::of("a_source_may_leave_the_machine");
    for number in 0..ADDRS {
        ip(&format!("address add {}/32 dev lo", addr(number)));
    }
    let all: BTreeSet<IpAddr> = (0..ADDRS).map(addr).collect();
    let fleet = Fleet::builder().alpn(alpn).start().await.expect("a fleet");
    // A body cut half-way is an error that only the caller can mend: here a head is a whole answer.
    fleet
        .origin(0)
        .script(|script| script.body = Body::Exactly(Bytes::new()));
    let ledger = fleet.ledger();
    let sources = Interfaces::new(Filter::default()).watch();
    let witness = Witness::new();
    let mut config = Config::default();
    config.limits.per_host = 8;
    let pool = pool_of(&fleet, config)
        .local_addrs(Arc::new(sources.expect("netlink answers")))
        .observer(witness.clone())
        .build()
        .expect("a pool");

    let load = Load::start(&pool, &fleet.url("/"), 16, 0);
    ledger.wait_until(|at| at.served() >= 100).await;
    let times = rounds(4, 20);
    for _ in 0..times {
        // h2 uses one of them, as long as its streams suffice.
        let used: Vec<IpAddr> = open(&pool).into_iter().collect();
        let gone = used[dice.below(used.len() as u64) as usize];
        ip(&format!("address del {gone}/32 dev lo"));
        while open(&pool).contains(&gone) {
            tokio::task::yield_now().await;
        }
        let later = ledger.since(&ledger.mark());
        later.wait_until(|later| later.served() >= 200).await;
        let opened: BTreeSet<IpAddr> = later.conns().iter().map(|conn| conn.peer.ip()).collect();
        assert!(!opened.contains(&gone), "{gone} is gone, {opened:?}");
        ip(&format!("address add {gone}/32 dev lo"));
    }
    let tally = load.stop().await;

    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    assert!(ledger.sources().is_subset(&all), "{:?}", ledger.sources());
    let closed = pool.snapshot().connections.totals.closed;
    assert!(closed["source_gone"] >= times, "{closed:?}");
    assert_eq!(closed.len(), 1, "nothing else closed one: {closed:?}");
    close_and_balance(&pool, &witness).await;
}

/// The addresses that connections are open from.
fn open(pool: &Pool) -> BTreeSet<IpAddr> {
    let each = pool.snapshot().sources.each;
    let open = each.iter().filter(|at| at.counts.open > 0);
    open.filter_map(|at| at.addr).collect()
}
