//! One host's state, pure: an event and the time come in, actions go out.
//!
//! Idle connections, permits, waiters and dials live here together, because limiters stacked on each other cannot
//! wake each other. Nothing here reads a clock, locks, wakes, logs or waits; whoever owns a [`HostState`] carries
//! the [`Action`]s out after it has let go of the lock.

#[cfg(test)]
mod audit;
mod checks;
mod conn;
mod dials;
mod endpoint;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use slab::Slab;
use smallvec::SmallVec;

use self::conn::{Conn, Idle};
pub(crate) use self::conn::{ConnRef, ConnState, seed};
use self::dials::Dial;
pub(crate) use self::dials::{Arrival, DialFailure, DialRef};
pub(crate) use self::endpoint::Standing;
use self::endpoint::{Endpoint, Ready};
use super::list::List;
use super::reason::CloseReason;
use super::waiters::{Place, WaiterRef, Waiters};
use crate::info::ConnId;

/// The limits of one host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HostLimits {
    pub(crate) conns: usize,
    pub(crate) per_endpoint: usize,
    pub(crate) dials: usize,
    pub(crate) waiters: usize,
    pub(crate) idle: usize,
    pub(crate) streams: usize,
    /// How many claims a host may serve while others starve, before it gives up a connection.
    pub(crate) fair_turn: usize,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_max: Duration,
}

/// What the owner must do after unlocking, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Hand this claim to the waiter and wake it.
    Grant(WaiterRef, Claim),
    /// Tell the waiter that it gets nothing, and wake it.
    Fail(WaiterRef, Refusal),
    /// Ask the budget for the right to dial once.
    Reserve,
    /// Look up the host's addresses.
    Resolve,
    /// Start this dial; the permits came with the event.
    Dial(DialRef, SocketAddr),
    /// Close this connection; report `closed` when its socket is gone.
    Close(ConnRef, CloseReason),
    /// Call `tick` at this time.
    WakeAt(Instant),
}

pub(crate) type Actions = SmallVec<[Action; 2]>;

/// A granted lease on a connection, with what was true of the connection just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) conn: ConnRef,
    /// Leases before this one.
    pub(crate) uses: u64,
    pub(crate) in_flight: usize,
    pub(crate) last_used: Instant,
    pub(crate) errors: u32,
    pub(crate) consecutive_errors: u32,
    pub(crate) multiplexed: bool,
}

/// Why a waiter gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The dials that were to serve it failed; the last error says how.
    Dial,
    /// The lookup failed; the last error says how.
    Resolve,
    /// Every address is out of rotation.
    Unavailable,
    /// Its deadline has passed.
    Late,
    Closed,
}

/// Why nobody may join the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    Full,
    Closed,
    /// The host was forgotten: look it up again.
    Retired,
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    Clean,
    /// The exchange failed, the connection did not.
    Failed,
    /// The connection must not be used again.
    Discard(CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closed,
    Retired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    /// Nobody will look them up; connections are added by hand.
    Manual,
    Unknown,
    Resolving,
    Known,
}

/// Counts of what has happened; at every quiescent point they conserve: `acquired = released + leased`,
/// `opened = closed + open`, `dials = dialled + failed + in flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) acquired: u64,
    pub(crate) released: u64,
    pub(crate) handed_off: u64,
    pub(crate) queued: u64,
    pub(crate) turned_away: u64,
    pub(crate) cancelled: u64,
    pub(crate) opened: u64,
    pub(crate) closed: BTreeMap<CloseReason, u64>,
    pub(crate) dials: u64,
    pub(crate) dialled: u64,
    pub(crate) dials_failed: u64,
}

impl Counters {
    /// Adds the counts of a host that was forgotten.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let Self {
            acquired,
            released,
            handed_off,
            queued,
            turned_away,
            cancelled,
            opened,
            closed,
            dials,
            dialled,
            dials_failed,
        } = other;
        self.acquired += acquired;
        self.released += released;
        self.handed_off += handed_off;
        self.queued += queued;
        self.turned_away += turned_away;
        self.cancelled += cancelled;
        self.opened += opened;
        for (reason, count) in closed {
            *self.closed.entry(*reason).or_default() += count;
        }
        self.dials += dials;
        self.dialled += dialled;
        self.dials_failed += dials_failed;
    }
}

