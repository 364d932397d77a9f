//! One more HTTP/2 connection, when those there are carry many streams for a while.

use super::*;

const MANY: usize = 8;
const WHILE: Duration = ms(500);

const SPREADING: HostLimits = HostLimits {
    heavy: MANY,
    spread: 2,
    spread_after: WHILE,
    ..LIMITS
};

impl Rig {
    /// How often one more connection was asked for.
    fn asked(&mut self) -> usize {
        self.take(|action| (*action == Action::Spread).then_some(()))
            .len()
    }

    fn spread(&mut self) -> Option<(DialRef, SocketAddr)> {
        self.step(|state, now, out| state.dial_to_spread(now, out))
    }

    /// A host with so many connections of 100 streams, which were dialled.
    fn warm(limits: HostLimits, addrs: &[SocketAddr]) -> (Self, ConnRef) {
        let mut rig = Self::known(limits, addrs, 100);
        let waiter = rig.join();
        let (dial, _) = rig.dials()[0];
        let conn = rig.dialled(dial, 100, true);
        rig.grants();
        rig.leave(waiter);
        rig.release(conn);
        (rig, conn)
    }

    /// Each of those who hold a lease gives it back and claims again, all of them within so much time. Returns how often one more
    /// connection was asked for.
    fn turn(&mut self, held: &mut [ConnRef], time: Duration) -> usize {
        let each = time / u32::try_from(held.len()).expect("few");
        for lease in held {
            self.pass(each);
            self.release(*lease);
            *lease = self.claim();
        }
        self.asked()
    }

    fn claim_many(&mut self, streams: usize) -> Vec<ConnRef> {
        std::iter::repeat_with(|| self.claim())
            .take(streams)
            .collect()
    }

    fn release_all(&mut self, held: Vec<ConnRef>) {
        for conn in held {
            self.release(conn);
        }
    }

    /// One more connection, once the load has lasted.
    fn spread_under(&mut self, held: &mut [ConnRef]) -> ConnRef {
        while self.turn(held, ms(100)) == 0 {}
        let (dial, _) = self.spread().expect("the limits allow it");
        self.dialled(dial, 100, true)
    }
}

#[test]
fn many_streams_that_last_open_one_connection_more_and_no_third() {
    let (mut rig, first) = Rig::warm(SPREADING, &[addr(1)]);
    let mut held = rig.claim_many(16);
    for _ in 0..4 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0, "not for long enough");
    }
    assert_eq!(rig.turn(&mut held, ms(200)), 1);
    let (dial, to) = rig.spread().expect("there is room");
    assert_eq!(to, addr(1), "there is no other address");
    for _ in 0..20 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0, "one is on its way");
    }
    let second = rig.dialled(dial, 100, true);
    for _ in 0..20 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0, "two are enough");
    }
    let on = |conn| held.iter().filter(|&&at| at == conn).count();
    assert_eq!((on(first), on(second)), (8, 8), "each carries its half");
}

#[test]
fn a_burst_that_ends_opens_nothing_however_often_it_comes() {
    let (mut rig, _) = Rig::warm(SPREADING, &[addr(1)]);
    for _ in 0..1_000 {
        let mut held = rig.claim_many(64);
        assert_eq!(rig.turn(&mut held, ms(100)), 0);
        rig.release_all(held);
        rig.pass(ms(101));
    }
    let streams = rig.claim_many(7);
    for _ in 0..100 {
        rig.pass(ms(100));
        let one = rig.claim();
        rig.release(one);
    }
    assert_eq!(rig.asked(), 0, "7 at a time, and now and then an 8th");
    rig.release_all(streams);
}

#[test]
fn a_load_that_dips_fills_more_slowly_and_one_that_rests_empties() {
    let (mut rig, _) = Rig::warm(SPREADING, &[addr(1)]);
    let round = |rig: &mut Rig| {
        let mut held = rig.claim_many(16);
        let asked = rig.turn(&mut held, ms(90));
        rig.release_all(held);
        asked + rig.asked()
    };
    // 90 ms of load and 30 ms without it.
    for _ in 0..7 {
        assert_eq!(round(&mut rig), 0);
        rig.pass(ms(30));
    }
    rig.pass(ms(1000));
    for at in 0..7 {
        assert_eq!(round(&mut rig), 0, "{at}: it began anew");
        rig.pass(ms(30));
    }
    assert_eq!(round(&mut rig), 1, "7 × 60 ms, and 90 ms more");
}

#[test]
fn streams_that_last_long_count_from_one_claim_to_the_next() {
    let (mut rig, _) = Rig::warm(SPREADING, &[addr(1)]);
    rig.claim_many(8);
    rig.pass(ms(10_000));
    rig.claim();
    assert_eq!(rig.asked(), 1);
}

