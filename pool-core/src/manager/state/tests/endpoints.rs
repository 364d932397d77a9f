//! Addresses: joining, leaving, out of rotation and back.

use super::*;

#[test]
fn a_host_with_one_of_each_keeps_room_for_one() {
    let mut rig = Rig::manual(LIMITS);
    rig.h1();
    let (conns, endpoints) = (rig.state.conns.capacity(), rig.state.endpoints.capacity());
    assert_eq!((conns, endpoints), (1, 1));
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    assert_eq!((rig.state.dials.len(), rig.state.dials.capacity()), (1, 1));
}

#[test]
fn an_ejected_endpoint_is_not_claimed_and_comes_back_at_its_time() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.eject_for(addr(1), ms(100));
    assert_eq!(rig.try_claim(), None);
    rig.pass(ms(99));
    assert_eq!(rig.try_claim(), None);
    rig.pass(ms(1));
    assert_eq!(rig.claim(), conn);
}

#[test]
fn an_endpoint_that_comes_back_serves_those_who_wait_at_the_asked_time() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let conn = rig.h1();
    rig.eject_for(addr(1), ms(100));
    let waiter = rig.join();
    let dials = rig.dials();
    assert_eq!(dials[0].1, addr(2), "and that dial hangs");
    let at = rig.timers()[0];
    rig.now = at;
    rig.tick();
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn in_flight_leases_outlive_an_ejection_and_come_back_idle() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.claim();
    rig.judge(addr(1), Standing::Ejected(None));
    rig.release(conn);
    assert_eq!(rig.idle(), [conn]);
    assert_eq!(rig.try_claim(), None);
    rig.judge(addr(1), Standing::Active);
    assert_eq!(rig.claim(), conn);
}

#[test]
fn a_returned_connection_on_an_ejected_endpoint_is_not_handed_to_a_waiter() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let waiter = rig.join();
    rig.judge(addr(1), Standing::Ejected(None));
    rig.release(conn);
    assert!(rig.grants().is_empty());
    rig.judge(addr(1), Standing::Active);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn nobody_waits_for_a_host_whose_every_address_is_out() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.judge(addr(1), Standing::Ejected(None));
    let waiter = rig.join();
    assert_eq!(rig.fails(), [(waiter, Refusal::Unavailable)]);
}

#[test]
fn a_host_without_addresses_is_unavailable() {
    let mut rig = Rig::known(LIMITS, &[], 1);
    let waiter = rig.join();
    assert_eq!(rig.fails(), [(waiter, Refusal::Unavailable)]);
}

#[test]
fn idle_connections_out_of_rotation_make_room_for_others() {
    let mut rig = Rig::known(HostLimits { conns: 1, ..LIMITS }, &[addr(1), addr(2)], 1);
    let useless = rig.h1();
    rig.judge(addr(1), Standing::Ejected(None));
    rig.join();
    assert_eq!(rig.closes(), [(useless, CloseReason::Surplus)]);
    assert_eq!(rig.dials(), [], "its socket still counts");
    rig.closed(useless);
    assert_eq!(rig.dials()[0].1, addr(2));
}

#[test]
fn new_addresses_join_and_missing_ones_drain_and_are_forgotten() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let busy = rig.h1();
    rig.claim();
    let idle = rig.h1();
    let stays = rig.try_add(addr(2), 1, false).unwrap();
    rig.set_addresses(&[addr(2), addr(3)]);
    assert_eq!(rig.closes(), [(idle, CloseReason::EndpointGone)]);
    rig.closed(idle);
    assert_eq!(
        rig.state.endpoints().count(),
        3,
        "one still carries a lease"
    );
    rig.release(busy);
    assert_eq!(rig.closes(), [(busy, CloseReason::EndpointGone)]);
    rig.closed(busy);
    let left: Vec<_> = rig.state.endpoints().map(|e| e.addr).collect();
    assert_eq!((left.len(), left.contains(&addr(1))), (2, false));
    assert_eq!(rig.claim(), stays);
}

#[test]
fn an_address_that_stays_keeps_its_connections() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    let conn = rig.h1();
    rig.set_addresses(&[addr(1), addr(1), addr(2)]);
    assert!(rig.out.is_empty());
    assert_eq!(rig.state.endpoints().count(), 2);
    assert_eq!(rig.claim(), conn);
}