#[derive(Debug)]
pub(crate) struct HostState {
    limits: HostLimits,
    phase: Phase,
    addresses: Addresses,
    endpoints: Slab<Endpoint>,
    ready: List<Ready>,
    conns: Slab<Conn>,
    idle: List<Idle>,
    waiters: Waiters,
    dials: Slab<Dial>,
    dial_serials: u64,
    /// What one dial is expected to bring, in leases.
    expected: usize,
    /// Claims served since others began to starve.
    turns: usize,
    /// The earliest time an ejected endpoint may come back by itself.
    readmit_at: Option<Instant>,
    /// No dial before this: this machine refused one.
    pause_until: Option<Instant>,
    /// The earliest tick asked for that is still to come.
    wake_asked: Option<Instant>,
    /// Connections under a check, or whose peer has not said its limit.
    coming: usize,
    /// Connections whose lease is on its way back.
    returning: usize,
    /// Connections that drain or close.
    leaving: usize,
    counters: Counters,
}

impl HostState {
    /// An empty host. `expected` is what a first dial may bring: 1 where only HTTP/1.1 is possible.
    pub(crate) fn new(limits: HostLimits, resolves: bool, expected: usize) -> Self {
        Self {
            limits,
            phase: Phase::Open,
            addresses: if resolves {
                Addresses::Unknown
            } else {
                Addresses::Manual
            },
            endpoints: Slab::new(),
            ready: List::default(),
            conns: Slab::new(),
            idle: List::default(),
            waiters: Waiters::default(),
            dials: Slab::new(),
            dial_serials: 0,
            expected: expected.max(1),
            turns: 0,
            readmit_at: None,
            pause_until: None,
            wake_asked: None,
            coming: 0,
            returning: 0,
            leaving: 0,
            counters: Counters::default(),
        }
    }

    /// Claims a connection with room, unless somebody is queued for one.
    ///
    /// `starving` says that other hosts wait for the shared limits. After `fair_turn` claims in such a time the
    /// connection next in line is given up instead.
    pub(crate) fn claim(
        &mut self,
        now: Instant,
        starving: bool,
        out: &mut Actions,
    ) -> Option<Claim> {
        if self.phase != Phase::Open || !self.waiters.is_empty() {
            return None;
        }
        self.readmit(now, out);
        loop {
            let slot = self.pick()?;
            if self.turn_is_over(starving) {
                self.retire(slot, CloseReason::Reclaimed, out);
                continue;
            }
            return Some(self.occupy(slot, now));
        }
    }

    /// Joins the queue.
    pub(crate) fn join(
        &mut self,
        place: Place,
        deadline: Option<Instant>,
        now: Instant,
        out: &mut Actions,
    ) -> Result<WaiterRef, Turned> {
        match self.phase {
            Phase::Open => {}
            Phase::Closed => return Err(Turned::Closed),
            Phase::Retired => return Err(Turned::Retired),
        }
        if place == Place::Back && self.waiters.len() >= self.limits.waiters {
            self.counters.turned_away += 1;
            return Err(Turned::Full);
        }
        self.counters.queued += 1;
        let waiter = self.waiters.join(place, deadline);
        self.plan(now, out);
        Ok(waiter)
    }

    /// A waiter has collected its outcome, or gives up. Returns whether it was still queued; if not, the caller
    /// owns what it was granted.
    pub(crate) fn leave(&mut self, waiter: WaiterRef) -> bool {
        let queued = self.waiters.collect(waiter);
        if queued {
            self.counters.cancelled += 1;
            if self.waiters.is_empty() {
                self.abandon_asked();
            }
        }
        queued
    }

