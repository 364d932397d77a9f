//! Which connection is which: one that takes another's place is another, and the old name means nobody.

use super::super::host::Host;
use super::*;

fn per_host(per_host: usize) -> Limits {
    Limits {
        per_host,
        ..Limits::default()
    }
}

fn new(census: &Census, to: u8) -> NewConn<Held> {
    NewConn::exclusive(target(to), census.born())
}

#[test]
fn a_replacement_is_another_and_the_old_name_means_nobody() {
    let (manager, census) = (Manager::new(&per_host(1)), Census::default());
    let id = add(&manager, "a", &census);
    let old = manager.by_id(id).expect("it is there");
    let added = manager
        .add(&key("a"), new(&census, 1))
        .expect("it replaces");
    let Added::Replaced { id: new, old: gone } = added else {
        panic!("{added:?}");
    };
    assert_eq!(
        (gone, census.alive()),
        (id, 1),
        "what was replaced is dropped"
    );
    assert_ne!(new, id);
    assert_eq!(old.status().phase, ConnPhase::Closed);
    assert!(old.try_acquire().is_none() && !old.remove());
    assert_eq!(kind(&mut spawn(old.acquire())), ErrorKind::ConnGone);
    assert!(manager.by_id(id).is_none() && !manager.remove(id));
    let lease = manager
        .try_acquire(&key("a"))
        .expect("the new one is there");
    assert_eq!(lease.id(), new);
}

#[test]
fn what_is_in_use_is_not_replaced_and_the_newcomer_is_given_back() {
    let (manager, census) = (Manager::new(&per_host(1)), Census::default());
    let id = add(&manager, "a", &census);
    let held = manager.try_acquire(&key("a")).expect("it is idle");
    let rejected = manager
        .add(&key("a"), new(&census, 1))
        .expect_err("it is in use");
    assert_eq!(rejected.reason, RejectReason::PerHost(1));
    assert_eq!(rejected.conn.target(), target(1));
    drop(rejected);
    assert_eq!((census.alive(), manager.permits_in_use()), (1, (1, 0)));
    drop(held);
    assert!(
        manager
            .by_id(id)
            .is_some_and(|conn| conn.status().is_idle())
    );
}

#[test]
fn an_idle_connection_to_another_address_is_not_replaced() {
    let (manager, census) = (Manager::new(&per_host(1)), Census::default());
    let id = add(&manager, "a", &census);
    let rejected = manager
        .add(&key("a"), new(&census, 2))
        .expect_err("elsewhere");
    assert_eq!(rejected.reason, RejectReason::PerHost(1));
    drop(rejected);
    assert!(manager.by_id(id).is_some());
    assert_eq!(census.alive(), 1);
}

#[test]
fn under_the_total_limit_a_connection_of_the_same_host_and_address_gives_way() {
    let limits = Limits {
        total: 1,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    let id = add(&manager, "a", &census);
    let other = manager
        .add(&key("b"), new(&census, 1))
        .expect_err("another host's");
    assert_eq!(other.reason, RejectReason::Total(1));
    drop(other);
    let added = manager
        .add(&key("a"), new(&census, 1))
        .expect("it replaces");
    assert!(matches!(added, Added::Replaced { old, .. } if old == id));
    assert_eq!((census.alive(), manager.permits_in_use()), (1, (1, 0)));
}

#[test]
fn of_many_added_at_once_those_above_the_limit_come_back_in_order() {
    let (manager, census) = (Manager::new(&per_host(3)), Census::default());
    let conns: Vec<_> = (1..=5).map(|to| new(&census, to)).collect();
    let (ids, rejected) = manager.add_many(&key("a"), conns);
    assert_eq!(ids.len(), 3);
    let targets: Vec<_> = rejected.iter().map(|back| back.conn.target()).collect();
    assert_eq!(targets, [target(4), target(5)]);
    assert_eq!(census.alive(), 5);
    drop(rejected);
    assert_eq!((census.alive(), manager.permits_in_use()), (3, (3, 0)));
    manager.close();
    assert_eq!((census.alive(), manager.permits_in_use()), (0, (0, 0)));
}

#[test]
fn a_lease_on_what_was_removed_ends_and_takes_it_along_once() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let id = add(&manager, "a", &census);
    let held = manager.try_acquire(&key("a")).expect("it is idle");
    let handle = manager.by_id(id).expect("it is there");
    assert!(handle.remove() && !handle.remove());
    assert_eq!(handle.status().phase, ConnPhase::Draining);
    assert_eq!(census.alive(), 1, "in use");
    drop(held);
    assert_eq!(census.alive(), 0);
    assert_eq!(handle.status().phase, ConnPhase::Closed);
    assert_eq!(manager.snapshot().totals.closed["removed"], 1);
}

#[test]
fn a_closed_manager_says_so_where_a_limit_is_reached_too() {
    let limits = Limits {
        total: 1,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    add(&manager, "a", &census);
    let held = manager.try_acquire(&key("a")).expect("it is idle");
    manager.close();
    let rejected = manager.add(&key("a"), new(&census, 1)).expect_err("closed");
    assert_eq!(rejected.reason, RejectReason::Closed);
    drop(held);
}

#[test]
fn a_verdict_of_an_earlier_life_changes_nothing() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let id = add(&manager, "a", &census);
    let host = manager.host(&key("a"));
    let old = host.by_id(id).expect("it is there");
    assert!(old.remove());
    let other = add(&manager, "a", &census);
    assert_eq!(
        old.conn.slot,
        host.by_id(other).expect("it is there").conn.slot
    );
    let drained = Host::event(&host.0, |state, at, out| {
        state.drain(old.conn, CloseReason::Unhealthy, at, out)
    });
    assert!(!drained && host.claim_for_check(old.conn).is_none(), "I15");
    assert!(host.by_id(other).expect("it is there").status().is_idle());
}
