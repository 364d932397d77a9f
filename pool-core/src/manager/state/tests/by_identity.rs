//! One connection and no other: claimed, waited for, checked in place, replaced, evicted.

use super::*;

fn try_pin(rig: &mut Rig, conn: ConnRef) -> Result<WaiterRef, Turned> {
    let place = Place::On(conn.id);
    rig.step(|state, now, out| state.join(place, None, now, out))
}

fn pin(rig: &mut Rig, conn: ConnRef) -> WaiterRef {
    try_pin(rig, conn).expect("the connection is there")
}

fn claim_on(rig: &mut Rig, conn: ConnRef) -> Option<ConnRef> {
    rig.step(|state, now, _| state.claim_on(conn, now))
        .map(|claim| claim.conn)
}

fn check_instead(rig: &mut Rig, conn: ConnRef) -> bool {
    rig.step(|state, _, _| state.check_instead(conn))
}

fn give_way(rig: &mut Rig, at: SocketAddr) -> Option<ConnRef> {
    rig.step(|state, now, out| state.give_way(at, now, out))
}

fn evict_idle_for(rig: &mut Rig, max_idle: Duration, most: usize) -> usize {
    rig.step(|state, now, out| state.evict_idle_for(max_idle, most, now, out))
}

#[test]
fn a_connection_with_room_is_claimed_by_name_whoever_would_be_next() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h1(), rig.h1(), rig.h1()];
    for conn in [conns[1], conns[0], conns[2]] {
        assert_eq!(claim_on(&mut rig, conn), Some(conn));
        assert_eq!(claim_on(&mut rig, conn), None, "it is in use");
    }
}

#[test]
fn what_is_not_handed_out_is_not_claimed_by_name() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let (draining, ejected) = (rig.h2(10), rig.h2(10));
    claim_on(&mut rig, draining).unwrap();
    rig.drain(draining);
    assert_eq!(claim_on(&mut rig, draining), None);
    rig.eject_for(addr(1), ms(10));
    assert_eq!(claim_on(&mut rig, ejected), None);
    rig.pass(ms(10));
    rig.tick();
    assert_eq!(claim_on(&mut rig, ejected), Some(ejected));
    rig.release(ejected);
    rig.close();
    assert_eq!(claim_on(&mut rig, ejected), None);
}

#[test]
fn a_name_of_an_earlier_life_claims_nothing() {
    let mut rig = Rig::manual(LIMITS);
    let old = rig.h1();
    rig.closed(old);
    let new = rig.h1();
    assert_eq!(new.slot, old.slot);
    assert_eq!(claim_on(&mut rig, old), None);
    assert_eq!(try_pin(&mut rig, old), Err(Turned::Gone));
    assert_eq!(claim_on(&mut rig, new), Some(new));
}

#[test]
fn whoever_waits_for_one_connection_gets_no_other_and_has_none_dialled() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let (wanted, other) = (rig.h1(), rig.h1());
    claim_on(&mut rig, wanted).unwrap();
    claim_on(&mut rig, other).unwrap();
    let waiter = pin(&mut rig, wanted);
    rig.release(other);
    assert!(rig.out.is_empty(), "{:?}", rig.out);
    rig.release(wanted);
    assert_eq!(rig.grants(), [(waiter, wanted)]);
}

#[test]
fn whoever_waits_for_it_is_told_when_it_drains() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = pin(&mut rig, conn);
    rig.drain(conn);
    assert_eq!(rig.fails(), [(waiter, Refusal::Gone)]);
    assert_eq!(
        try_pin(&mut rig, conn),
        Err(Turned::Gone),
        "nor does another join"
    );
}

#[test]
fn whoever_waits_for_it_is_told_when_it_closes() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiters = [pin(&mut rig, conn), pin(&mut rig, conn)];
    rig.closed(conn);
    assert_eq!(rig.fails(), waiters.map(|waiter| (waiter, Refusal::Gone)));
}

#[test]
fn whoever_waits_for_it_is_told_when_its_lease_discards_it() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = pin(&mut rig, conn);
    rig.end(conn, Returned::Discard(CloseReason::Unfinished));
    assert_eq!(rig.fails(), [(waiter, Refusal::Gone)]);
}

#[test]
fn whoever_waits_for_it_is_told_when_it_is_reclaimed_for_another_host() {
    let mut rig = Rig::manual(HostLimits {
        fair_turn: 1,
        ..LIMITS
    });
    let conn = rig.h1();
    rig.claim();
    let (served, told) = (pin(&mut rig, conn), pin(&mut rig, conn));
    rig.starving = true;
    rig.release(conn);
    assert_eq!(rig.grants(), [(served, conn)], "the host's fair turn");
    rig.leave(served);
    rig.release(conn);
    assert_eq!(rig.fails(), [(told, Refusal::Gone)]);
    assert_eq!(rig.closes(), [(conn, CloseReason::Reclaimed)]);
}

