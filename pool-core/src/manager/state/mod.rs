//! One host's state, pure: an event and the time come in, actions go out.
//!
//! Idle connections, permits, waiters and dials live here together, because limiters stacked on each other cannot
//! wake each other. Nothing here reads a clock, locks, wakes, logs or waits; whoever owns a [`HostState`] carries
//! the [`Action`]s out after it has let go of the lock.

mod action;
mod addresses;
#[cfg(test)]
mod audit;
mod books;
mod changes;
mod checks;
mod conn;
mod counters;
mod dials;
mod endpoint;
mod ewma;
mod load;
#[cfg(test)]
mod model;
mod silent;
mod surplus;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use slab::Slab;
use smallvec::SmallVec;

pub(crate) use self::action::{Action, Actions, Claim, Full, Leased, Refusal, Returned, Turned};
use self::changes::Touched;
use self::checks::Learned;
pub(crate) use self::conn::Conn;
use self::conn::Idle;
pub(crate) use self::conn::{ConnRef, ConnState, seed};
pub(crate) use self::counters::Counters;
use self::dials::Dial;
pub(crate) use self::dials::{Arrival, DialFailure, DialRef};
pub(crate) use self::endpoint::Endpoint;
use self::endpoint::Ready;
pub(crate) use self::endpoint::Standing;
use self::ewma::Ewma;
use self::load::Load;
use super::list::List;
use super::reason::CloseReason;
use super::waiters::{Place, WaiterRef, Waiters};
use crate::config::DialWhenBusy;
use crate::info::ConnId;

/// The limits of one host. What a claim and its release look at comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct HostLimits {
    /// Whether somebody wants to know what changes on endpoints.
    pub(crate) selects: bool,
    /// How many leases on a connection are many.
    pub(crate) heavy: usize,
    pub(crate) when_busy: DialWhenBusy,
    pub(crate) conns: usize,
    pub(crate) idle: usize,
    pub(crate) streams: usize,
    /// How many claims a host may serve while others starve, before it gives up a connection.
    pub(crate) fair_turn: usize,
    /// How many connections may be opened because each carries many leases, while streams are left.
    pub(crate) spread: usize,
    /// How long they must have carried many.
    pub(crate) spread_after: Duration,
    pub(crate) per_endpoint: usize,
    pub(crate) dials: usize,
    pub(crate) waiters: usize,
    /// How long a dial may be without a word from its address before another one is tried beside it. `MAX`: for ever.
    pub(crate) attempt_delay: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_max: Duration,
    /// The share of a wait that chance may take off, 0 to 1.
    pub(crate) jitter: f64,
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

