//! Any sequence of events leaves the host's books in order: checked against a naive model of connections and queue.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::tests::{LIMITS, addr};
use super::*;
use crate::priority::Priority;

#[derive(Clone, Debug)]
enum Op {
    Claim,
    ClaimStarving,
    Join { front: bool, patience: Option<u8> },
    Leave(usize),
    Release(usize, End),
    Add(u8, Option<u8>),
    Granted,
    Dialled(usize, Option<u8>, bool),
    DialFailed(usize, DialFailure),
    UpkeepDial(u8),
    SetPeerLimit(usize, u8),
    Drain(usize),
    Closed(usize),
    Tick(u8),
    SetAddresses(u8),
    LookupFailed,
    Judge(u8, Option<u8>, bool),
    SetLimits(HostLimits),
    ClaimForCheck(usize),
    EvictIdle(usize),
    Reclaim(u8),
    Close,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Clean,
    Failed,
    Discard,
}

fn op() -> impl Strategy<Value = Op> {
    let which = any::<usize>();
    let streams = || proptest::option::of(0..6_u8);
    let end = prop_oneof![4 => Just(End::Clean), 1 => Just(End::Failed), 1 => Just(End::Discard)];
    let failure = prop_oneof![
        4 => Just(DialFailure::Endpoint),
        2 => Just(DialFailure::Local),
        1 => Just(DialFailure::Abandoned),
        1 => Just(DialFailure::RuntimeGone),
    ];
    prop_oneof![
        8 => Just(Op::Claim),
        2 => Just(Op::ClaimStarving),
        10 => (any::<bool>(), proptest::option::of(0..50_u8))
            .prop_map(|(front, patience)| Op::Join { front, patience }),
        4 => which.prop_map(Op::Leave),
        12 => (which, end).prop_map(|(at, end)| Op::Release(at, end)),
        3 => (1..4_u8, streams()).prop_map(|(to, streams)| Op::Add(to, streams)),
        8 => Just(Op::Granted),
        8 => (which, streams(), any::<bool>())
            .prop_map(|(at, streams, checked)| Op::Dialled(at, streams, checked)),
        4 => (which, failure).prop_map(|(at, failure)| Op::DialFailed(at, failure)),
        1 => (1..5_u8).prop_map(Op::UpkeepDial),
        3 => (which, 0..6_u8).prop_map(|(at, limit)| Op::SetPeerLimit(at, limit)),
        3 => which.prop_map(Op::Drain),
        6 => which.prop_map(Op::Closed),
        6 => any::<u8>().prop_map(Op::Tick),
        3 => (0..16_u8).prop_map(Op::SetAddresses),
        1 => Just(Op::LookupFailed),
        3 => (1..5_u8, proptest::option::of(0..200_u8), any::<bool>())
            .prop_map(|(at, time, active)| Op::Judge(at, time, active)),
        2 => (1..6_usize, 1..4_usize, 1..4_usize, 0..4_usize, 1..4_usize).prop_map(
            |(conns, per_endpoint, dials, idle, streams)| Op::SetLimits(HostLimits {
                conns, per_endpoint, dials, idle, streams, ..LIMITS
            })
        ),
        3 => which.prop_map(Op::ClaimForCheck),
        2 => which.prop_map(Op::EvictIdle),
        1 => any::<u8>().prop_map(Op::Reclaim),
        1 => proptest::bool::weighted(0.05).prop_map(|close| if close { Op::Close } else { Op::Claim }),
    ]
}

/// What a naive observer knows, from the events and the actions alone.
struct Model {
    state: HostState,
    now: Instant,
    ids: u64,
    /// Connections by id: named when they came, forgotten when their socket is gone.
    conns: Vec<ConnRef>,
    told_to_close: HashSet<ConnId>,
    /// Streams allowed when last told; 1 for HTTP/1.1.
    limits: HashMap<ConnId, usize>,
    multiplexed: HashSet<ConnId>,
    /// Leases out, one entry each; those of dead connections included.
    leases: Vec<ConnRef>,
    queue: VecDeque<WaiterRef>,
    fronts: Vec<WaiterRef>,
    settled: Vec<WaiterRef>,
    dials: Vec<DialRef>,
    timers: Vec<Instant>,
    closed: bool,
    lowered: bool,
}

