//! When a host dials, and what becomes of those who wait when a dial ends.

use super::*;

#[test]
fn the_addresses_are_looked_up_once() {
    let mut rig = Rig::new(HostState::new(LIMITS, true, 1));
    let waiters = [rig.join(), rig.join()];
    assert_eq!(rig.out.as_slice(), [Action::Resolve]);
    rig.out.clear();
    rig.step(|state, now, out| state.lookup_failed(now, out));
    assert_eq!(
        rig.fails(),
        waiters.map(|waiter| (waiter, Refusal::Resolve))
    );
    rig.join();
    assert_eq!(
        rig.out.as_slice(),
        [Action::Resolve],
        "the next asker tries again"
    );
}

#[test]
fn a_hundred_askers_of_a_cold_h2_origin_make_one_dial() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 100);
    let waiters: Vec<_> = (0..100).map(|_| rig.join()).collect();
    let dials = rig.dials();
    assert_eq!(dials.len(), 1);
    let conn = rig.dialled(dials[0].0, 100, true);
    let wanted: Vec<_> = waiters.into_iter().map(|waiter| (waiter, conn)).collect();
    assert_eq!(rig.grants(), wanted);
    assert!(rig.out.is_empty());
}

#[test]
fn a_dial_that_turns_out_h1_is_planned_again_up_to_the_limits() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 100);
    let waiters: Vec<_> = (0..10).map(|_| rig.join()).collect();
    let (dial, _) = rig.dials()[0];
    let conn = rig.dialled_h1(dial);
    assert_eq!(rig.grants(), [(waiters[0], conn)]);
    let dials = rig.dials();
    assert_eq!(dials.len(), 3, "one connection and three dials are four");
    for (at, (dial, _)) in dials.into_iter().enumerate() {
        rig.dialled_h1(dial);
        assert_eq!(rig.grants()[0].0, waiters[at + 1]);
    }
    assert_eq!(rig.dials(), []);
}

#[test]
fn fewer_streams_than_expected_are_planned_again() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 100);
    for _ in 0..30 {
        rig.join();
    }
    let (dial, _) = rig.dials()[0];
    let conn = rig.dialled(dial, 100, true);
    assert_eq!(rig.grants().len(), 30);
    for _ in 0..70 {
        rig.claim();
    }
    rig.set_peer_limit(conn, 10);
    for _ in 0..20 {
        rig.join();
    }
    assert_eq!(
        rig.dials().len(),
        2,
        "twenty waiters, ten streams for each dial"
    );
}

#[test]
fn a_connection_that_comes_back_serves_before_the_dial_does() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    let waiter = rig.join();
    let (dial, _) = rig.dials()[0];
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
    let spare = rig.dialled_h1(dial);
    assert_eq!(rig.idle(), [spare], "the dial is not wasted");
}

#[test]
fn a_connection_on_its_way_back_spares_a_dial() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    rig.step(|state, _, _| state.expect_back(conn));
    let first = rig.join();
    assert_eq!(rig.dials(), []);
    rig.join();
    assert_eq!(rig.dials().len(), 1, "it can serve only one");
    rig.release(conn);
    assert_eq!(rig.grants(), [(first, conn)]);
}

#[test]
fn a_connection_that_was_expected_back_and_closes_is_replaced() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    rig.step(|state, _, _| state.expect_back(conn));
    rig.join();
    rig.end(conn, Returned::Discard(CloseReason::PeerClosed));
    assert_eq!(rig.dials().len(), 1);
}

/// An idle connection to an address out of rotation, which was to bring streams once its peer has said how many.
#[test]
fn a_promising_connection_that_is_given_up_is_replaced() {
    type GiveUp = fn(&mut HostState, Instant, &mut Actions) -> bool;
    let ways: [GiveUp; 4] = [
        |state, now, out| state.give_up_useless(now, out),
        |state, now, out| state.shed_idle(now, out),
        |state, now, out| state.reclaim(ms(0), now, out),
        |state, now, out| state.give_way(addr(1), now, out).is_some(),
    ];
    for give_up in ways {
        let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
        rig.join();
        let (dial, _) = rig.dials()[0];
        rig.set_addresses(&[addr(1), addr(2)]);
        rig.judge(addr(1), Standing::Ejected(None));
        let id = rig.id();
        let untold = arrival(id, None, true, false);
        rig.step(|state, now, out| state.dialled(dial, untold, now, out));
        assert_eq!(rig.dials(), [], "it may bring more than enough");

        assert!(rig.step(give_up));
        let targets: Vec<_> = rig.dials().into_iter().map(|(_, at)| at).collect();
        assert_eq!(targets, [addr(2)]);
    }
}

#[test]
fn dials_spread_over_the_addresses() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    for _ in 0..4 {
        rig.join();
    }
    let mut targets: Vec<_> = rig.dials().into_iter().map(|(_, at)| at).collect();
    targets.sort();
    assert_eq!(targets, [addr(1), addr(1), addr(2), addr(2)]);
}