    /// The exchange of the one lease on this connection is over: it comes back in a moment, so that whoever comes to wait
    /// needs no dial.
    pub(crate) fn expect_back(&mut self, conn: ConnRef) {
        let Some(slot) = self.find(conn) else { return };
        let conn = &mut self.conns[slot];
        if conn.state == ConnState::Ready && !conn.multiplexed && !conn.returning {
            conn.returning = true;
            self.returning += 1;
        }
    }

    /// A lease ended. An end for an earlier life only counts.
    pub(crate) fn release(
        &mut self,
        conn: ConnRef,
        how: Returned,
        now: Instant,
        starving: bool,
        out: &mut Actions,
    ) {
        self.counters.released += 1;
        let Some(slot) = self.find(conn) else { return };
        self.unlink_free(slot);
        self.is_back(slot);
        let conn = &mut self.conns[slot];
        conn.in_flight -= 1;
        // A check is not a use: a connection that came from the idle list has been idle all the while.
        if !conn.idle.is_linked() {
            conn.last_used = now;
        }
        match how {
            Returned::Clean => conn.consecutive_errors = 0,
            Returned::Failed | Returned::Discard(_) => {
                conn.errors = conn.errors.saturating_add(1);
                conn.consecutive_errors = conn.consecutive_errors.saturating_add(1);
            }
        }
        match (conn.state, how) {
            (ConnState::Closing(_), _) => {}
            (ConnState::Draining(_), _) => self.close_if_unused(slot, out),
            (ConnState::Ready | ConnState::Probing, Returned::Discard(reason)) => {
                self.retire(slot, reason, out);
            }
            // A lease within the check has ended; the check goes on.
            (ConnState::Probing, _) if conn.in_flight > 0 => {}
            (ConnState::Probing, _) => {
                self.set_state(slot, ConnState::Ready);
                self.offer(slot, now, out);
            }
            (ConnState::Ready, _) => {
                let idle = conn.in_flight == 0 && self.waiters.is_empty();
                if starving && idle || !self.waiters.is_empty() && self.turn_is_over(starving) {
                    self.turns = 0;
                    self.retire(slot, CloseReason::Reclaimed, out);
                } else {
                    self.offer(slot, now, out);
                }
            }
        }
        self.plan(now, out);
    }

    /// Adds a connection that was opened elsewhere. `None`: a limit or the phase forbids it, and it must be closed.
    pub(crate) fn add(
        &mut self,
        id: ConnId,
        addr: SocketAddr,
        limit: usize,
        multiplexed: bool,
        now: Instant,
        out: &mut Actions,
    ) -> Option<ConnRef> {
        if self.phase != Phase::Open || self.conns.len() + self.dials.len() >= self.limits.conns {
            return None;
        }
        let endpoint = self.endpoint_for(addr);
        if self.endpoints[endpoint].load() >= self.limits.per_endpoint {
            return None;
        }
        let conn = self.insert(id, endpoint, Some(limit), multiplexed, now);
        self.offer(conn.slot, now, out);
        // Its address may be new, and can be dialled too.
        self.plan(now, out);
        Some(conn)
    }

    /// Claims an idle connection for a check. Nobody else gets it until the lease is released.
    pub(crate) fn claim_for_check(&mut self, conn: ConnRef) -> Option<Claim> {
        let slot = self.find(conn)?;
        if !self.conns[slot].is_idle() || self.phase != Phase::Open {
            return None;
        }
        self.unlink_free(slot);
        self.counters.acquired += 1;
        self.set_state(slot, ConnState::Probing);
        let claimed = &mut self.conns[slot];
        let claim = claimed.claim(slot);
        claimed.in_flight = 1;
        Some(claim)
    }

    /// The peer allows this many streams at a time from now on.
    pub(crate) fn set_peer_limit(
        &mut self,
        conn: ConnRef,
        limit: usize,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(slot) = self.find(conn) else { return };
        self.count_state(slot, usize::wrapping_sub);
        self.conns[slot].peer_limit = Some(limit);
        self.count_state(slot, usize::wrapping_add);
        self.expected = limit.min(self.limits.streams).max(1);
        self.refit(slot, now, out);
        self.plan(now, out);
    }

