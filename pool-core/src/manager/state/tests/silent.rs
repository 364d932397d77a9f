//! Addresses that say nothing, and what is tried beside them.

use super::*;

const DELAY: Duration = ms(250);

const TRYING: HostLimits = HostLimits {
    attempt_delay: DELAY,
    jitter: 0.0,
    ..LIMITS
};

impl Rig {
    /// The time of the next timer comes.
    fn ring(&mut self) {
        let at = self.timers().into_iter().min().expect("a timer");
        self.now = at;
        self.tick();
    }

    fn connected(&mut self, dial: DialRef) {
        self.step(|state, now, out| state.connected(dial, now, out));
    }

    fn one_dial(&mut self) -> (DialRef, SocketAddr) {
        let dials = self.dials();
        assert_eq!(dials.len(), 1, "{dials:?}");
        dials[0]
    }
}

#[test]
fn a_silent_address_costs_the_attempt_delay_and_the_first_that_is_ready_serves() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 100);
    let began = rig.now;
    let waiters: Vec<_> = (0..100).map(|_| rig.join()).collect();
    let (silent, to) = rig.one_dial();
    assert_eq!(to, addr(1));
    rig.ring();
    assert_eq!(rig.now, began + DELAY);
    let (second, to) = rig.one_dial();
    assert_eq!(to, addr(2));
    let conn = rig.dialled(second, 100, true);
    let served: Vec<_> = waiters.into_iter().map(|waiter| (waiter, conn)).collect();
    assert_eq!(rig.grants(), served);
    // The other is not wasted.
    rig.dialled(silent, 100, true);
    assert_eq!(rig.state.conns().count(), 2);
    assert_eq!(rig.dials(), []);
}

#[test]
fn the_silent_one_may_still_be_the_first() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 1);
    let waiter = rig.join();
    let (silent, _) = rig.one_dial();
    rig.ring();
    let (second, _) = rig.one_dial();
    let conn = rig.dialled_h1(silent);
    assert_eq!(rig.grants(), [(waiter, conn)]);
    let idle = rig.dialled_h1(second);
    assert_eq!(rig.idle(), [idle]);
}

#[test]
fn an_address_that_takes_the_connection_in_time_is_left_alone_with_it() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 1);
    rig.join();
    let (dial, _) = rig.one_dial();
    rig.pass(DELAY - ms(1));
    rig.connected(dial);
    rig.ring();
    assert_eq!(rig.dials(), [], "its handshake may last");
    assert!(rig.timers().is_empty());
}

#[test]
fn one_that_takes_it_late_is_counted_on_again() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 1);
    rig.join();
    let (dial, _) = rig.one_dial();
    rig.ring();
    assert_eq!(rig.reservations(), 1);
    rig.connected(dial);
    assert!(!rig.granted(), "nobody needs it any more");
    assert_eq!(rig.state.asked(), 0);
}

#[test]
fn each_address_is_tried_once_and_a_delay_after_the_one_before() {
    let addrs = [addr(1), addr(2), addr(3)];
    let mut rig = Rig::known(TRYING, &addrs, 1);
    let began = rig.now;
    let waiter = rig.join();
    let mut dials = Vec::new();
    for (at, to) in addrs.into_iter().enumerate() {
        dials.push(rig.one_dial());
        assert_eq!(dials[at].1, to);
        assert_eq!(rig.now, began + DELAY * at as u32);
        rig.ring();
    }
    assert_eq!(rig.dials(), []);
    assert!(rig.timers().is_empty(), "there is no other");
    // All fail: then, and not before, it is told.
    for (at, (dial, _)) in dials.into_iter().enumerate() {
        assert_eq!(rig.fails(), [], "{at} have failed");
        rig.fail(dial, DialFailure::Endpoint);
        assert_eq!(rig.dials(), []);
    }
    assert_eq!(rig.fails(), [(waiter, Refusal::Dial)]);
}

#[test]
fn what_fails_beside_a_silent_address_is_not_tried_again_and_again() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 1);
    let waiter = rig.join();
    let (silent, _) = rig.one_dial();
    rig.ring();
    let (second, _) = rig.one_dial();
    rig.fail(second, DialFailure::Endpoint);
    assert_eq!(rig.fails(), []);
    rig.pass(ms(60_000));
    rig.tick();
    assert_eq!(rig.dials(), []);
    let conn = rig.dialled_h1(silent);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn limits_of_one_forbid_a_second_dial() {
    let one = |change: fn(&mut HostLimits)| {
        let mut limits = TRYING;
        change(&mut limits);
        let mut rig = Rig::known(limits, &[addr(1), addr(2)], 1);
        rig.join();
        rig.one_dial();
        rig.pass(DELAY);
        rig.tick();
        rig.dials()
    };
    assert_eq!(one(|limits| limits.dials = 1), []);
    assert_eq!(one(|limits| limits.conns = 1), []);
    assert_eq!(one(|limits| limits.attempt_delay = Duration::MAX), []);
    assert_eq!(one(|_| {}).len(), 1);
}

#[test]
fn an_address_of_its_own_is_not_dialled_beside_itself() {
    let mut rig = Rig::known(TRYING, &[addr(1)], 1);
    rig.join();
    rig.one_dial();
    assert!(rig.timers().is_empty());
    rig.pass(DELAY);
    rig.tick();
    assert_eq!(rig.dials(), []);
    // One that joins then is tried at once.
    rig.set_addresses(&[addr(1), addr(2)]);
    assert_eq!(rig.one_dial().1, addr(2));
}

#[test]
fn nobody_who_waits_means_no_second_dial() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 1);
    let waiter = rig.join();
    rig.one_dial();
    assert!(rig.leave(waiter));
    rig.ring();
    assert_eq!(rig.dials(), []);
    // Whoever comes then does not wait for the silent one.
    rig.join();
    assert_eq!(rig.one_dial().1, addr(2));
}

#[test]
fn a_patient_queue_stays_patient() {
    let limits = HostLimits {
        when_busy: DialWhenBusy::Never,
        ..TRYING
    };
    let mut rig = Rig::known(limits, &[addr(1), addr(2)], 1);
    rig.join();
    rig.one_dial();
    rig.h1();
    assert_eq!(rig.grants().len(), 1);
    rig.join();
    rig.ring();
    assert_eq!(rig.dials(), [], "it waits for the one in use");
}

#[test]
fn the_only_address_left_is_tried_beside_a_silent_one_that_left() {
    let mut rig = Rig::known(TRYING, &[addr(1)], 1);
    let waiter = rig.join();
    let (_leaving, to) = rig.one_dial();
    assert_eq!(to, addr(1));
    rig.step(|state, now, out| state.set_addresses(&[addr(2)], now, out));
    rig.ring();
    let (second, to) = rig.one_dial();
    assert_eq!(to, addr(2));
    let conn = rig.dialled_h1(second);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn a_dial_for_upkeep_that_is_counted_on_is_listened_to() {
    let mut rig = Rig::known(TRYING, &[addr(1), addr(2)], 1);
    rig.join();
    let dial = rig.step(|state, now, out| state.dial_for_upkeep(addr(2), now, out));
    assert!(dial.is_some());
    assert!(!rig.granted(), "it serves, as far as is known");
    rig.ring();
    assert_eq!(rig.one_dial().1, addr(1));
}

#[test]
fn a_silent_dial_to_an_address_that_has_gone_is_listened_to() {
    let mut rig = Rig::known(TRYING, &[addr(1)], 1);
    rig.join();
    rig.one_dial();
    rig.set_addresses(&[addr(2)]);
    rig.ring();
    assert_eq!(rig.one_dial().1, addr(2));
}
