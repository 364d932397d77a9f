//! Claiming, queueing, handing off, and lives that are over.

use super::*;

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let queue: Vec<_> = (0..3).map(|_| rig.join()).collect();
    for waiter in queue {
        rig.release(conn);
        assert_eq!(rig.grants(), [(waiter, conn)]);
        rig.leave(waiter);
    }
    rig.release(conn);
    assert!(rig.out.is_empty());
    assert_eq!(rig.state.counters.handed_off, 3);
}

#[test]
fn a_release_is_granted_to_exactly_one_of_eight_waiters() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let queue: Vec<_> = (0..8).map(|_| rig.join()).collect();
    rig.release(conn);
    assert_eq!(rig.grants(), [(queue[0], conn)]);
    assert!(rig.out.is_empty());
}

#[test]
fn nobody_claims_past_the_queue() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = rig.join();
    rig.release(conn);
    assert_eq!(rig.try_claim(), None);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn whoever_was_at_the_head_already_joins_before_the_others() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    rig.join();
    let first = rig
        .step(|state, now, out| state.join(Place::Front, None, now, out))
        .unwrap();
    rig.release(conn);
    assert_eq!(rig.grants(), [(first, conn)]);
}

#[test]
fn a_waiter_that_left_is_passed_over() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let (gone, next) = (rig.join(), rig.join());
    assert!(rig.leave(gone));
    rig.release(conn);
    assert_eq!(rig.grants(), [(next, conn)]);
    assert_eq!(rig.state.counters.cancelled, 1);
}

#[test]
fn a_grant_to_a_waiter_that_left_goes_to_the_next() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let (gone, next) = (rig.join(), rig.join());
    rig.release(conn);
    assert_eq!(rig.grants(), [(gone, conn)]);
    // It was granted already: the caller owns the lease and gives it back.
    assert!(!rig.leave(gone));
    rig.release(conn);
    assert_eq!(rig.grants(), [(next, conn)]);
}

#[test]
fn a_waiter_past_its_deadline_is_refused_and_the_next_one_served() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let deadline = Some(rig.now + ms(10));
    let late = rig
        .step(|state, now, out| state.join(Place::Back(Priority::Normal), deadline, now, out))
        .unwrap();
    let next = rig.join();
    rig.pass(ms(10));
    rig.release(conn);
    assert_eq!(rig.fails(), [(late, Refusal::Late)]);
    assert_eq!(rig.grants(), [(next, conn)]);
}

#[test]
fn a_full_queue_turns_away() {
    let mut rig = Rig::manual(HostLimits {
        waiters: 1,
        ..LIMITS
    });
    rig.join();
    let turned =
        rig.step(|state, now, out| state.join(Place::Back(Priority::Normal), None, now, out));
    assert_eq!(turned, Err(Turned::Full));
    assert_eq!(rig.state.counters.turned_away, 1);
}

#[test]
fn h1_hands_out_the_connection_used_last() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h1(), rig.h1(), rig.h1()];
    for _ in 0..3 {
        rig.claim();
    }
    for conn in [conns[2], conns[0], conns[1]] {
        rig.pass(ms(1));
        rig.release(conn);
    }
    assert_eq!(rig.claim(), conns[1]);
    assert_eq!(rig.claim(), conns[0]);
    assert_eq!(rig.claim(), conns[2]);
}

#[test]
fn h2_hands_out_the_fewest_streams_then_the_longest_waiting() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h2(10), rig.h2(10), rig.h2(10)];
    for _ in 0..2 {
        for conn in conns {
            assert_eq!(rig.claim(), conn, "every connection carries traffic");
        }
    }
    rig.release(conns[2]);
    assert_eq!(rig.claim(), conns[2]);
}

#[test]
fn claims_rotate_over_the_addresses() {
    let mut rig = Rig::manual(LIMITS);
    let first = rig.try_add(addr(1), 10, true).unwrap();
    let second = rig.try_add(addr(2), 10, true).unwrap();
    let claimed: Vec<_> = (0..4).map(|_| rig.claim()).collect();
    assert_eq!(claimed, [first, second, first, second]);
}

#[test]
fn claims_rotate_over_the_addresses_however_many_connections_each_has() {
    let mut rig = Rig::manual(LIMITS);
    let first = [(); 2].map(|()| rig.try_add(addr(1), 1, false).unwrap());
    let second = [(); 2].map(|()| rig.try_add(addr(2), 1, false).unwrap());
    let claimed: Vec<_> = (0..4).map(|_| rig.claim()).collect();
    assert_eq!(claimed, [first[1], second[1], first[0], second[0]]);
}