    /// No new lease on this connection; it closes when the last one ends.
    pub(crate) fn drain(
        &mut self,
        conn: ConnRef,
        reason: CloseReason,
        now: Instant,
        out: &mut Actions,
    ) -> bool {
        let Some(slot) = self.find(conn) else {
            return false;
        };
        let drained = matches!(
            self.conns[slot].state,
            ConnState::Ready | ConnState::Probing
        );
        if drained {
            self.retire(slot, reason, out);
            self.plan(now, out);
        }
        drained
    }

    /// Closes the connection if it carries nothing; `false` if it is in use or gone.
    pub(crate) fn evict_idle(
        &mut self,
        conn: ConnRef,
        reason: CloseReason,
        now: Instant,
        out: &mut Actions,
    ) -> bool {
        let idle = self
            .find(conn)
            .is_some_and(|slot| self.conns[slot].is_idle());
        idle && self.drain(conn, reason, now, out)
    }

    /// Gives up the connection that has been idle longest, if that is at least `min_idle`.
    pub(crate) fn reclaim(&mut self, min_idle: Duration, now: Instant, out: &mut Actions) -> bool {
        let Some(slot) = self.longest_idle() else {
            return false;
        };
        if now.saturating_duration_since(self.conns[slot].last_used) < min_idle {
            return false;
        }
        self.retire(slot, CloseReason::Reclaimed, out);
        true
    }

    /// Closes an idle connection that nobody may claim, for another of this host.
    pub(crate) fn give_up_useless(&mut self, out: &mut Actions) -> bool {
        let useless = self.idle.iter(&self.conns).find(|&slot| {
            let conn = &self.conns[slot];
            conn.is_idle() && !self.endpoints[conn.endpoint].is_active()
        });
        if let Some(slot) = useless {
            self.retire(slot, CloseReason::Surplus, out);
        }
        useless.is_some()
    }

    /// Since when the longest idle connection has been idle.
    pub(crate) fn oldest_idle(&self) -> Option<Instant> {
        self.longest_idle().map(|slot| self.conns[slot].last_used)
    }

    /// The socket of this connection is gone. Returns why: what it was told to close for, if it was told.
    pub(crate) fn closed(
        &mut self,
        conn: ConnRef,
        reason: CloseReason,
        now: Instant,
        out: &mut Actions,
    ) -> Option<CloseReason> {
        let slot = self.find(conn)?;
        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.is_back(slot);
        self.count_state(slot, usize::wrapping_sub);
        let conn = self.conns.remove(slot);
        let reason = match conn.state {
            ConnState::Closing(told) | ConnState::Draining(told) => told,
            ConnState::Ready | ConnState::Probing => reason,
        };
        *self.counters.closed.entry(reason).or_default() += 1;
        self.endpoints[conn.endpoint].conns -= 1;
        self.forget_if_gone(conn.endpoint);
        self.plan(now, out);
        Some(reason)
    }