impl Model {
    fn new(resolves: bool) -> Self {
        Self {
            state: HostState::new(LIMITS, resolves, 3),
            now: crate::clock::now(),
            ids: 0,
            conns: Vec::new(),
            told_to_close: HashSet::new(),
            limits: HashMap::new(),
            multiplexed: HashSet::new(),
            leases: Vec::new(),
            queue: VecDeque::new(),
            fronts: Vec::new(),
            settled: Vec::new(),
            dials: Vec::new(),
            timers: Vec::new(),
            closed: false,
            lowered: false,
        }
    }

    fn apply(&mut self, op: Op) {
        let mut out = Actions::new();
        let claimed = self.event(op, &mut out);
        if let Some(claim) = claimed {
            self.lease(claim);
        }
        self.carry_out(out);
        self.state.check(self.now);
        self.check();
    }

    fn event(&mut self, op: Op, out: &mut Actions) -> Option<Claim> {
        let now = self.now;
        match op {
            Op::Claim | Op::ClaimStarving => {
                let claim = self.state.claim(now, matches!(op, Op::ClaimStarving), out);
                assert!(claim.is_none() || self.queue.is_empty(), "past the queue");
                return claim;
            }
            Op::Join { front, patience } => {
                // As the manager does: a claim first, then the queue.
                if let Some(claim) = self.state.claim(now, false, out) {
                    return Some(claim);
                }
                let place = if front {
                    Place::Front
                } else {
                    Place::Back(Priority::Normal)
                };
                let deadline = patience.map(|time| now + ms(time));
                match self.state.join(place, deadline, now, out) {
                    Ok(waiter) if front => {
                        let earlier = |other: &&WaiterRef| self.fronts.contains(other);
                        let at = self.queue.iter().take_while(earlier).count();
                        self.fronts.push(waiter);
                        self.queue.insert(at, waiter);
                    }
                    Ok(waiter) => self.queue.push_back(waiter),
                    Err(turned) => assert_eq!((turned, self.closed), (Turned::Closed, true)),
                }
            }
            Op::Leave(at) => {
                if let Some(waiter) = pick(&self.queue, at) {
                    assert!(self.state.leave(waiter));
                    assert!(!self.state.leave(waiter), "gone for good");
                    self.queue.retain(|&queued| queued != waiter);
                }
                if let Some(waiter) = pick(&self.settled, at) {
                    assert!(!self.state.leave(waiter));
                    self.settled.retain(|&other| other != waiter);
                }
            }
            Op::Release(at, end) => {
                if !self.leases.is_empty() {
                    let conn = self.leases.swap_remove(at % self.leases.len());
                    let how = match end {
                        End::Clean => Returned::Clean,
                        End::Failed => Returned::Failed,
                        End::Discard => Returned::Discard(CloseReason::Error),
                    };
                    self.state.release(
                        Leased { conn, since: now },
                        how,
                        now,
                        at.is_multiple_of(5),
                        out,
                    );
                }
            }
            Op::Add(to, streams) => {
                let (id, limit) = (self.id(), limit_of(streams));
                let space = self.load() < self.state.limits.conns;
                let conn = self
                    .state
                    .add(id, addr(to), limit, streams.is_some(), now, out);
                assert!(conn.is_err() || space && !self.closed, "above the limits");
                self.came(conn.ok(), streams);
            }
            Op::Granted => {
                let asked = self.state.asked();
                let used = self.state.granted(now, out);
                assert!(asked > 0 || !used);
                assert!(
                    used || self.state.asked() == 0,
                    "asked, and not in the ring"
                );
            }
            Op::Dialled(at, streams, checked) => {
                if let Some(dial) = take(&mut self.dials, at) {
                    let (id, limit) = (self.id(), limit_of(streams));
                    let conn = self.state.dialled(
                        dial,
                        Arrival {
                            id,
                            limit: Some(limit),
                            multiplexed: streams.is_some(),
                            checked,
                        },
                        now,
                        out,
                    );
                    let conn = conn.expect("the dial is known");
                    self.came(Some(conn), streams);
                    if checked {
                        self.leases.push(conn);
                    }
                }
            }
            Op::DialFailed(at, failure) => {
                if let Some(dial) = take(&mut self.dials, at) {
                    self.state.dial_failed(dial, failure, now, out);
                    let mut late = Actions::new();
                    self.state.dial_failed(dial, failure, now, &mut late);
                    assert!(late.is_empty(), "a dial ends once");
                }
            }
            Op::UpkeepDial(to) => {
                let space = self.load() < self.state.limits.conns;
                let dial = self.state.dial_for_upkeep(addr(to), now);
                assert!(dial.is_none() || space && !self.closed, "above the limits");
                self.dials.extend(dial);
            }
            Op::SetPeerLimit(at, limit) => {
                if let Some(conn) = pick(&self.conns, at)
                    && self.multiplexed.contains(&conn.id)
                {
                    self.limits.insert(conn.id, limit.into());
                    self.state.set_peer_limit(conn, limit.into(), now, out);
                }
            }
            Op::Drain(at) => {
                if let Some(conn) = pick(&self.conns, at) {
                    self.state.drain(conn, CloseReason::GoAway, now, out);
                }
            }
            Op::Closed(at) => {
                if let Some(conn) = take(&mut self.conns, at) {
                    self.state.closed(conn, CloseReason::PeerClosed, now, out);
                    self.state.closed(conn, CloseReason::PeerClosed, now, out);
                }
            }
            Op::Tick(time) => {
                self.now += ms(time);
                self.tick(out);
            }
            Op::SetAddresses(set) => {
                let addrs: Vec<_> = (1..5)
                    .filter(|at| set & (1 << (at - 1)) != 0)
                    .map(addr)
                    .collect();
                self.state.set_addresses(&addrs, now, out);
            }
            Op::LookupFailed => self.state.lookup_failed(now, out),
            Op::Judge(at, time, active) => {
                let standing = match active {
                    true => Standing::Active,
                    false => Standing::Ejected(time.map(|time| now + ms(time))),
                };
                self.state.judge_endpoint(addr(at), standing, now, out);
            }
            Op::SetLimits(limits) => {
                self.lowered = true;
                self.state.set_limits(limits, now, out);
            }
            Op::ClaimForCheck(at) => {
                if let Some(conn) = pick(&self.conns, at) {
                    return self.state.claim_for_check(conn, now);
                }
            }
            Op::EvictIdle(at) => {
                if let Some(conn) = pick(&self.conns, at) {
                    let evicted = self.state.evict_idle(conn, CloseReason::Idle, now, out);
                    assert!(!evicted || !self.leases.contains(&conn), "it was in use");
                }
            }
            Op::Reclaim(time) => {
                self.state.reclaim(ms(time), now, out);
            }
            Op::Close => {
                self.closed = true;
                self.state.close(out);
            }
        }
        None
    }

