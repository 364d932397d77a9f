//! Checks: a connection that is being looked at belongs to nobody else.

use super::*;

#[test]
fn a_connection_under_a_check_is_not_handed_out() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(10);
    assert!(rig.claim_for_check(conn).is_some());
    assert_eq!(rig.claim_for_check(conn), None, "one check at a time");
    assert_eq!(rig.try_claim(), None);
    rig.release(conn);
    assert_eq!(rig.claim(), conn);
}

#[test]
fn a_check_starts_only_on_a_connection_without_a_lease() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(10);
    rig.claim();
    assert_eq!(rig.claim_for_check(conn), None);
}

#[test]
fn a_check_does_not_make_a_connection_young() {
    let mut rig = Rig::manual(LIMITS);
    let (old, young) = (rig.h1(), {
        rig.pass(ms(50));
        rig.h1()
    });
    let since = rig.state.conns[old.slot].last_used;
    rig.pass(ms(50));
    rig.claim_for_check(old).unwrap();
    rig.release(old);
    assert_eq!(rig.state.conns[old.slot].last_used, since);
    assert_eq!(rig.state.conns[old.slot].uses, 0);
    assert_eq!(rig.idle(), [old, young]);
}

#[test]
fn a_good_check_serves_the_head_waiter() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim_for_check(conn).unwrap();
    let waiter = rig.join();
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn a_bad_check_closes_the_connection() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim_for_check(conn).unwrap();
    rig.end(conn, Returned::Discard(CloseReason::Unhealthy));
    assert_eq!(rig.closes(), [(conn, CloseReason::Unhealthy)]);
    assert!(rig.idle().is_empty());
}

#[test]
fn a_connection_drained_under_a_check_closes_when_the_check_ends() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim_for_check(conn).unwrap();
    assert!(rig.drain(conn));
    assert!(rig.out.is_empty());
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::GoAway)]);
}

#[test]
fn a_fresh_connection_under_its_first_check_is_expected_capacity() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let waiter = rig.join();
    let (dial, _) = rig.dials()[0];
    let conn = rig.dialled_checked(dial);
    assert!(
        rig.out.is_empty(),
        "no second dial while the first is looked at"
    );
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn a_bad_first_check_is_planned_again() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    let conn = rig.dialled_checked(dial);
    rig.end(conn, Returned::Discard(CloseReason::Unhealthy));
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn a_first_check_that_outlives_the_pool_closes_the_connection() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    rig.close();
    let conn = rig.dialled_checked(dial);
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::PoolClosed)]);
}