#[test]
fn a_release_of_an_earlier_life_changes_nothing() {
    let mut rig = Rig::manual(LIMITS);
    let old = rig.h1();
    rig.claim();
    rig.closed(old);
    let new = rig.h1();
    assert_eq!(
        (new.slot, rig.claim()),
        (old.slot, new),
        "the slot is used again"
    );
    rig.release(old);
    assert_eq!(rig.state.conns[new.slot].in_flight, 1);
    assert_eq!(rig.try_claim(), None);
    assert_eq!(rig.state.counters.released, 1, "its end is counted");
}

#[test]
fn events_of_an_earlier_life_change_nothing() {
    let mut rig = Rig::manual(LIMITS);
    let old = rig.h2(5);
    rig.closed(old);
    let new = rig.h2(5);
    assert_eq!(new.slot, old.slot);
    rig.set_peer_limit(old, 0);
    assert!(!rig.drain(old));
    assert_eq!(rig.claim_for_check(old), None);
    let evicted = rig.step(|state, now, out| state.evict_idle(old, CloseReason::Idle, now, out));
    assert!(!evicted);
    rig.closed(old);
    assert!(rig.out.is_empty());
    assert_eq!(rig.claim(), new);
}

#[test]
fn a_dirty_h1_connection_closes_and_is_not_handed_out() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = rig.join();
    rig.end(conn, Returned::Discard(CloseReason::Unfinished));
    assert_eq!(rig.closes(), [(conn, CloseReason::Unfinished)]);
    assert!(rig.out.is_empty(), "{waiter:?} goes on waiting");
    rig.closed(conn);
    assert_eq!(rig.state.counters.closed[&CloseReason::Unfinished], 1);
}

#[test]
fn a_discarded_h2_connection_takes_no_new_stream_and_closes_with_the_last() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(10);
    rig.claim();
    rig.claim();
    rig.end(conn, Returned::Discard(CloseReason::Error));
    assert_eq!(rig.try_claim(), None);
    assert!(rig.out.is_empty());
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::Error)]);
}

#[test]
fn a_drained_connection_finishes_what_is_in_flight() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(10);
    rig.claim();
    assert!(rig.drain(conn));
    assert!(!rig.drain(conn), "it drains already");
    assert_eq!(rig.try_claim(), None);
    assert!(rig.out.is_empty());
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::GoAway)]);
}

#[test]
fn an_idle_connection_that_drains_closes_at_once_and_once() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    assert!(rig.drain(conn));
    rig.close();
    assert_eq!(rig.closes(), [(conn, CloseReason::GoAway)]);
}

#[test]
fn a_failed_exchange_keeps_the_connection_and_counts() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    rig.end(conn, Returned::Failed);
    assert_eq!(rig.state.conns[conn.slot].consecutive_errors, 1);
    assert_eq!(rig.claim(), conn);
    rig.release(conn);
    let stats = rig.state.conns[conn.slot].stats();
    assert_eq!(
        (stats.errors, stats.consecutive_errors, stats.uses),
        (1, 0, 2)
    );
}

#[test]
fn closing_refuses_waiters_closes_idle_and_drains_busy_connections() {
    let mut rig = Rig::manual(LIMITS);
    let (busy, shared) = (rig.h1(), rig.h2(1));
    rig.claim();
    rig.claim();
    let waiters = [rig.join(), rig.join()];
    rig.close();
    assert_eq!(rig.fails(), waiters.map(|waiter| (waiter, Refusal::Closed)));
    assert!(rig.out.is_empty());
    for conn in [busy, shared] {
        rig.release(conn);
        assert_eq!(rig.closes(), [(conn, CloseReason::PoolClosed)]);
    }
    let turned =
        rig.step(|state, now, out| state.join(Place::Back(Priority::Normal), None, now, out));
    assert_eq!(turned, Err(Turned::Closed));
    assert_eq!(rig.try_add(addr(1), 1, false), None);
}

#[test]
fn only_an_empty_host_is_forgotten_and_nothing_enters_it_again() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    assert!(!rig.state.retire_host());
    rig.drain(conn);
    assert!(!rig.state.retire_host(), "its socket is still there");
    rig.closed(conn);
    assert!(rig.state.retire_host());
    let turned =
        rig.step(|state, now, out| state.join(Place::Back(Priority::Normal), None, now, out));
    assert_eq!(turned, Err(Turned::Retired));
    assert_eq!(rig.try_add(addr(1), 1, false), None);
    assert_eq!(rig.try_claim(), None);
    assert!(!rig.state.retire_host(), "it is forgotten once");
}

#[test]
fn a_host_is_not_forgotten_while_a_lease_or_an_outcome_is_out() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    rig.closed(conn);
    assert!(
        !rig.state.retire_host(),
        "its lease has not been counted back"
    );
    rig.release(conn);
    let waiter = rig.join();
    assert!(!rig.state.retire_host());
    rig.leave(waiter);
    assert!(rig.state.retire_host());
}