    /// The lookup's answer: new addresses join, missing ones drain.
    pub(crate) fn set_addresses(&mut self, addrs: &[SocketAddr], now: Instant, out: &mut Actions) {
        if self.addresses != Addresses::Manual {
            self.addresses = Addresses::Known;
        }
        let gone: Vec<usize> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| !addrs.contains(&endpoint.addr))
            .map(|(slot, _)| slot)
            .collect();
        for endpoint in gone {
            self.set_standing(endpoint, Standing::Gone, now, out);
            for slot in self.conns_of(endpoint) {
                if matches!(
                    self.conns[slot].state,
                    ConnState::Ready | ConnState::Probing
                ) {
                    self.retire(slot, CloseReason::EndpointGone, out);
                }
            }
            self.forget_if_gone(endpoint);
        }
        for &addr in addrs {
            let endpoint = self.endpoint_for(addr);
            if self.endpoints[endpoint].standing == Standing::Gone {
                self.set_standing(endpoint, Standing::Active, now, out);
            }
        }
        self.plan(now, out);
    }

    /// The lookup failed: those who wait for it learn so, unless there are addresses from before.
    pub(crate) fn lookup_failed(&mut self, now: Instant, out: &mut Actions) {
        if self.addresses != Addresses::Resolving {
            return;
        }
        self.addresses = Addresses::Unknown;
        self.refuse_all(Refusal::Resolve, out);
        self.plan(now, out);
    }

    /// The addresses may be out of date: the next who waits has them looked up. `false` while the host holds anything.
    pub(crate) fn forget_addresses(&mut self) -> bool {
        let quiet = self.is_quiet();
        if quiet && self.addresses == Addresses::Known {
            self.addresses = Addresses::Unknown;
        }
        quiet
    }

    /// Takes an address out of rotation, or back in. In-flight leases are not disturbed.
    pub(crate) fn judge_endpoint(
        &mut self,
        addr: SocketAddr,
        standing: Standing,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(endpoint) = self.endpoint_at(addr) else {
            return;
        };
        if self.endpoints[endpoint].standing == Standing::Gone {
            return;
        }
        if matches!(standing, Standing::Ejected(_)) && self.endpoints[endpoint].is_active() {
            let ejections = &mut self.endpoints[endpoint].stats.ejections;
            *ejections = ejections.saturating_add(1);
        }
        self.set_standing(endpoint, standing, now, out);
        self.readmit(now, out);
        if let Some(at) = self.readmit_at {
            // Its idle connections are to serve whoever waits by then, whatever else happens.
            self.wake_at(at, now, out);
        }
        self.plan(now, out);
    }

    /// Limits changed: raising serves waiters, lowering drains what is idle and lets the rest finish.
    pub(crate) fn set_limits(&mut self, limits: HostLimits, now: Instant, out: &mut Actions) {
        self.limits = limits;
        let slots: Vec<usize> = self.conns.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.refit(slot, now, out);
        }
        while (self.is_over() || self.idle.len() > limits.idle)
            && let Some(slot) = self.longest_idle()
        {
            self.retire(slot, CloseReason::Surplus, out);
        }
        self.plan(now, out);
    }

    /// A time asked for by [`Action::WakeAt`] has come.
    pub(crate) fn tick(&mut self, now: Instant, out: &mut Actions) {
        if self.wake_asked.is_some_and(|at| at <= now) {
            self.wake_asked = None;
        }
        self.readmit(now, out);
        self.plan(now, out);
    }

    /// No more leases: waiters are refused, idle connections close, busy ones drain.
    pub(crate) fn close(&mut self, out: &mut Actions) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Closed;
        self.refuse_all(Refusal::Closed, out);
        let slots: Vec<usize> = self.conns.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            if matches!(
                self.conns[slot].state,
                ConnState::Ready | ConnState::Probing
            ) {
                self.retire(slot, CloseReason::PoolClosed, out);
            }
        }
        self.abandon_asked();
    }

    /// Marks an empty host as forgotten. Nothing can enter it any more; `false` if it is not empty or was marked.
    ///
    /// A lease that outlived its connection keeps the host: its end is still to be counted.
    pub(crate) fn retire_host(&mut self) -> bool {
        let empty = self.is_quiet()
            && self.counters.acquired == self.counters.released
            && self.phase != Phase::Retired;
        if empty {
            self.phase = Phase::Retired;
        }
        empty
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.conns.is_empty() && self.dials.is_empty() && self.waiters.is_settled()
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.phase == Phase::Retired
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn queue_len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn dials_len(&self) -> usize {
        self.dials.len()
    }

    pub(crate) fn limits(&self) -> &HostLimits {
        &self.limits
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().map(|(_, endpoint)| endpoint)
    }

    pub(crate) fn endpoint(&self, addr: SocketAddr) -> Option<&Endpoint> {
        self.endpoint_at(addr).map(|slot| &self.endpoints[slot])
    }

    pub(crate) fn endpoint_mut(&mut self, addr: SocketAddr) -> Option<&mut Endpoint> {
        self.endpoint_at(addr).map(|slot| &mut self.endpoints[slot])
    }

    /// Every connection with its address and, if idle, how many have been idle for longer.
    pub(crate) fn conns(&self) -> impl Iterator<Item = (ConnRef, &Conn, SocketAddr)> {
        self.conns.iter().map(|(slot, conn)| {
            let addr = self.endpoints[conn.endpoint].addr;
            (ConnRef { slot, id: conn.id }, conn, addr)
        })
    }

    /// The idle connections, idle longest first.
    pub(crate) fn idle(&self) -> impl Iterator<Item = ConnRef> {
        self.idle.iter(&self.conns).map(|slot| ConnRef {
            slot,
            id: self.conns[slot].id,
        })
    }

    fn find(&self, conn: ConnRef) -> Option<usize> {
        let found = self.conns.get(conn.slot)?;
        (found.id == conn.id).then_some(conn.slot)
    }

    fn endpoint_at(&self, addr: SocketAddr) -> Option<usize> {
        self.endpoints
            .iter()
            .find(|(_, endpoint)| endpoint.addr == addr)
            .map(|(slot, _)| slot)
    }

    fn endpoint_for(&mut self, addr: SocketAddr) -> usize {
        match self.endpoint_at(addr) {
            Some(slot) => slot,
            None => self.endpoints.insert(Endpoint::new(addr)),
        }
    }

    fn conns_of(&self, endpoint: usize) -> Vec<usize> {
        let of = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.endpoint == endpoint);
        of.map(|(slot, _)| slot).collect()
    }

    /// Puts a new connection in the books. It is handed out only after `offer`.
    fn insert(
        &mut self,
        id: ConnId,
        endpoint: usize,
        peer_limit: Option<usize>,
        multiplexed: bool,
        now: Instant,
    ) -> ConnRef {
        self.counters.opened += 1;
        self.endpoints[endpoint].conns += 1;
        let slot = self.conns.insert(Conn {
            id,
            endpoint,
            state: ConnState::Ready,
            limit: self.limit_for(peer_limit, multiplexed),
            peer_limit,
            multiplexed,
            in_flight: 0,
            created: now,
            last_used: now,
            uses: 0,
            errors: 0,
            consecutive_errors: 0,
            returning: false,
            free: super::list::Links::default(),
            idle: super::list::Links::default(),
        });
        self.count_state(slot, usize::wrapping_add);
        ConnRef { slot, id }
    }

    fn limit_for(&self, peer_limit: Option<usize>, multiplexed: bool) -> usize {
        match peer_limit {
            Some(limit) if multiplexed => limit.min(self.limits.streams),
            Some(_) | None => 1,
        }
    }

    /// The connection to claim next, rotating over the addresses.
    fn pick(&mut self) -> Option<usize> {
        let endpoint = self.ready.front()?;
        self.ready.remove(&mut self.endpoints, endpoint);
        self.ready.push_back(&mut self.endpoints, endpoint);
        let slot = self.endpoints[endpoint].pick(&self.conns);
        debug_assert!(
            slot.is_some(),
            "an endpoint is in rotation only while it has a connection with room"
        );
        slot
    }

    /// Counts one lease more on the connection.
    fn occupy(&mut self, slot: usize, now: Instant) -> Claim {
        self.unlink_free(slot);
        self.unlink_idle(slot);
        let conn = &mut self.conns[slot];
        let claim = conn.claim(slot);
        conn.in_flight += 1;
        conn.uses += 1;
        conn.last_used = now;
        self.counters.acquired += 1;
        self.link_free(slot);
        claim
    }

    /// Gives the connection's room to the head of the queue, and parks what is left.
    fn offer(&mut self, slot: usize, now: Instant, out: &mut Actions) {
        if self.phase != Phase::Open {
            return self.retire(slot, CloseReason::PoolClosed, out);
        }
        if self.is_over() {
            return self.retire(slot, CloseReason::Surplus, out);
        }
        match self.endpoints[self.conns[slot].endpoint].standing {
            Standing::Gone => return self.retire(slot, CloseReason::EndpointGone, out),
            Standing::Active => {
                while self.conns[slot].has_room() {
                    let Some(waiter) = self.waiters.head() else {
                        break;
                    };
                    self.waiters.settle(waiter);
                    if self.waiters.is_late(waiter, now) {
                        out.push(Action::Fail(waiter, Refusal::Late));
                        continue;
                    }
                    self.counters.handed_off += 1;
                    let claim = self.occupy(slot, now);
                    out.push(Action::Grant(waiter, claim));
                }
            }
            Standing::Ejected(_) => {}
        }
        self.link_free(slot);
        if self.conns[slot].is_idle() && !self.conns[slot].idle.is_linked() {
            self.idle.push_back(&mut self.conns, slot);
            if self.idle.len() > self.limits.idle
                && let Some(oldest) = self.longest_idle()
            {
                self.retire(oldest, CloseReason::Surplus, out);
            }
        }
    }

    /// Takes the connection out of use: it closes now if it carries nothing, else with its last lease.
    fn retire(&mut self, slot: usize, reason: CloseReason, out: &mut Actions) {
        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.set_state(slot, ConnState::Draining(reason));
        self.close_if_unused(slot, out);
    }

    fn close_if_unused(&mut self, slot: usize, out: &mut Actions) {
        let conn = &self.conns[slot];
        let name = ConnRef { slot, id: conn.id };
        // HTTP/1.1 closes at once whatever became of the exchange: its lease was the only one.
        if let ConnState::Draining(reason) = conn.state
            && conn.in_flight == 0
        {
            self.set_state(slot, ConnState::Closing(reason));
            out.push(Action::Close(name, reason));
        }
    }

    fn set_state(&mut self, slot: usize, state: ConnState) {
        self.count_state(slot, usize::wrapping_sub);
        self.conns[slot].state = state;
        self.count_state(slot, usize::wrapping_add);
    }

    /// Adds the connection to the counts by state, or takes it out.
    fn count_state(&mut self, slot: usize, count: impl Fn(usize, usize) -> usize) {
        let conn = &self.conns[slot];
        let coming = usize::from(conn.is_coming());
        let leaving = usize::from(conn.is_leaving());
        self.coming = count(self.coming, coming);
        self.leaving = count(self.leaving, leaving);
    }

    /// Whether there are more connections than allowed, without those that are on their way out.
    fn is_over(&self) -> bool {
        self.conns.len() - self.leaving > self.limits.conns
    }

    /// The connection that has been idle longest; one under a check is not idle, though it keeps its place.
    fn longest_idle(&self) -> Option<usize> {
        self.idle
            .iter(&self.conns)
            .find(|&slot| self.conns[slot].is_idle())
    }

    /// Recomputes a connection's limit after the peer's or ours has changed.
    fn refit(&mut self, slot: usize, now: Instant, out: &mut Actions) {
        if !self.conns[slot].multiplexed {
            return;
        }
        self.unlink_free(slot);
        self.conns[slot].limit = self.limit_for(self.conns[slot].peer_limit, true);
        if self.conns[slot].state == ConnState::Ready {
            self.offer(slot, now, out);
        }
    }

    fn link_free(&mut self, slot: usize) {
        let conn = &self.conns[slot];
        let endpoint = conn.endpoint;
        if !conn.has_room() || conn.free.is_linked() || !self.endpoints[endpoint].is_active() {
            return;
        }
        self.endpoints[endpoint].insert_free(&mut self.conns, slot);
        if !self.endpoints[endpoint].ready.is_linked() {
            self.ready.push_back(&mut self.endpoints, endpoint);
        }
    }

    fn unlink_free(&mut self, slot: usize) {
        let conn = &self.conns[slot];
        if !conn.free.is_linked() {
            return;
        }
        let (endpoint, in_flight) = (conn.endpoint, conn.in_flight);
        self.endpoints[endpoint].remove_free(&mut self.conns, slot, in_flight);
        if !self.endpoints[endpoint].has_free() {
            self.ready.remove(&mut self.endpoints, endpoint);
        }
    }

    fn is_back(&mut self, slot: usize) {
        if std::mem::take(&mut self.conns[slot].returning) {
            self.returning -= 1;
        }
    }

    fn unlink_idle(&mut self, slot: usize) {
        if self.conns[slot].idle.is_linked() {
            self.idle.remove(&mut self.conns, slot);
        }
    }

    fn set_standing(
        &mut self,
        endpoint: usize,
        standing: Standing,
        now: Instant,
        out: &mut Actions,
    ) {
        self.endpoints[endpoint].standing = standing;
        let ready: Vec<usize> = self
            .conns_of(endpoint)
            .into_iter()
            .filter(|&slot| self.conns[slot].state == ConnState::Ready)
            .collect();
        match standing {
            Standing::Active => {
                self.endpoints[endpoint].backoff_until = None;
                for slot in ready {
                    self.offer(slot, now, out);
                }
            }
            Standing::Ejected(until) => {
                for slot in ready {
                    self.unlink_free(slot);
                }
                if let Some(at) = until {
                    self.readmit_at = Some(self.readmit_at.map_or(at, |known| known.min(at)));
                }
            }
            Standing::Gone => {}
        }
    }

    /// Puts back the endpoints whose time out of rotation is over.
    fn readmit(&mut self, now: Instant, out: &mut Actions) {
        if self.readmit_at.is_none_or(|at| at > now) {
            return;
        }
        let due = |endpoint: &Endpoint| matches!(endpoint.standing, Standing::Ejected(Some(at)) if at <= now);
        let back: Vec<usize> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| due(endpoint))
            .map(|(slot, _)| slot)
            .collect();
        for endpoint in back {
            self.endpoints[endpoint].standing = Standing::Active;
            self.endpoints[endpoint].stats.consecutive_failures = 0;
            self.endpoints[endpoint].stats.consecutive_local = 0;
            self.endpoints[endpoint].stats.consecutive_remote = 0;
            for slot in self.conns_of(endpoint) {
                if self.conns[slot].state == ConnState::Ready {
                    self.offer(slot, now, out);
                }
            }
        }
        let left = self
            .endpoints
            .iter()
            .filter_map(|(_, endpoint)| match endpoint.standing {
                Standing::Ejected(until) => until,
                Standing::Active | Standing::Gone => None,
            });
        self.readmit_at = left.min();
        if let Some(at) = self.readmit_at {
            self.wake_at(at, now, out);
        }
    }

    /// Asks for a tick, unless one is due by then.
    fn wake_at(&mut self, at: Instant, now: Instant, out: &mut Actions) {
        if self
            .wake_asked
            .is_none_or(|asked| asked <= now || asked > at)
        {
            self.wake_asked = Some(at);
            out.push(Action::WakeAt(at));
        }
    }

    fn forget_if_gone(&mut self, endpoint: usize) {
        let found = &self.endpoints[endpoint];
        if found.standing == Standing::Gone && found.load() == 0 {
            self.endpoints.remove(endpoint);
        }
    }

    /// Whether this host has had its share while others starve; counts one more claim if not.
    fn turn_is_over(&mut self, starving: bool) -> bool {
        if !starving {
            self.turns = 0;
            return false;
        }
        if self.turns >= self.limits.fair_turn {
            self.turns = 0;
            return true;
        }
        self.turns += 1;
        false
    }

    fn refuse_all(&mut self, why: Refusal, out: &mut Actions) {
        for waiter in self.waiters.all() {
            self.waiters.settle(waiter);
            out.push(Action::Fail(waiter, why));
        }
    }
}