    /// The timers that are due, and again for those they ask for, which must not go on for ever.
    fn tick(&mut self, out: &mut Actions) {
        if self.timers.iter().any(|&at| at <= self.now) {
            self.timers.retain(|&at| at > self.now);
            self.state.tick(self.now, out);
        }
    }

    fn carry_out(&mut self, out: Actions) {
        for action in out {
            match action {
                Action::Grant(waiter, claim) => {
                    assert_eq!(self.queue.pop_front(), Some(waiter), "not the head");
                    self.settled.push(waiter);
                    self.lease(claim);
                }
                Action::Fail(waiter, why) => {
                    if why == Refusal::Late {
                        assert_eq!(self.queue.front(), Some(&waiter));
                    }
                    let queued = self.queue.len();
                    self.queue.retain(|&other| other != waiter);
                    assert_eq!(self.queue.len() + 1, queued, "it was not queued");
                    self.settled.push(waiter);
                }
                Action::Dial(dial, _) => {
                    assert!(!self.dials.contains(&dial));
                    self.dials.push(dial);
                }
                Action::Close(conn, _) => {
                    assert!(self.conns.contains(&conn), "nobody knows it");
                    assert!(!self.leases.contains(&conn), "closed under a lease");
                    assert!(self.told_to_close.insert(conn.id), "closed twice");
                }
                Action::WakeAt(at) => {
                    assert!(at > self.now, "a timer in the past is a loop");
                    assert!(self.timers.len() < 16, "a storm of timers");
                    self.timers.push(at);
                }
                Action::Reserve | Action::Resolve => {}
            }
        }
    }

