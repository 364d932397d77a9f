//! Limits that bite, and limits that change.

use super::*;

#[test]
fn the_peer_may_lower_its_limit_below_what_is_in_flight_and_raise_it_again() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(5);
    for _ in 0..5 {
        rig.claim();
    }
    rig.set_peer_limit(conn, 2);
    let waiters: Vec<_> = (0..3).map(|_| rig.join()).collect();
    for _ in 0..3 {
        rig.release(conn);
        assert!(rig.grants().is_empty(), "no more than the peer allows");
    }
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiters[0], conn)]);
    rig.set_peer_limit(conn, 4);
    assert_eq!(rig.grants(), [(waiters[1], conn), (waiters[2], conn)]);
    assert_eq!(rig.state.conns[conn.slot].in_flight, 4);
}

#[test]
fn a_peer_that_allows_no_stream_is_waited_for() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h2(5);
    rig.set_peer_limit(conn, 0);
    assert_eq!(rig.try_claim(), None);
    let waiter = rig.join();
    rig.set_peer_limit(conn, 1);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn the_peer_cannot_raise_streams_above_our_own_bound() {
    let mut rig = Rig::manual(HostLimits {
        streams: 2,
        ..LIMITS
    });
    let conn = rig.h2(100);
    rig.set_peer_limit(conn, 1000);
    rig.claim();
    rig.claim();
    assert_eq!(rig.try_claim(), None);
}

#[test]
fn connections_that_are_closing_count_until_they_are_closed() {
    let mut rig = Rig::known(HostLimits { conns: 1, ..LIMITS }, &[addr(1)], 1);
    let conn = rig.h1();
    rig.drain(conn);
    rig.join();
    assert_eq!(rig.dials(), []);
    assert_eq!(rig.try_add(addr(1), 1, false), None);
    rig.closed(conn);
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn connections_and_dials_to_one_address_are_bounded() {
    let limits = HostLimits {
        per_endpoint: 1,
        ..LIMITS
    };
    let mut rig = Rig::known(limits, &[addr(1), addr(2)], 1);
    for _ in 0..4 {
        rig.join();
    }
    let dials = rig.dials();
    assert_eq!(dials.len(), 2);
    assert_ne!(dials[0].1, dials[1].1);
    let conn = rig.dialled_h1(dials[0].0);
    assert_eq!(rig.try_add(dials[0].1, 1, false), None);
    rig.closed(conn);
    assert_eq!(rig.dials()[0].1, dials[0].1);
}

#[test]
fn dials_at_a_time_are_bounded() {
    let mut rig = Rig::known(HostLimits { dials: 2, ..LIMITS }, &[addr(1)], 1);
    for _ in 0..4 {
        rig.join();
    }
    assert_eq!(rig.state.dials_len(), 2, "those asked for count");
    let dials = rig.dials();
    assert_eq!(dials.len(), 2);
    rig.dialled_h1(dials[0].0);
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn a_surplus_of_idle_connections_closes_the_longest_idle() {
    let mut rig = Rig::manual(HostLimits { idle: 2, ..LIMITS });
    let first = rig.h1();
    for _ in 0..2 {
        rig.pass(ms(1));
        rig.h1();
    }
    assert_eq!(rig.closes(), [(first, CloseReason::Surplus)]);
    assert_eq!(rig.idle().len(), 2);
}

#[test]
fn a_host_that_keeps_nothing_idle_closes_what_comes_back() {
    let mut rig = Rig::known(HostLimits { idle: 0, ..LIMITS }, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    let conn = rig.dialled_h1(dial);
    assert_eq!(rig.grants().len(), 1);
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::Surplus)]);
}

#[test]
fn raising_the_limits_serves_those_who_wait() {
    let mut rig = Rig::known(HostLimits { conns: 1, ..LIMITS }, &[addr(1)], 1);
    rig.h1();
    rig.claim();
    rig.join();
    assert_eq!(rig.dials(), []);
    rig.set_limits(LIMITS);
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn raising_the_streams_serves_those_who_wait() {
    let mut rig = Rig::manual(HostLimits {
        streams: 1,
        ..LIMITS
    });
    let conn = rig.h2(100);
    rig.claim();
    let waiter = rig.join();
    rig.set_limits(LIMITS);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn lowering_the_limits_closes_idle_connections_longest_idle_first() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h1(), rig.h1(), rig.h1()];
    rig.set_limits(HostLimits { conns: 1, ..LIMITS });
    let surplus = [conns[0], conns[1]].map(|conn| (conn, CloseReason::Surplus));
    assert_eq!(rig.closes(), surplus);
}