#[test]
fn a_failed_dial_tries_the_next_address_and_refuses_after_the_last() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let waiter = rig.join();
    let (dial, first) = rig.dials()[0];
    rig.fail(dial, DialFailure::Endpoint);
    let (dial, second) = rig.dials()[0];
    assert_ne!(first, second);
    assert!(rig.out.is_empty());
    rig.fail(dial, DialFailure::Endpoint);
    assert_eq!(rig.fails(), [(waiter, Refusal::Dial)]);
}

#[test]
fn everyone_a_round_of_failed_dials_was_to_serve_is_refused() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let waiters: Vec<_> = (0..4).map(|_| rig.join()).collect();
    for (dial, _) in rig.dials() {
        assert_eq!(rig.fails(), [], "there is hope while a dial runs");
        rig.fail(dial, DialFailure::Endpoint);
    }
    let refused: Vec<_> = rig.fails().into_iter().map(|(waiter, _)| waiter).collect();
    assert_eq!(refused, waiters);
}

#[test]
fn a_failed_dial_refuses_nobody_while_a_connection_can_serve() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    let waiter = rig.join();
    let (dial, _) = rig.dials()[0];
    rig.fail(dial, DialFailure::Endpoint);
    assert!(rig.fails().is_empty());
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn a_failed_dial_refuses_nobody_while_a_connection_is_checked() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim_for_check(conn).unwrap();
    let waiters = [rig.join(), rig.join()];
    let (dial, _) = rig.dials()[0];
    rig.fail(dial, DialFailure::Endpoint);
    assert!(rig.fails().is_empty());
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiters[0], conn)]);
}

#[test]
fn backing_off_asks_for_one_timer_and_a_tick_then_dials() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    rig.fail(dial, DialFailure::Endpoint);
    rig.fails();
    for _ in 0..50 {
        rig.join();
    }
    let timers = rig.timers();
    assert_eq!(timers.len(), 1);
    assert!(timers[0] > rig.now && timers[0] <= rig.now + ms(100));
    assert_eq!(rig.dials(), []);
    rig.now = timers[0];
    rig.tick();
    assert_eq!(rig.dials().len(), 4);
    assert!(rig.timers().is_empty());
}

#[test]
fn a_timer_that_was_lost_is_asked_for_again() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    for _ in 0..2 {
        let dials = rig.dials();
        for (dial, _) in dials {
            rig.fail(dial, DialFailure::Endpoint);
        }
        rig.join();
        assert_eq!(rig.timers().len(), 1);
        rig.pass(ms(500));
        rig.join();
    }
}

#[test]
fn dials_that_fail_together_double_the_wait_once() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    for _ in 0..4 {
        rig.join();
    }
    for (dial, _) in rig.dials() {
        rig.fail(dial, DialFailure::Endpoint);
    }
    let until = rig.state.endpoints().next().unwrap().backoff_until;
    assert!(until.unwrap() <= rig.now + ms(100));
}

#[test]
fn waits_double_up_to_their_bound() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let mut waits = Vec::new();
    for _ in 0..6 {
        rig.join();
        let (dial, _) = rig.dials()[0];
        rig.fail(dial, DialFailure::Endpoint);
        let next = rig.join();
        let at = rig.timers()[0];
        waits.push(at - rig.now);
        rig.leave(next);
        rig.now = at;
    }
    for (doublings, wait) in waits.into_iter().enumerate() {
        let full = ms(100 << doublings).min(ms(1000));
        assert!(
            wait <= full && wait >= full * 3 / 4,
            "{doublings}: {wait:?}"
        );
    }
}

#[test]
fn a_local_failure_refuses_those_it_was_to_serve_without_trying_elsewhere() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let waiter = rig.join();
    let (dial, _) = rig.dials()[0];
    rig.fail(dial, DialFailure::Local);
    assert_eq!(rig.fails(), [(waiter, Refusal::Dial)]);
    assert_eq!(rig.dials(), []);
}

#[test]
fn local_failures_do_not_spin_while_a_busy_connection_gives_hope() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    let waiter = rig.join();
    let (dial, _) = rig.dials()[0];
    rig.fail(dial, DialFailure::Local);
    assert_eq!(rig.dials(), [], "not again at once");
    let at = rig.timers()[0];
    rig.now = at;
    rig.tick();
    assert_eq!(rig.dials().len(), 1, "but later");
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn a_lost_runtime_refuses_everybody_and_plans_nothing() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let waiters: Vec<_> = (0..3).map(|_| rig.join()).collect();
    let dials = rig.dials();
    rig.fail(dials[0].0, DialFailure::RuntimeGone);
    let refused: Vec<_> = rig.fails().into_iter().map(|(waiter, _)| waiter).collect();
    assert_eq!(refused, waiters);
    assert!(rig.out.is_empty());
    for (dial, _) in &dials[1..] {
        rig.fail(*dial, DialFailure::RuntimeGone);
    }
    rig.join();
    assert_eq!(rig.dials().len(), 1, "the next asker may live in a runtime");
}