    fn lease(&mut self, claim: Claim) {
        assert!(self.conns.contains(&claim.conn), "granted what is gone");
        let slot = self.state.find(claim.conn).expect("granted what is gone");
        let conn = &self.state.conns[slot];
        assert!(!conn.is_leaving() && !self.told_to_close.contains(&claim.conn.id));
        self.leases.push(claim.conn);
        let out = self.leases.iter().filter(|&&conn| conn == claim.conn);
        let limit = self.limits[&claim.conn.id];
        assert!(out.count() <= limit.min(self.state.limits.streams).max(1));
    }

    fn came(&mut self, conn: Option<ConnRef>, streams: Option<u8>) {
        if let Some(conn) = conn {
            self.limits.insert(conn.id, limit_of(streams));
            if streams.is_some() {
                self.multiplexed.insert(conn.id);
            }
            self.conns.push(conn);
        }
    }

    fn load(&self) -> usize {
        self.conns.len() + self.dials.len() + self.state.asked()
    }

    fn check(&self) {
        assert_eq!(self.state.conns.len(), self.conns.len());
        assert_eq!(self.state.waiters.all(), Vec::from(self.queue.clone()));
        assert_eq!(self.state.running(), self.dials.len());
        for (conn, entry, _) in self.state.conns() {
            let out = self.leases.iter().filter(|&&lease| lease == conn).count();
            assert_eq!(entry.in_flight, out, "leases of {conn:?}");
        }
        let counters = &self.state.counters;
        assert_eq!(
            counters.acquired - counters.released,
            self.leases.len() as u64
        );
        if !self.lowered {
            assert!(self.load() <= LIMITS.conns && self.dials.len() <= LIMITS.dials);
        }
    }

    fn id(&mut self) -> ConnId {
        self.ids += 1;
        ConnId(self.ids)
    }

    /// Everything ends: what is left must be nothing.
    fn wind_up(mut self) {
        self.apply(Op::Close);
        while let Some(conn) = self.leases.first().copied() {
            let at = self.leases.iter().position(|&lease| lease == conn);
            self.apply(Op::Release(at.expect("it is there"), End::Clean));
        }
        while !self.dials.is_empty() {
            self.apply(Op::DialFailed(0, DialFailure::Endpoint));
        }
        for conn in &self.conns {
            assert!(
                self.told_to_close.contains(&conn.id),
                "nobody closes {conn:?}"
            );
        }
        while !self.conns.is_empty() {
            self.apply(Op::Closed(0));
        }
        for waiter in std::mem::take(&mut self.settled) {
            assert!(!self.state.leave(waiter));
        }
        assert!(
            self.state.retire_host(),
            "something is left: {:?}",
            self.state
        );
    }
}

fn ms(millis: u8) -> Duration {
    Duration::from_millis(millis.into())
}

fn limit_of(streams: Option<u8>) -> usize {
    streams.map_or(1, usize::from)
}

fn pick<'a, T: Copy + 'a>(
    from: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
    at: usize,
) -> Option<T> {
    let mut from = from.into_iter();
    let len = from.len();
    from.nth(at.checked_rem(len)?).copied()
}

fn take<T>(from: &mut Vec<T>, at: usize) -> Option<T> {
    let at = at.checked_rem(from.len())?;
    Some(from.swap_remove(at))
}

fn cases() -> u32 {
    // Read when compiled: a library, its tests included, reads no environment.
    if option_env!("XTASK_FULL").is_some() {
        10_000
    } else {
        256
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_sequence_of_events_keeps_the_books(
        ops in proptest::collection::vec(op(), 1..200),
        resolves in any::<bool>(),
    ) {
        let mut model = Model::new(resolves);
        if resolves {
            model.apply(Op::SetAddresses(0b11));
        }
        for op in ops {
            model.apply(op);
        }
        model.wind_up();
    }
}