#[test]
fn lowering_the_limits_closes_an_idle_h2_connection_and_not_a_busy_one() {
    let mut rig = Rig::manual(LIMITS);
    let busy = rig.h2(3);
    assert_eq!(rig.claim(), busy);
    let idle = rig.h2(3);
    rig.set_limits(HostLimits { conns: 1, ..LIMITS });
    assert_eq!(rig.closes(), [(idle, CloseReason::Surplus)]);
    assert_eq!(rig.claim(), busy, "it takes more streams");
}

#[test]
fn an_idle_connection_too_many_closes_when_its_check_ends() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim_for_check(conn).expect("it is idle");
    rig.set_limits(HostLimits { idle: 0, ..LIMITS });
    assert_eq!(rig.closes(), []);
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::Surplus)]);
}

#[test]
fn connections_that_close_already_are_not_closed_for_twice() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h1(), rig.h1(), rig.h1(), rig.h1()];
    rig.drain(conns[0]);
    rig.drain(conns[1]);
    rig.closes();
    rig.set_limits(HostLimits { conns: 2, ..LIMITS });
    assert_eq!(rig.closes(), []);
    assert_eq!(rig.idle(), conns[2..]);
}

#[test]
fn busy_connections_above_lowered_limits_close_when_they_come_back() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conns = [rig.h1(), rig.h1(), rig.h1()];
    for _ in conns {
        rig.claim();
    }
    rig.set_limits(HostLimits { conns: 1, ..LIMITS });
    let waiter = rig.join();
    rig.release(conns[0]);
    rig.release(conns[1]);
    let surplus = [conns[0], conns[1]].map(|conn| (conn, CloseReason::Surplus));
    assert_eq!(rig.closes(), surplus);
    rig.release(conns[2]);
    assert_eq!(rig.grants(), [(waiter, conns[2])]);
}

#[test]
fn dials_that_still_wait_for_permits_bow_to_lowered_limits() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    for _ in 0..4 {
        rig.join();
    }
    rig.set_limits(HostLimits { conns: 1, ..LIMITS });
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn dials_that_run_when_limits_are_lowered_bring_no_more_than_those() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    for _ in 0..3 {
        rig.join();
    }
    let dials = rig.dials();
    rig.set_limits(HostLimits { conns: 1, ..LIMITS });
    for (dial, _) in dials {
        rig.dialled_h1(dial);
    }
    assert_eq!(rig.grants().len(), 1);
    assert_eq!(rig.closes().len(), 2);
}

#[test]
fn a_connection_under_a_check_survives_lowered_limits_until_the_check_ends() {
    let mut rig = Rig::manual(LIMITS);
    let conns = [rig.h1(), rig.h1()];
    rig.claim_for_check(conns[0]).unwrap();
    rig.set_limits(HostLimits { conns: 1, ..LIMITS });
    assert_eq!(rig.closes(), [(conns[1], CloseReason::Surplus)]);
    rig.release(conns[0]);
    assert_eq!(rig.idle(), [conns[0]]);
}

#[test]
fn a_lowered_limit_per_address_counts_the_dials_that_come_in_after_it() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    for _ in 0..3 {
        rig.join();
    }
    let dials = rig.dials();
    rig.set_limits(HostLimits {
        per_endpoint: 1,
        ..LIMITS
    });
    let conns: Vec<_> = dials
        .into_iter()
        .map(|(dial, _)| rig.dialled_h1(dial))
        .collect();
    assert_eq!(rig.grants().len(), 3, "what came is used once");
    for &conn in &conns {
        rig.release(conn);
    }
    let closed = rig.closes();
    assert_eq!(closed.len(), 2);
    assert!(
        closed
            .iter()
            .all(|(_, reason)| *reason == CloseReason::Surplus)
    );
    assert_eq!(rig.idle().len(), 1);
}