#[test]
fn permits_that_nobody_needs_any_more_end_every_dial_that_waits_for_them() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let waiters: Vec<_> = (0..3).map(|_| rig.join()).collect();
    rig.granted();
    for waiter in &waiters[1..] {
        rig.leave(*waiter);
    }
    assert_eq!(rig.state.asked(), 2);
    assert!(!rig.granted());
    assert_eq!(rig.state.asked(), 0);
    rig.out.clear();
    rig.join();
    assert_eq!(rig.reservations(), 1, "a later waiter asks anew");
}

#[test]
fn no_dial_waits_for_permits_when_nobody_waits_for_it() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let waiter = rig.join();
    assert_eq!(rig.state.asked(), 1);
    rig.leave(waiter);
    assert_eq!(rig.state.asked(), 0);
    rig.join();
    rig.h1();
    assert_eq!((rig.grants().len(), rig.state.asked()), (1, 0));
}

#[test]
fn a_dial_that_waited_for_permits_goes_to_an_address_that_is_still_good() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    rig.join();
    rig.join();
    rig.set_addresses(&[addr(2)]);
    let mut targets: Vec<_> = rig.dials().into_iter().map(|(_, at)| at).collect();
    targets.dedup();
    assert_eq!(targets, [addr(2)]);
    assert_eq!(
        rig.state.endpoints().count(),
        1,
        "the other one is forgotten"
    );
}

#[test]
fn a_dial_that_waited_for_permits_and_has_no_address_left_gives_them_back() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let waiter = rig.join();
    rig.judge(addr(1), Standing::Ejected(None));
    assert_eq!(rig.reservations(), 1);
    assert!(!rig.granted());
    assert_eq!(rig.fails(), [(waiter, Refusal::Unavailable)]);
}

#[test]
fn a_late_end_of_a_dial_changes_nothing() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    rig.dialled_h1(dial);
    rig.grants();
    rig.join();
    let (next, _) = rig.dials()[0];
    assert_eq!(next.slot, dial.slot);
    rig.fail(dial, DialFailure::Endpoint);
    let id = rig.id();
    let late = rig
        .step(|state, now, out| state.dialled(dial, arrival(id, Some(1), false, false), now, out));
    assert_eq!(late, None);
    assert!(rig.out.is_empty());
    rig.dialled_h1(next);
    assert_eq!(rig.grants().len(), 1);
}

#[test]
fn a_dial_that_outlives_the_pool_is_closed() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    rig.close();
    rig.fails();
    let conn = rig.dialled_h1(dial);
    assert_eq!(rig.closes(), [(conn, CloseReason::PoolClosed)]);
}

#[test]
fn a_host_filled_by_hand_never_dials() {
    let mut rig = Rig::manual(LIMITS);
    let waiter = rig.join();
    rig.set_addresses(&[addr(1)]);
    assert!(rig.out.is_empty());
    let conn = rig.h1();
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn upkeep_dials_only_known_addresses_and_within_the_limits() {
    let limits = HostLimits { dials: 1, ..LIMITS };
    let mut rig = Rig::known(limits, &[addr(1)], 1);
    let dial = |rig: &mut Rig, at| rig.step(|state, now, out| state.dial_for_upkeep(at, now, out));
    assert_eq!(dial(&mut rig, addr(9)), None);
    let running = dial(&mut rig, addr(1)).unwrap();
    assert_eq!(dial(&mut rig, addr(1)), None, "one dial at a time");
    rig.dialled_h1(running);
    assert_eq!(rig.idle().len(), 1);
}

#[test]
fn a_failed_probe_of_an_ejected_address_is_not_charged_to_waiters() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    rig.judge(addr(2), Standing::Ejected(None));
    let probe = rig
        .step(|state, now, out| state.dial_for_upkeep(addr(2), now, out))
        .unwrap();
    rig.join();
    rig.fail(probe, DialFailure::Endpoint);
    let (dial, at) = rig.dials()[0];
    assert_eq!(at, addr(1));
    rig.dialled_h1(dial);
    assert_eq!(rig.grants().len(), 1);
    assert!(rig.fails().is_empty());
}

#[test]
fn until_an_h2_peer_has_said_its_limit_one_lease_goes_out_and_nobody_dials() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 100);
    for _ in 0..20 {
        rig.join();
    }
    let (dial, _) = rig.dials()[0];
    let id = rig.id();
    let conn = rig
        .step(|state, now, out| state.dialled(dial, arrival(id, None, true, false), now, out))
        .expect("the dial is known");
    assert_eq!(rig.grants().len(), 1);
    assert!(rig.out.is_empty(), "{:?}", rig.out);

    rig.step(|state, now, out| state.set_peer_limit(conn, 8, now, out));
    assert_eq!(rig.grants().len(), 7);
}
