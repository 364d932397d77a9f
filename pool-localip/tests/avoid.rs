//! Addresses that have failed a dial are not given to it again.

use std::net::IpAddr;
use std::time::Instant;

use pool_localip::{
    AddrSet, AllocContext, ExhaustedReason, LocalAddrAllocator, StickyBy, Strategy, Weighted,
    WhenBusy, WorkingSet,
};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(([127, 0, 1, 1], 80).into(), Instant::now()).with_host("a.test")
}

fn set(strategy: Strategy) -> AddrSet {
    let set: AddrSet = "127.0.2.1,127.0.2.2,127.0.2.3".parse().expect("a set");
    set.strategy(strategy)
}

/// What a dial is given that fails from every address: all of them once, then the final answer.
fn tried(allocator: &dyn LocalAddrAllocator) -> (Vec<IpAddr>, ExhaustedReason) {
    let mut avoid = Vec::new();
    loop {
        match allocator.allocate(&cx().with_avoid(&avoid)) {
            Ok(lease) => avoid.push(lease.addr().expect("an address")),
            Err(exhausted) => {
                assert!(!exhausted.is_temporary(), "{exhausted:?}");
                return (avoid, exhausted.reason);
            }
        }
    }
}

#[test]
fn every_address_is_tried_once_whatever_the_strategy() {
    let sticky = Strategy::Sticky {
        by: StickyBy::Host,
        seed: 1,
        when_busy: WhenBusy::Next,
    };
    let strategies = [
        Strategy::RoundRobin,
        Strategy::Random { seed: 7 },
        Strategy::LeastUsed,
        sticky,
    ];
    for strategy in strategies {
        let (mut addrs, reason) = tried(&set(strategy));
        addrs.sort_unstable();
        addrs.dedup();
        assert_eq!(addrs.len(), 3, "{strategy:?}");
        assert_eq!(reason, ExhaustedReason::Excluded, "{strategy:?}");
    }
    let weighted = Weighted::new()
        .with(3, "127.0.2.1".parse::<AddrSet>().unwrap())
        .with(1, "127.0.3.1".parse::<AddrSet>().unwrap());
    assert_eq!(tried(&weighted).0.len(), 2);
}

#[test]
fn who_waits_for_its_own_address_is_given_no_other() {
    let sticky = Strategy::Sticky {
        by: StickyBy::Host,
        seed: 1,
        when_busy: WhenBusy::Wait,
    };
    assert_eq!(tried(&set(sticky)).0.len(), 1);
}

#[test]
fn a_member_of_a_working_set_that_fails_one_dial_stays_a_member() {
    let working_set = WorkingSet::new(set(Strategy::RoundRobin), 2);
    assert_eq!(tried(&working_set).0.len(), 2);
    assert_eq!(working_set.handle().members().len(), 2);
    assert!(working_set.allocate(&cx()).is_ok());
}
