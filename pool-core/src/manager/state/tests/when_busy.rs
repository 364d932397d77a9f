//! When another connection is dialled while those that are open are in use.

use super::*;

const CONNECT: Duration = ms(50);

fn rig(when_busy: DialWhenBusy) -> Rig {
    Rig::known(
        HostLimits {
            when_busy,
            ..LIMITS
        },
        &[addr(1)],
        1,
    )
}

/// A rig whose one connection is leased.
fn busy(when_busy: DialWhenBusy) -> (Rig, ConnRef) {
    let mut rig = rig(when_busy);
    let conn = rig.h1();
    assert_eq!(rig.claim(), conn);
    (rig, conn)
}

/// A rig whose one connection was dialled in [`CONNECT`], is leased, and had a lease of this length before.
fn learned(hold: Duration) -> (Rig, ConnRef) {
    let mut rig = rig(DialWhenBusy::IfWaitExceedsConnect);
    let first = rig.join();
    let (dial, _) = rig.dials()[0];
    rig.pass(CONNECT);
    let conn = rig.dialled_h1(dial);
    assert_eq!(rig.grants(), [(first, conn)]);
    rig.leave(first);
    let since = rig.now;
    rig.pass(hold);
    rig.step(|state, now, out| {
        let lease = Leased { conn, since };
        state.release(lease, Returned::Clean, now, false, out);
    });
    assert_eq!(rig.claim(), conn);
    (rig, conn)
}

#[test]
fn immediate_dials_beside_a_busy_connection() {
    let (mut rig, _) = busy(DialWhenBusy::Immediate);
    rig.join();
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn a_wait_is_waited_out_and_not_a_moment_more() {
    let (mut rig, _) = busy(DialWhenBusy::After(ms(20)));
    rig.join();
    assert!(rig.dials().is_empty());
    assert_eq!(rig.timers(), [rig.now + ms(20)], "nobody else would look");
    rig.pass(ms(19));
    rig.tick();
    assert!(rig.dials().is_empty());
    rig.pass(ms(1));
    rig.tick();
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn each_waiter_that_no_dial_will_serve_waits_for_itself() {
    let (mut rig, _) = busy(DialWhenBusy::After(ms(20)));
    rig.join();
    rig.pass(ms(10));
    rig.join();
    rig.timers();
    rig.pass(ms(10));
    rig.tick();
    assert_eq!(rig.dials().len(), 1, "for the first");
    assert_eq!(rig.timers(), [rig.now + ms(10)], "for the second");
    rig.pass(ms(10));
    rig.tick();
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn what_comes_back_in_time_saves_the_dial() {
    let (mut rig, conn) = busy(DialWhenBusy::After(ms(20)));
    let waiter = rig.join();
    rig.pass(ms(19));
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
    rig.leave(waiter);
    rig.pass(ms(1));
    rig.tick();
    assert!(rig.dials().is_empty());
}

#[test]
fn newcomers_of_a_higher_class_do_not_put_the_dial_off() {
    let (mut rig, _) = busy(DialWhenBusy::After(ms(20)));
    rig.join();
    for _ in 0..2 {
        rig.pass(ms(10));
        let place = Place::Back(Priority::High);
        rig.step(|state, now, out| state.join(place, None, now, out))
            .unwrap();
    }
    assert_eq!(rig.dials().len(), 1, "somebody has waited this long");
}

#[test]
fn a_wait_without_end_is_no_dial_and_no_timer() {
    let (mut rig, _) = busy(DialWhenBusy::After(Duration::MAX));
    rig.join();
    assert!(rig.dials().is_empty() && rig.timers().is_empty());
}

#[test]
fn without_a_connect_to_compare_with_it_dials() {
    let (mut rig, _) = busy(DialWhenBusy::IfWaitExceedsConnect);
    rig.join();
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn a_wait_that_is_expected_to_be_short_is_waited_as_long_as_a_connect() {
    let (mut rig, _) = learned(ms(10));
    rig.join();
    assert!(rig.dials().is_empty());
    assert_eq!(rig.timers(), [rig.now + CONNECT]);
    rig.pass(CONNECT - ms(1));
    rig.tick();
    assert!(rig.dials().is_empty());
    rig.pass(ms(1));
    rig.tick();
    assert_eq!(rig.dials().len(), 1, "the expectation was wrong");
}

#[test]
fn a_queue_that_outlasts_a_connect_is_dialled_for_at_once() {
    let (mut rig, _) = learned(ms(10));
    // Five leases of 10 ms are as long as a connect of 50 ms; six are longer.
    for _ in 0..5 {
        rig.join();
        assert!(rig.dials().is_empty());
    }
    rig.join();
    assert!(!rig.dials().is_empty());
}

#[test]
fn leases_that_outlast_a_connect_are_dialled_beside_at_once() {
    let (mut rig, _) = learned(ms(51));
    rig.join();
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn never_waits_for_what_is_open_however_long_it_takes() {
    let (mut rig, conn) = busy(DialWhenBusy::Never);
    let waiter = rig.join();
    rig.pass(Duration::from_secs(3600));
    rig.tick();
    assert!(rig.dials().is_empty() && rig.timers().is_empty());
    rig.release(conn);
    assert_eq!(rig.grants(), [(waiter, conn)]);
}

#[test]
fn never_dials_once_nothing_open_will_serve() {
    for reason in [true, false] {
        let (mut rig, conn) = busy(DialWhenBusy::Never);
        rig.join();
        assert!(rig.dials().is_empty());
        if reason {
            rig.drain(conn);
        } else {
            rig.closed(conn);
        }
        assert_eq!(rig.dials().len(), 1);
    }
}

#[test]
fn a_cold_host_is_dialled_whatever_it_says() {
    for when_busy in [
        DialWhenBusy::Immediate,
        DialWhenBusy::After(ms(20)),
        DialWhenBusy::IfWaitExceedsConnect,
        DialWhenBusy::Never,
    ] {
        let mut rig = rig(when_busy);
        rig.join();
        assert_eq!(rig.dials().len(), 1, "{when_busy:?}");
    }
}

#[test]
fn another_choice_is_in_force_at_once() {
    let (mut rig, _) = busy(DialWhenBusy::Never);
    rig.join();
    rig.set_limits(LIMITS);
    assert_eq!(rig.dials().len(), 1);
}
