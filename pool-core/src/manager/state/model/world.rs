//! What a naive observer knows of a host, from the events and the actions alone.

mod events;
mod late;
mod load;
mod places;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::ops::{End, Op};
use super::queue::Queues;
use crate::info::ConnId;
use crate::manager::reason::CloseReason;
use crate::manager::state::{
    Action, Actions, Claim, ConnRef, ConnState, Counters, DialFailure, DialRef, HostLimits,
    HostState, Phase, Standing,
};
use crate::manager::waiters::WaiterRef;

/// The real state, and beside it plain lists of everything it should know.
#[derive(Clone, Debug)]
pub(in crate::manager::state) struct World {
    pub(in crate::manager::state) state: HostState,
    pub(in crate::manager::state) now: Instant,
    pub(super) limits: HostLimits,
    expected_at_first: usize,
    ids: u64,
    pub(in crate::manager::state) conns: Vec<Known>,
    pub(super) places: BTreeMap<SocketAddr, Standing>,
    pub(super) lookup: Lookup,
    pub(super) queues: Queues,
    /// Grants that nobody has collected.
    pub(in crate::manager::state) granted: Vec<(WaiterRef, Held)>,
    /// Refusals that nobody has collected.
    pub(in crate::manager::state) refused: Vec<WaiterRef>,
    /// Leases out; those of dead connections included.
    pub(in crate::manager::state) leases: Vec<Held>,
    pub(in crate::manager::state) dials: Vec<(DialRef, SocketAddr)>,
    pub(in crate::manager::state) timers: Vec<Instant>,
    pub(super) closed: bool,
    /// What a dial is expected to bring.
    pub(super) expected: usize,
    /// Claims served while others starved.
    turns: usize,
    /// When the connections were seen to carry many leases each (`true`), and when to do so no more, since the last one
    /// came or was asked for.
    pub(super) load: Vec<(Instant, bool)>,
    /// Whether one more connection is asked for, and nobody has looked yet if there are permits.
    pub(in crate::manager::state) spreads: bool,
    pub(super) counted: Counters,
    /// Names of earlier lives.
    gone: Vec<ConnRef>,
    ended: Vec<DialRef>,
    pub(super) step: Step,
}

/// One connection.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::manager::state) struct Known {
    pub(in crate::manager::state) conn: ConnRef,
    pub(super) addr: SocketAddr,
    pub(in crate::manager::state) state: ConnState,
    /// Streams the peer allows, if it has said.
    pub(in crate::manager::state) told: Option<usize>,
    pub(in crate::manager::state) multiplexed: bool,
    pub(in crate::manager::state) in_flight: usize,
    pub(super) uses: u64,
    pub(super) errors: u32,
    pub(super) in_a_row: u32,
    pub(super) last_used: Instant,
    /// In the list of those without a lease; a check does not take it out.
    pub(super) listed: bool,
    pub(super) returning: bool,
}

/// One lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manager::state) struct Held {
    pub(in crate::manager::state) conn: ConnRef,
    since: Instant,
    /// A second lease of the owner of a check.
    pub(super) within: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Manual,
    Unknown,
    Resolving,
    Known,
}

/// What one step is to bring, and what there was before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) before: Vec<Known>,
    pub(super) load: usize,
    pub(super) dials: usize,
    pub(super) asked: usize,
    pub(super) loads: BTreeMap<SocketAddr, usize>,
    /// Addresses that come last.
    pub(super) doubted: Vec<SocketAddr>,
    /// Connections that must be taken out, and why.
    pub(super) leave: Vec<(ConnId, CloseReason)>,
    /// How many more must be given up for other hosts.
    pub(super) reclaimed: usize,
    /// Those whom a failed dial or a lost runtime must refuse, in order.
    pub(super) refuse: Vec<WaiterRef>,
    pub(super) lookup_failed: bool,
    /// Whether one more connection must be asked for.
    pub(super) spreads: bool,
}

impl Known {
    pub(in crate::manager::state) fn is_leaving(&self) -> bool {
        matches!(self.state, ConnState::Draining(_) | ConnState::Closing(_))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == ConnState::Ready && self.in_flight == 0
    }
}

