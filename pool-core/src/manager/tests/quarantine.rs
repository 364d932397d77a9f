//! A host whose peer has lost count: which of its connections go, and when.

use super::*;

/// A host with two idle connections that take one lease at a time, one in use, and one that takes many.
fn mixed(fake: &Fake, manager: &Manager) -> (Lease<Held>, Vec<ConnId>, ConnId) {
    let used = add(manager, "a", &fake.census);
    let lease = manager.try_acquire(&key("a")).expect("an idle connection");
    assert_eq!(lease.id(), used);
    let idle = (0..2).map(|_| add(manager, "a", &fake.census)).collect();
    let many = NewConn::multiplexed(target(1), fake.census.born(), 10);
    let many = manager.add(&key("a"), many).expect("the limits allow it");
    (lease, idle, many.id())
}

#[test]
fn a_lease_that_ends_so_closes_the_others_that_take_one_at_a_time() {
    let (manager, fake) = driven(Limits::default());
    let (mut offender, idle, many) = mixed(&fake, &manager);
    let used = manager.by_id(idle[0]).expect("it is there").try_acquire();
    let used = used.expect("it is idle");
    let handle = manager.host(&key("a"));
    assert!(!handle.is_quarantined());
    let first = offender.id();
    offender.discard(CloseReason::Unsolicited);
    drop(offender);
    assert!(handle.is_quarantined());
    let quarantined = CloseReason::Quarantined;
    let closes = [(first, CloseReason::Unsolicited), (idle[1], quarantined)];
    assert_eq!(fake.closes(), closes, "what is in use stays");
    drop(used);
    assert_eq!(fake.closes(), [(idle[0], quarantined)]);
    let left = handle.connections();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id(), many);
    assert_eq!(manager.snapshot().totals.quarantines, 1);
    assert_conserved(&manager);
}

/// One that was in use when it began and does the same is no news.
#[test]
fn two_that_were_open_together_count_once() {
    let (manager, fake) = driven(Limits::default());
    let (mut offender, idle, _) = mixed(&fake, &manager);
    let other = manager.by_id(idle[0]).expect("it is there").try_acquire();
    let mut other = other.expect("it is idle");
    for lease in [&mut offender, &mut other] {
        lease.discard(CloseReason::Unsolicited);
    }
    drop((offender, other));
    assert_eq!(manager.snapshot().totals.quarantines, 1);
}

#[test]
fn other_reasons_and_other_hosts_are_left_alone() {
    let (manager, fake) = driven(Limits::default());
    let elsewhere = add(&manager, "b", &fake.census);
    let (mut lease, idle, _) = mixed(&fake, &manager);
    lease.discard(CloseReason::Error);
    drop(lease);
    assert_eq!(fake.closes().len(), 1);
    let mut lease = manager.by_id(idle[0]).expect("it is there").try_acquire();
    let lease = lease.as_mut().expect("it is idle");
    lease.discard(CloseReason::Unsolicited);
    assert!(!manager.host(&key("b")).is_quarantined());
    assert!(manager.by_id(elsewhere).is_some());
}
