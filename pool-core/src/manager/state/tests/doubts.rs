//! Addresses where an exchange failed lately: others come first, and nothing waits for it.

use pool_health::Outcome;

use super::*;

const TWO: [SocketAddr; 2] = [
    SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        443,
    ),
    SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
        443,
    ),
];

const STEADY: HostLimits = HostLimits {
    jitter: 0.0,
    ..LIMITS
};

fn note(rig: &mut Rig, at: SocketAddr, outcome: Outcome) {
    rig.step(|state, now, _| state.observe(at, outcome, None, now));
}

/// A rig with a roomy connection to each of two addresses.
fn two() -> (Rig, [ConnRef; 2]) {
    let mut rig = Rig::known(STEADY, &TWO, 1);
    let conns = TWO.map(|at| rig.try_add(at, 10, true).unwrap());
    (rig, conns)
}

fn is_doubted(rig: &Rig, at: SocketAddr) -> bool {
    rig.state.endpoint(at).unwrap().is_doubted(rig.now)
}

#[test]
fn claims_go_elsewhere_after_a_reset_or_a_time_out() {
    for outcome in [Outcome::Reset, Outcome::TimedOut] {
        for (bad, good) in [(0, 1), (1, 0)] {
            let (mut rig, conns) = two();
            note(&mut rig, TWO[bad], outcome);
            for _ in 0..4 {
                assert_eq!(rig.claim(), conns[good], "{outcome:?}");
            }
        }
    }
}

#[test]
fn a_doubted_address_serves_when_no_other_has_room() {
    let mut rig = Rig::known(STEADY, &TWO, 1);
    let conns = TWO.map(|at| rig.try_add(at, 1, false).unwrap());
    note(&mut rig, TWO[0], Outcome::Reset);
    assert_eq!([rig.claim(), rig.claim()], [conns[1], conns[0]]);
    let waiter = rig.join();
    rig.release(conns[0]);
    assert_eq!(rig.grants(), [(waiter, conns[0])], "what is there is used");
}

#[test]
fn dials_go_elsewhere() {
    let mut rig = Rig::known(STEADY, &TWO, 1);
    note(&mut rig, TWO[0], Outcome::Reset);
    for _ in 0..3 {
        rig.join();
    }
    let to: Vec<_> = rig.dials().into_iter().map(|(_, at)| at).collect();
    assert_eq!(to, [TWO[1]; 3], "although the other has fewer");
}

#[test]
fn an_answer_ends_the_doubt_whatever_it_says() {
    let (mut rig, conns) = two();
    note(&mut rig, TWO[0], Outcome::Reset);
    note(&mut rig, TWO[0], Outcome::Status(500));
    let claimed: Vec<_> = (0..4).map(|_| rig.claim()).collect();
    assert_eq!(claimed.iter().filter(|&&c| c == conns[0]).count(), 2);
}

#[test]
fn time_ends_the_doubt() {
    let (mut rig, conns) = two();
    note(&mut rig, TWO[0], Outcome::Reset);
    rig.pass(STEADY.backoff_base - ms(1));
    assert_eq!([rig.claim(), rig.claim()], [conns[1]; 2]);
    rig.pass(ms(1));
    let claimed = [rig.claim(), rig.claim()];
    assert!(claimed.contains(&conns[0]), "{claimed:?}");
}

#[test]
fn time_ends_the_doubt_for_dials() {
    let mut rig = Rig::known(STEADY, &TWO, 1);
    note(&mut rig, TWO[0], Outcome::Reset);
    rig.pass(STEADY.backoff_base);
    rig.join();
    assert_eq!(rig.dials()[0].1, TWO[0]);
}

#[test]
fn doubts_grow_until_an_answer() {
    let (mut rig, _) = two();
    let lasted = |rig: &mut Rig| {
        note(rig, TWO[0], Outcome::Reset);
        let began = rig.now;
        while is_doubted(rig, TWO[0]) {
            rig.pass(ms(1));
        }
        // As claims do, which end it in the books.
        let conn = rig.claim();
        rig.release(conn);
        rig.now - began
    };
    for expected in [100, 200, 400, 800, 1000, 1000] {
        let lasted = lasted(&mut rig);
        assert!(
            lasted <= ms(expected) && lasted + ms(2) > ms(expected),
            "{lasted:?}"
        );
    }
    note(&mut rig, TWO[0], Outcome::Ok);
    assert!(lasted(&mut rig) <= ms(100));
}

#[test]
fn failures_side_by_side_are_one_doubt() {
    let (mut rig, _) = two();
    for _ in 0..5 {
        note(&mut rig, TWO[0], Outcome::Reset);
    }
    rig.pass(STEADY.backoff_base);
    assert!(!is_doubted(&rig, TWO[0]));
}

#[test]
fn a_dial_that_failed_is_no_doubt() {
    let (mut rig, _) = two();
    note(&mut rig, TWO[0], Outcome::ConnectFailed);
    assert!(!is_doubted(&rig, TWO[0]));
}

#[test]
fn a_host_with_one_address_is_not_slowed() {
    let mut rig = Rig::known(STEADY, &[addr(1)], 1);
    let conn = rig.h1();
    note(&mut rig, addr(1), Outcome::Reset);
    assert_eq!(rig.claim(), conn);
    rig.join();
    assert_eq!(rig.dials().len(), 1, "at once");
    assert!(rig.timers().is_empty());
}

#[test]
fn a_doubted_address_that_goes_and_one_that_is_ejected_leave_no_trace() {
    let (mut rig, conns) = two();
    note(&mut rig, TWO[0], Outcome::Reset);
    rig.eject_for(TWO[0], ms(50));
    assert_eq!(rig.claim(), conns[1]);
    rig.pass(ms(50));
    rig.tick();
    assert_eq!(rig.claim(), conns[1], "back, and still in doubt");
    rig.set_addresses(&TWO[1..]);
    rig.pass(ms(100));
    rig.tick();
    assert_eq!(rig.claim(), conns[1]);
}