impl World {
    pub(in crate::manager::state) fn new(
        limits: HostLimits,
        resolves: bool,
        expected: usize,
    ) -> Self {
        Self {
            state: HostState::new(limits, resolves, expected),
            now: crate::clock::now(),
            limits,
            expected_at_first: expected,
            ids: 0,
            conns: Vec::new(),
            places: BTreeMap::new(),
            lookup: if resolves {
                Lookup::Unknown
            } else {
                Lookup::Manual
            },
            queues: Queues::default(),
            granted: Vec::new(),
            refused: Vec::new(),
            leases: Vec::new(),
            dials: Vec::new(),
            timers: Vec::new(),
            closed: false,
            expected,
            turns: 0,
            load: Vec::new(),
            spreads: false,
            counted: Counters::default(),
            gone: Vec::new(),
            ended: Vec::new(),
            step: Step::default(),
        }
    }

    pub(in crate::manager::state) fn limits(&self) -> &HostLimits {
        &self.limits
    }

    pub(in crate::manager::state) fn is_closed(&self) -> bool {
        self.closed
    }

    /// One event, everything it must do, and everything that must be true after it.
    pub(in crate::manager::state) fn apply(&mut self, op: &Op) {
        self.begin();
        let mut out = Actions::new();
        let claim = self.event(op, &mut out);
        self.carry_out(out);
        if let Some(claim) = claim {
            let held = self.take_claim(claim);
            self.leases.push(held);
        }
        self.check();
    }

    fn begin(&mut self) {
        let dials = self.state.endpoints().map(|at| (at.addr, at.dials));
        let mut loads: BTreeMap<SocketAddr, usize> = dials.collect();
        for known in &self.conns {
            *loads.entry(known.addr).or_default() += 1;
        }
        let doubted = self.state.endpoints().filter(|at| at.is_doubted(self.now));
        let asked = self.state.asked();
        self.step = Step {
            before: self.conns.clone(),
            load: self.conns.len() + self.dials.len() + asked,
            dials: self.dials.len(),
            asked,
            loads,
            doubted: doubted.map(|at| at.addr).collect(),
            ..Step::default()
        };
    }

    fn carry_out(&mut self, out: Actions) {
        self.watch_who_leaves();
        for action in out {
            self.carry_out_one(action);
        }
        self.note_idle();
    }

    fn carry_out_one(&mut self, action: Action) {
        match action {
            Action::Grant(waiter, claim) => {
                self.assert_turn(waiter, &claim);
                assert!(self.queues.serve(waiter), "I2: granted to one who waits");
                self.counted.handed_off += 1;
                let held = self.take_claim(claim);
                self.granted.push((waiter, held));
            }
            Action::Fail(waiter, why) => {
                self.assert_refusal(waiter, why);
                assert!(self.queues.remove(waiter), "I2: refused, and not waiting");
                self.refused.push(waiter);
            }
            Action::Dial(dial, to) => {
                self.assert_dial(dial, to);
                self.counted.dials += 1;
                self.dials.push((dial, to));
            }
            Action::Close(conn, reason) => {
                let known = self.known_mut(conn);
                let known = known.expect("I15: nobody knows what is told to close");
                assert_eq!(known.in_flight, 0, "I7: closed under a lease");
                assert_eq!(known.state, ConnState::Draining(reason), "closed twice");
                known.state = ConnState::Closing(reason);
            }
            Action::Resolve => {
                assert_eq!(self.lookup, Lookup::Unknown, "looked up once");
                self.lookup = Lookup::Resolving;
            }
            Action::WakeAt(at) => {
                assert!(at > self.now, "I18: a timer in the past is a loop");
                assert!(self.timers.len() < 32, "I18: a storm of timers");
                self.timers.push(at);
            }
            Action::Spread => {
                assert!(self.step.spreads, "one more connection, and no load");
                self.step.spreads = false;
                self.spreads = true;
            }
            Action::Reserve => {}
        }
    }

    /// Everything ends: what is left must be nothing.
    pub(in crate::manager::state) fn wind_up(mut self) {
        self.apply(&Op::Close);
        while !self.granted.is_empty() || !self.refused.is_empty() {
            self.apply(&Op::Collect(0));
        }
        while !self.leases.is_empty() {
            self.apply(&Op::End(0, End::Clean, false));
        }
        while !self.dials.is_empty() {
            self.apply(&Op::DialFailed(0, DialFailure::Endpoint));
        }
        for known in &self.conns {
            let told = matches!(known.state, ConnState::Closing(_));
            assert!(told, "I10: nobody closes {known:?}");
        }
        while !self.conns.is_empty() {
            self.apply(&Op::PeerClosed(0));
        }
        let counted = &self.counted;
        assert_eq!(counted.acquired, counted.released, "I10: every lease ended");
        let closed: u64 = counted.closed.values().sum();
        assert_eq!(counted.opened, closed, "I10: every connection closed");
        let ended = counted.dialled + counted.dials_failed();
        assert_eq!(counted.dials, ended, "I10: every dial ended");
        assert!(
            self.state.retire_host(),
            "I10: something is left: {:?}",
            self.state
        );
    }