#[test]
fn whoever_waits_for_it_waits_on_while_its_address_is_out_of_rotation() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = pin(&mut rig, conn);
    rig.eject_for(addr(1), ms(10));
    rig.release(conn);
    assert!(rig.fails().is_empty() && rig.grants().is_empty());
    rig.pass(ms(10));
    rig.tick();
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn closing_the_host_refuses_those_who_wait_for_one_connection() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = pin(&mut rig, conn);
    rig.close();
    assert_eq!(rig.fails(), [(waiter, Refusal::Closed)], "told once");
}

#[test]
fn only_the_sole_lease_becomes_a_check() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(10);
    rig.claim();
    rig.claim();
    assert!(!check_instead(&mut rig, conn), "the other lease says more");
    rig.release(conn);
    assert!(check_instead(&mut rig, conn));
    assert!(!check_instead(&mut rig, conn), "it is one already");
    rig.release(conn);
    assert!(!check_instead(&mut rig, conn), "nobody has a lease");
    rig.claim();
    rig.drain(conn);
    assert!(!check_instead(&mut rig, conn), "it is on its way out");
}

#[test]
fn under_a_check_it_is_not_handed_out_and_not_dialled_for() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    assert!(check_instead(&mut rig, conn));
    assert_eq!(rig.try_claim(), None);
    let other = rig.join();
    let asker = rig
        .step(|state, now, out| state.join(Place::Front, None, now, out))
        .unwrap();
    assert_eq!(rig.dials().len(), 1, "for the one behind it alone");
    rig.release(conn);
    assert_eq!(rig.grants(), [(asker, conn)], "{other:?} was behind it");
    let stats = rig.state.conns[conn.slot].stats();
    assert_eq!(stats.uses, 1, "the check was none");
}

#[test]
fn a_verdict_that_comes_after_the_end_changes_nothing() {
    for verdict in [Returned::Clean, Returned::Discard(CloseReason::Unhealthy)] {
        let mut rig = Rig::manual(LIMITS);
        let old = rig.h1();
        rig.claim();
        assert!(check_instead(&mut rig, old));
        rig.closed(old);
        let new = rig.h1();
        assert_eq!(new.slot, old.slot);
        rig.end(old, verdict);
        assert!(rig.out.is_empty(), "{:?}", rig.out);
        assert_eq!(rig.claim(), new);
        assert!(!check_instead(&mut rig, old));
    }
}

#[test]
fn the_connection_idle_longest_gives_way_to_one_to_the_same_address() {
    let mut rig = Rig::manual(LIMITS);
    let elsewhere = rig.try_add(addr(2), 1, false).unwrap();
    let conns = [rig.h1(), rig.h1()];
    for conn in [elsewhere, conns[1], conns[0]] {
        claim_on(&mut rig, conn).unwrap();
        rig.pass(ms(1));
        rig.release(conn);
    }
    assert_eq!(give_way(&mut rig, addr(1)), Some(conns[1]));
    assert_eq!(rig.closes(), [(conns[1], CloseReason::Replaced)]);
    claim_on(&mut rig, conns[0]).unwrap();
    assert_eq!(give_way(&mut rig, addr(1)), None, "it is in use");
    assert_eq!(give_way(&mut rig, addr(3)), None, "nobody is there");
    assert!(rig.closes().is_empty());
}

#[test]
fn idle_connections_are_evicted_longest_first_and_so_many() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h1(), rig.h1(), rig.h1(), rig.h1()];
    for conn in conns {
        claim_on(&mut rig, conn).unwrap();
    }
    for conn in &conns[..3] {
        rig.release(*conn);
        rig.pass(ms(10));
    }
    // Idle for 30, 20 and 10 ms; the fourth is in use.
    assert_eq!(evict_idle_for(&mut rig, ms(30), 9), 0, "not longer");
    assert_eq!(evict_idle_for(&mut rig, ms(9), 1), 1);
    assert_eq!(rig.closes(), [(conns[0], CloseReason::Idle)]);
    assert_eq!(evict_idle_for(&mut rig, ms(10), 9), 1);
    assert_eq!(rig.closes(), [(conns[1], CloseReason::Idle)]);
    assert_eq!(evict_idle_for(&mut rig, Duration::ZERO, 9), 1);
    assert_eq!(rig.closes(), [(conns[2], CloseReason::Idle)]);
    assert_eq!(evict_idle_for(&mut rig, Duration::ZERO, 9), 0);
}

#[test]
fn one_under_a_check_is_not_evicted_as_idle() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim_for_check(conn).unwrap();
    rig.pass(ms(10));
    assert_eq!(evict_idle_for(&mut rig, Duration::ZERO, 9), 0);
    assert_eq!(give_way(&mut rig, addr(1)), None);
    rig.release(conn);
    assert_eq!(
        evict_idle_for(&mut rig, Duration::ZERO, 9),
        1,
        "idle all the while"
    );
}