#[test]
fn an_address_that_comes_back_while_it_drains_is_used_again() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let busy = rig.h1();
    rig.claim();
    rig.set_addresses(&[addr(2)]);
    rig.set_addresses(&[addr(1)]);
    rig.join();
    assert_eq!(rig.dials()[0].1, addr(1));
    rig.release(busy);
    assert_eq!(rig.closes(), [(busy, CloseReason::EndpointGone)]);
}

#[test]
fn a_forbidden_address_drains_and_the_last_one_has_the_host_looked_up() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let busy = rig.h1();
    rig.claim();
    let idle = rig.h1();
    assert_eq!(rig.forbid(&[addr(1), addr(3)]), 1, "it has two of them");
    assert_eq!(rig.closes(), [(idle, CloseReason::Denied)]);
    assert_eq!(rig.forbid(&[addr(1)]), 0, "it is on its way out");
    rig.release(busy);
    assert_eq!(rig.closes(), [(busy, CloseReason::Denied)]);
    rig.join();
    assert_eq!(rig.dials()[0].1, addr(2), "the other one is in use");
    assert_eq!(rig.forbid(&[addr(2)]), 1);
    let looked_up = |action: &Action| matches!(action, Action::Resolve).then_some(());
    assert_eq!(rig.take(looked_up).len(), 1, "for the one who waits");
}

#[test]
fn a_new_address_on_trial_serves_nobody_until_it_is_judged_good() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    rig.fail(dial, DialFailure::Endpoint);
    let waits = rig.join();
    // The known address backs off: one that joins in rotation would be dialled now.
    let trial = [addr(2), addr(1)];
    let trials = rig.set_addresses_with_trials(&[addr(1), addr(2)], &trial);
    assert_eq!(trials, [addr(2)], "what it has is not on trial");
    assert_eq!(rig.dials(), []);
    assert_eq!(rig.state.condemned(), [addr(2)]);
    rig.step(|state, now, out| state.judge_endpoint(addr(2), Standing::Active, now, out));
    let (dial, target) = rig.dials()[0];
    assert_eq!(target, addr(2));
    let conn = rig.dialled_h1(dial);
    assert_eq!(rig.grants(), [(waits, conn)]);
}

#[test]
fn an_address_on_trial_is_not_kept_back_where_no_other_may_serve() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(3)], 1);
    let out = Standing::Ejected(None);
    rig.step(|state, now, actions| state.judge_endpoint(addr(3), out, now, actions));
    // The one that serves is gone with this answer.
    let trials = rig.set_addresses_with_trials(&[addr(2), addr(3)], &[addr(2)]);
    assert_eq!(trials, []);
    rig.join();
    assert_eq!(rig.dials()[0].1, addr(2));
}

#[test]
fn an_address_that_comes_back_on_trial_while_it_drains_is_not_used_again_yet() {
    let mut rig = Rig::known(LIMITS, &[addr(1), addr(2)], 1);
    let busy = rig.h1();
    rig.claim();
    rig.forbid(&[addr(1)]);
    let trials = rig.set_addresses_with_trials(&[addr(1), addr(2)], &[addr(1)]);
    assert_eq!(trials, [addr(1)]);
    rig.release(busy);
    assert_eq!(rig.closes(), [(busy, CloseReason::Denied)]);
    rig.closed(busy);
    assert_eq!(rig.state.condemned(), [addr(1)], "it is not forgotten");
    rig.join();
    assert_eq!(rig.dials()[0].1, addr(2));
}

#[test]
fn a_connection_dialled_to_a_gone_address_closes() {
    let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    rig.set_addresses(&[addr(2)]);
    let conn = rig.dialled_h1(dial);
    assert_eq!(rig.closes(), [(conn, CloseReason::EndpointGone)]);
    assert_eq!(rig.dials()[0].1, addr(2));
    rig.closed(conn);
    assert_eq!(rig.state.endpoints().count(), 1);
}

#[test]
fn a_gone_address_is_forgotten_with_the_last_dial_however_that_ends() {
    for failure in [
        DialFailure::Endpoint,
        DialFailure::Local,
        DialFailure::RuntimeGone,
        DialFailure::Abandoned,
    ] {
        let mut rig = Rig::known(LIMITS, &[addr(1)], 1);
        rig.join();
        let (dial, _) = rig.dials()[0];
        rig.set_addresses(&[addr(2)]);
        rig.fail(dial, failure);
        rig.close();
        let left: Vec<_> = rig.state.endpoints().map(|e| e.addr).collect();
        assert_eq!(left, [addr(2)], "{failure:?}");
    }
}