    fn came(
        &mut self,
        conn: ConnRef,
        addr: SocketAddr,
        told: Option<usize>,
        multiplexed: bool,
        state: ConnState,
    ) {
        self.counted.opened += 1;
        self.load.clear();
        self.conns.push(Known {
            conn,
            addr,
            state,
            told,
            multiplexed,
            in_flight: 0,
            uses: 0,
            errors: 0,
            in_a_row: 0,
            last_used: self.now,
            listed: false,
            returning: false,
        });
    }

    /// Writes a claim down. It is one that was allowed.
    fn take_claim(&mut self, claim: Claim) -> Held {
        self.assert_usable(&claim);
        let now = self.now;
        let known = self.known_mut(claim.conn).expect("it is usable");
        known.in_flight += 1;
        known.uses += 1;
        known.last_used = now;
        known.listed = false;
        self.counted.acquired += 1;
        Held::new(&claim)
    }

    fn leave_oldest(&mut self, mut idle: Vec<Known>, count: usize, reason: CloseReason) {
        let leaves = |known: &Known| {
            let slot = self.state.find(known.conn);
            slot.is_none_or(|slot| self.state.conns[slot].is_leaving())
        };
        // Of those idle equally long, whichever went.
        idle.sort_by_key(|known| (known.last_used, !leaves(known)));
        for known in idle.into_iter().take(count) {
            self.step.leave.push((known.conn.id, reason));
        }
    }

    /// Puts back the addresses whose time out of rotation is over.
    fn readmit(&mut self) {
        for standing in self.places.values_mut() {
            if matches!(standing, Standing::Ejected(Some(at)) if *at <= self.now) {
                *standing = Standing::Active;
            }
        }
    }

    fn next_id(&mut self) -> ConnId {
        self.ids += 1;
        ConnId(self.ids)
    }

    pub(super) fn known(&self, conn: ConnRef) -> Option<&Known> {
        self.conns.iter().find(|known| known.conn == conn)
    }

    pub(super) fn known_mut(&mut self, conn: ConnRef) -> Option<&mut Known> {
        self.conns.iter_mut().find(|known| known.conn == conn)
    }

    fn idle(&self, which: impl Fn(&Known) -> bool) -> Vec<Known> {
        let idle = self.conns.iter().filter(|known| known.is_idle());
        idle.filter(|known| which(known)).cloned().collect()
    }

    pub(super) fn is_active(&self, addr: SocketAddr) -> bool {
        self.places.get(&addr) == Some(&Standing::Active)
    }

    /// Leases at a time: the smaller of the peer's bound and ours; one until the peer has said.
    pub(super) fn limit_of(&self, known: &Known) -> usize {
        match known.told {
            Some(told) if known.multiplexed => told.min(self.limits.streams),
            _ => 1,
        }
    }

    pub(super) fn has_room(&self, known: &Known) -> bool {
        known.state == ConnState::Ready
            && known.in_flight < self.limit_of(known)
            && self.is_active(known.addr)
    }

    pub(super) fn usable(&self) -> impl Iterator<Item = &Known> {
        self.conns.iter().filter(|known| self.has_room(known))
    }

    fn is_quiet(&self) -> bool {
        self.conns.is_empty()
            && self.step.asked + self.dials.len() == 0
            && self.queues.queued() + self.granted.len() + self.refused.len() == 0
            && self.state.phase != Phase::Retired
    }

    /// Everything but the counts.
    fn print(&self) -> String {
        let mut state = self.state.clone();
        state.counters = Counters::default();
        format!("{state:?}")
    }
}

impl Held {
    fn new(claim: &Claim) -> Self {
        Self {
            conn: claim.conn,
            since: claim.since,
            within: false,
        }
    }
}

pub(super) fn pick<T: Clone>(from: &[T], at: usize) -> Option<T> {
    from.get(at.checked_rem(from.len())?).cloned()
}

fn take<T>(from: &mut Vec<T>, at: usize) -> Option<T> {
    let at = at.checked_rem(from.len())?;
    Some(from.remove(at))
}