/// What a claim and its release change comes first, then what they only read: a thread that takes the lock after another
/// waits for each cache line that the other has written.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct HostState {
    /// The endpoints that have a connection with room, in rotation order.
    ready: List<Ready>,
    /// Those of them where an exchange failed lately: used while no other has room.
    doubtful: List<Ready>,
    idle: List<Idle>,
    /// Claims served since others began to starve.
    turns: usize,
    /// The slots of connections that changed since they were last published.
    touched: Touched,
    counters: Counters,
    /// How long leases lasted lately.
    hold: Ewma,
    load: Load,
    dials: Slab<Dial>,
    waiters: Waiters,
    conns: Slab<Conn>,
    endpoints: Slab<Endpoint>,
    /// The earliest time an ejected endpoint may come back by itself.
    readmit_at: Option<Instant>,
    /// The earliest time a doubt may end.
    trust_again_at: Option<Instant>,
    /// Connections that drain or close.
    leaving: usize,
    phase: Phase,
    addresses: Addresses,
    limits: HostLimits,
    dial_serials: u64,
    /// What one dial is expected to bring, in leases.
    expected: usize,
    /// No dial before this: this machine refused one.
    pause_until: Option<Instant>,
    /// The earliest tick asked for that is still to come.
    wake_asked: Option<Instant>,
    /// Connections under a check, or whose peer has not said its limit.
    coming: usize,
    /// Connections whose lease is on its way back.
    returning: usize,
    /// How long dials took lately.
    connect: Ewma,
    /// Asked with every response, never gone through: its order decides nothing.
    by_addr: HashMap<SocketAddr, usize, foldhash::quality::RandomState>,
    by_id: HashMap<ConnId, usize>,
    /// Of endpoints, if anybody wants to know.
    touched_endpoints: SmallVec<[usize; 2]>,
    /// Counts the comings and goings of endpoints.
    endpoint_changes: u64,
    /// Endpoints out of rotation that are on the address list.
    ejected: usize,
    /// Endpoints that are not on it any more.
    gone: usize,
    learned: Learned,
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
            learned: Learned::default(),
            by_addr: HashMap::default(),
            ready: List::default(),
            doubtful: List::default(),
            conns: Slab::new(),
            by_id: HashMap::new(),
            idle: List::default(),
            waiters: Waiters::default(),
            dials: Slab::new(),
            dial_serials: 0,
            expected: expected.max(1),
            turns: 0,
            readmit_at: None,
            pause_until: None,
            trust_again_at: None,
            wake_asked: None,
            coming: 0,
            returning: 0,
            leaving: 0,
            hold: Ewma::default(),
            load: Load::default(),
            connect: Ewma::default(),
            counters: Counters::default(),
            touched: Touched::default(),
            touched_endpoints: SmallVec::new(),
            endpoint_changes: 0,
            ejected: 0,
            gone: 0,
        }
    }

    /// Claims a connection with room, unless somebody is queued for one.
    ///
    /// `starving` says that other hosts wait for the shared limits. After `fair_turn` claims in such a time the
    /// connection next in line is given up instead.
    #[inline]
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
            let slot = self.pick(now)?;
            if self.turn_is_over(starving) {
                self.retire(slot, CloseReason::Reclaimed, out);
                continue;
            }
            let claim = self.occupy(slot, now);
            self.weigh(claim.in_flight, now, out);
            return Some(claim);
        }
    }

    /// Claims this connection and no other, if it has room.
    ///
    /// Nobody is passed by: a connection with room has nobody waiting for it.
    pub(crate) fn claim_on(&mut self, conn: ConnRef, now: Instant) -> Option<Claim> {
        let slot = self.find(conn)?;
        let free = self.phase == Phase::Open && self.conns[slot].free.is_linked();
        free.then(|| self.occupy(slot, now))
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
        if let Place::On(conn) = place
            && self
                .slot_of(conn)
                .is_none_or(|slot| self.conns[slot].is_leaving())
        {
            return Err(Turned::Gone);
        }
        if place != Place::Front && self.waiters.queued() >= self.limits.waiters {
            self.counters.turned_away += 1;
            return Err(Turned::Full);
        }
        self.counters.queued += 1;
        let waiter = self.waiters.join(place, deadline, now);
        let longest = self.counters.longest_queue.max(self.waiters.queued());
        self.counters.longest_queue = longest;
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
    #[inline]
    pub(crate) fn release(
        &mut self,
        lease: Leased,
        how: Returned,
        now: Instant,
        starving: bool,
        out: &mut Actions,
    ) {
        self.counters.released += 1;
        let Some(slot) = self.find(lease.conn) else {
            return;
        };
        if self.limits.when_busy == DialWhenBusy::IfWaitExceedsConnect {
            self.hold.record(now.saturating_duration_since(lease.since));
        }
        self.unlink_free(slot);
        self.is_back(slot);
        self.touch(slot);
        let endpoint = self.conns[slot].endpoint;
        self.endpoints[endpoint].in_flight -= 1;
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
                let (in_flight, id) = (conn.in_flight, conn.id);
                self.ease(in_flight, now);
                let idle = in_flight == 0;
                let wanted = self.waiters.next(id).is_some();
                if starving && idle && !wanted || wanted && self.turn_is_over(starving) {
                    self.turns = 0;
                    self.retire(slot, CloseReason::Reclaimed, out);
                } else {
                    self.offer(slot, now, out);
                }
            }
        }
        self.plan(now, out);
    }

    /// Adds a connection that was opened elsewhere.
    ///
    /// # Errors
    ///
    /// The limit, or the phase, that forbids it; the connection must be closed then.
    pub(crate) fn add(
        &mut self,
        id: ConnId,
        addr: SocketAddr,
        limit: usize,
        multiplexed: bool,
        now: Instant,
        out: &mut Actions,
    ) -> Result<ConnRef, Full> {
        match self.phase {
            Phase::Open => {}
            Phase::Closed => return Err(Full::Closed),
            Phase::Retired => return Err(Full::Retired),
        }
        if self.conns.len() + self.dials.len() >= self.limits.conns {
            return Err(Full::Host(self.limits.conns));
        }
        let load = self.endpoint(addr).map_or(0, Endpoint::load);
        if load >= self.limits.per_endpoint {
            return Err(Full::Endpoint(self.limits.per_endpoint));
        }
        let endpoint = self.endpoint_for(addr);
        let conn = self.insert(id, endpoint, Some(limit), multiplexed, now);
        self.offer(conn.slot, now, out);
        // Its address may be new, and can be dialled too.
        self.plan(now, out);
        Ok(conn)
    }

    /// Closes the connection to this address that has been idle longest, for another in its place.
    pub(crate) fn give_way(
        &mut self,
        addr: SocketAddr,
        now: Instant,
        out: &mut Actions,
    ) -> Option<ConnRef> {
        let endpoint = self.endpoint_at(addr)?;
        let conns = self.conns_of(endpoint).into_iter();
        let idle = conns.filter(|&slot| self.conns[slot].is_idle());
        let slot = idle.min_by_key(|&slot| self.conns[slot].last_used)?;
        let id = self.conns[slot].id;
        self.retire(slot, CloseReason::Replaced, out);
        // Whoever waits may have counted on it, and what it makes way for may not come.
        self.plan(now, out);
        Some(ConnRef { slot, id })
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
            self.learn_from_end(slot, reason, now);
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

    /// Closes connections that have been idle for longer than `max_idle`, longest first and at most `most` of them.
    pub(crate) fn evict_idle_for(
        &mut self,
        max_idle: Duration,
        most: usize,
        now: Instant,
        out: &mut Actions,
    ) -> usize {
        let mut evicted = 0;
        while evicted < most
            && let Some(slot) = self.longest_idle()
            && now.saturating_duration_since(self.conns[slot].last_used) > max_idle
        {
            self.retire(slot, CloseReason::Idle, out);
            evicted += 1;
        }
        if evicted > 0 {
            self.plan(now, out);
        }
        evicted
    }

    /// Gives up the connection that has been idle longest, if that is at least `min_idle`.
    pub(crate) fn reclaim(&mut self, min_idle: Duration, now: Instant, out: &mut Actions) -> bool {
        let Some(slot) = self.longest_idle() else {
            return false;
        };
        if now.saturating_duration_since(self.conns[slot].last_used) < min_idle {
            return false;
        }
        self.counters.stolen += 1;
        self.retire(slot, CloseReason::Reclaimed, out);
        // Whoever waits may have counted on it.
        self.plan(now, out);
        true
    }

    /// How many connections carry no lease, those under a check included.
    pub(crate) fn idle_len(&self) -> usize {
        self.idle.len()
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
        self.learn_from_end(slot, reason, now);
        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.is_back(slot);
        self.dismiss(slot, out);
        self.count_state(slot, usize::wrapping_sub);
        let endpoint = self.conns[slot].endpoint;
        self.endpoints[endpoint].remove_conn(&mut self.conns, slot);
        let conn = self.conns.remove(slot);
        self.by_id.remove(&conn.id);
        let reason = match conn.state {
            ConnState::Closing(told) | ConnState::Draining(told) => told,
            ConnState::Ready | ConnState::Probing => reason,
        };
        *self.counters.closed.entry(reason).or_default() += 1;
        self.endpoints[endpoint].in_flight -= conn.in_flight;
        self.touch_endpoint(endpoint);
        self.forget_if_gone(endpoint);
        self.plan(now, out);
        Some(reason)
    }

    /// Limits changed: raising serves waiters, lowering drains what is idle and lets the rest finish.
    pub(crate) fn set_limits(&mut self, limits: HostLimits, now: Instant, out: &mut Actions) {
        self.limits = limits;
        // Before the streams are looked at: of a surplus what is busy would go first there.
        while (self.is_over() || self.idle.len() > limits.idle)
            && let Some(slot) = self.longest_idle()
        {
            self.retire(slot, CloseReason::Surplus, out);
        }
        let endpoints: Vec<usize> = self.endpoints.iter().map(|(slot, _)| slot).collect();
        for endpoint in endpoints {
            self.trim(endpoint, out);
        }
        let slots: Vec<usize> = self.conns.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.refit(slot, now, out);
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
        self.refuse_pinned(Refusal::Closed, out);
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

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn queue_len(&self) -> usize {
        self.waiters.queued()
    }

    pub(crate) fn dials_len(&self) -> usize {
        self.dials.len()
    }

    pub(crate) fn limits(&self) -> &HostLimits {
        &self.limits
    }

    /// Every connection with its address.
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

    /// Whether this host has had its share while others starve; counts one more claim if not.
    #[inline]
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

    /// Nobody drives this host any more: those who wait get the last error.
    pub(crate) fn give_up(&mut self, out: &mut Actions) {
        self.wake_asked = None;
        self.refuse_all(Refusal::Dial, out);
        self.abandon_asked();
    }

    fn refuse_all(&mut self, why: Refusal, out: &mut Actions) {
        for waiter in self.waiters.all() {
            self.waiters.settle(waiter);
            out.push(Action::Fail(waiter, why));
        }
    }

    /// As [`refuse_all`](Self::refuse_all), for those who wait for one certain connection.
    fn refuse_pinned(&mut self, why: Refusal, out: &mut Actions) {
        for waiter in self.waiters.all_pinned() {
            self.waiters.settle(waiter);
            out.push(Action::Fail(waiter, why));
        }
    }
}