#[test]
fn no_limit_is_exceeded_for_it() {
    let one = |change: fn(&mut HostLimits)| {
        let mut limits = SPREADING;
        change(&mut limits);
        let (mut rig, _) = Rig::warm(limits, &[addr(1)]);
        let mut held = rig.claim_many(16);
        for _ in 0..20 {
            rig.turn(&mut held, ms(100));
            assert_eq!(rig.spread(), None, "{limits:?}");
        }
    };
    one(|limits| limits.conns = 1);
    one(|limits| limits.per_endpoint = 1);
    one(|limits| limits.spread = 1);
    // Full before it is heavy: those who wait have another dialled, and that is all there is to it.
    let few = HostLimits {
        streams: 4,
        ..SPREADING
    };
    let (mut rig, _) = Rig::warm(few, &[addr(1)]);
    let mut held = rig.claim_many(4);
    for _ in 0..20 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0);
    }
    // Dials at a time: one that upkeep has begun.
    let one = HostLimits {
        dials: 1,
        spread: 3,
        ..SPREADING
    };
    let (mut rig, _) = Rig::warm(one, &[addr(1)]);
    let mut held = rig.claim_many(16);
    let dial = rig.step(|state, now, out| state.dial_for_upkeep(addr(1), now, out));
    while rig.turn(&mut held, ms(100)) == 0 {}
    assert_eq!(rig.spread(), None);
    rig.fail(dial.expect("there is room"), DialFailure::Abandoned);
    assert!(rig.spread().is_some());
}

#[test]
fn a_host_that_may_not_dial_does_not() {
    let heavy = || {
        let (mut rig, _) = Rig::warm(SPREADING, &[addr(1)]);
        let mut held = rig.claim_many(16);
        while rig.turn(&mut held, ms(100)) == 0 {}
        (rig, held)
    };
    let (mut rig, _) = heavy();
    rig.close();
    assert_eq!(rig.spread(), None, "it is closed");
    let (mut rig, _) = heavy();
    rig.judge(addr(1), Standing::Ejected(None));
    assert_eq!(rig.spread(), None, "no address is in rotation");
    let (mut rig, _) = heavy();
    rig.h2(100);
    assert_eq!(rig.spread(), None, "another came meanwhile");
    let (mut rig, mut held) = heavy();
    let (dial, _) = rig.spread().expect("there is room");
    rig.fail(dial, DialFailure::Local);
    assert_eq!(rig.spread(), None, "this machine refused one just now");
    assert!(rig.turn(&mut held, ms(600)) == 1 && rig.spread().is_some());
    let mut rig = Rig::manual(SPREADING);
    rig.h2(100);
    let mut held = rig.claim_many(16);
    for _ in 0..20 {
        rig.turn(&mut held, ms(100));
        assert_eq!(rig.spread(), None, "nobody said where to");
    }
}

#[test]
fn a_dial_that_fails_refuses_nobody_and_is_tried_again_after_a_while() {
    let limits = HostLimits {
        backoff_base: ms(4_000),
        backoff_max: ms(4_000),
        jitter: 0.0,
        ..SPREADING
    };
    let (mut rig, _) = Rig::warm(limits, &[addr(1)]);
    let mut held = rig.claim_many(16);
    let (mut asked, mut dialled) = (0, 0);
    for _ in 0..200 {
        asked += rig.turn(&mut held, ms(100));
        if let Some((dial, _)) = rig.spread() {
            dialled += 1;
            rig.fail(dial, DialFailure::Endpoint);
        }
    }
    assert_eq!(rig.fails(), []);
    assert!((30..=40).contains(&asked), "{asked} in 20 s");
    assert_eq!(dialled, 5, "its address is backed off from");
}

#[test]
fn it_goes_to_the_address_with_the_fewest_connections() {
    let (mut rig, _) = Rig::warm(SPREADING, &[addr(1), addr(2)]);
    let mut held = rig.claim_many(16);
    while rig.turn(&mut held, ms(100)) == 0 {}
    let (_, to) = rig.spread().expect("there is room");
    assert_eq!(to, addr(2));
}

#[test]
fn a_third_opens_when_both_carry_many_and_no_sooner_than_after_a_while() {
    let three = HostLimits {
        spread: 3,
        ..SPREADING
    };
    let (mut rig, _) = Rig::warm(three, &[addr(1)]);
    let mut held = rig.claim_many(15);
    rig.spread_under(&mut held);
    for _ in 0..50 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0, "one of them carries 7");
    }
    held.extend(rig.claim_many(9));
    let before = rig.now;
    rig.spread_under(&mut held);
    assert!(rig.now - before >= WHILE);
    for _ in 0..50 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0, "three are enough");
    }
}

#[test]
fn one_that_is_on_its_way_out_does_not_count() {
    let (mut rig, first) = Rig::warm(SPREADING, &[addr(1)]);
    let mut held = rig.claim_many(16);
    let second = rig.spread_under(&mut held);
    held.extend(rig.claim_many(8));
    assert!(rig.drain(first));
    held.retain(|&conn| conn == second);
    let before = rig.now;
    let third = rig.spread_under(&mut held);
    assert!(third != second && rig.now - before >= WHILE);
}

#[test]
fn http1_connections_are_never_many_enough() {
    let mut rig = Rig::known(SPREADING, &[addr(1)], 1);
    rig.join();
    let (dial, _) = rig.dials()[0];
    let conn = rig.dialled_h1(dial);
    rig.grants();
    for _ in 0..100 {
        rig.release(conn);
        rig.pass(ms(100));
        rig.claim();
    }
    assert_eq!(rig.asked(), 0);
}

#[test]
fn another_number_is_in_force_at_once() {
    let one = HostLimits {
        spread: 1,
        ..SPREADING
    };
    let (mut rig, _) = Rig::warm(one, &[addr(1)]);
    let mut held = rig.claim_many(16);
    for _ in 0..20 {
        assert_eq!(rig.turn(&mut held, ms(100)), 0);
    }
    rig.set_limits(SPREADING);
    rig.spread_under(&mut held);
    rig.set_limits(one);
    assert_eq!(rig.closes(), [], "what is open serves on");
}
