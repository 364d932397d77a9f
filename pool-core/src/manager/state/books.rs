//! The books of a host: each connection in exactly the lists where it belongs.

use std::net::SocketAddr;
use std::time::Instant;

use super::conn::{Conn, ConnRef, ConnState};
use super::endpoint::{Endpoint, Standing};
use super::load::Load;
use super::{Action, Actions, Claim, HostState, Phase, Refusal};
use crate::info::ConnId;
use crate::manager::list::{Links, begin_with_one};
use crate::manager::reason::CloseReason;

impl HostState {
    #[inline]
    pub(super) fn find(&self, conn: ConnRef) -> Option<usize> {
        let found = self.conns.get(conn.slot)?;
        (found.id == conn.id).then_some(conn.slot)
    }

    pub(super) fn slot_of(&self, id: ConnId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The connection with this id, if there is one.
    pub(crate) fn named(&self, id: ConnId) -> Option<ConnRef> {
        self.slot_of(id).map(|slot| ConnRef { slot, id })
    }

    /// When this connection was opened.
    pub(crate) fn opened(&self, conn: ConnRef) -> Option<Instant> {
        self.find(conn).map(|slot| self.conns[slot].created)
    }

    pub(super) fn conns_of(&self, endpoint: usize) -> Vec<usize> {
        self.endpoints[endpoint].conns(&self.conns)
    }

    /// The connections to this address.
    pub(crate) fn conns_at(&self, addr: SocketAddr) -> Vec<ConnRef> {
        let slots = self.endpoint_at(addr).map(|at| self.conns_of(at));
        let slots = slots.unwrap_or_default().into_iter();
        let name = |slot| ConnRef {
            slot,
            id: self.conns[slot].id,
        };
        slots.map(name).collect()
    }

    /// Puts a new connection in the books. It is handed out only after `offer`.
    pub(super) fn insert(
        &mut self,
        id: ConnId,
        endpoint: usize,
        peer_limit: Option<usize>,
        multiplexed: bool,
        now: Instant,
    ) -> ConnRef {
        self.counters.opened += 1;
        // Under another load from now on.
        self.load = Load::None;
        begin_with_one(&mut self.conns);
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
            free: Links::default(),
            idle: Links::default(),
            home: Links::default(),
        });
        self.endpoints[endpoint].insert_conn(&mut self.conns, slot);
        self.by_id.insert(id, slot);
        self.count_state(slot, usize::wrapping_add);
        self.touch(slot);
        ConnRef { slot, id }
    }

    pub(super) fn limit_for(&self, peer_limit: Option<usize>, multiplexed: bool) -> usize {
        match peer_limit {
            Some(limit) if multiplexed => limit.min(self.limits.streams),
            Some(_) | None => 1,
        }
    }

    /// The connection to claim next, rotating over the addresses; one that is doubted only while no other has room.
    #[inline]
    pub(super) fn pick(&mut self, now: Instant) -> Option<usize> {
        if self.trust_again_at.is_some_and(|at| at <= now) {
            self.trust_again(now);
        }
        let list = if self.ready.is_empty() {
            &mut self.doubtful
        } else {
            &mut self.ready
        };
        let endpoint = list.front()?;
        if list.len() > 1 {
            list.remove(&mut self.endpoints, endpoint);
            list.push_back(&mut self.endpoints, endpoint);
        }
        let slot = self.endpoints[endpoint].pick(&self.conns);
        debug_assert!(
            slot.is_some(),
            "an endpoint is in rotation only while it has a connection with room"
        );
        slot
    }

    /// Counts one lease more on the connection.
    #[inline]
    pub(super) fn occupy(&mut self, slot: usize, now: Instant) -> Claim {
        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.touch(slot);
        let conn = &mut self.conns[slot];
        let mut claim = conn.claim(slot, now);
        claim.idle_limit = self.learned.known_idle_limit;
        if claim.idle_limit.is_some() && conn.in_flight == 0 {
            let idle = now.saturating_duration_since(conn.last_used);
            self.learned.survived(idle);
        }
        conn.in_flight += 1;
        conn.uses += 1;
        conn.last_used = now;
        self.endpoints[conn.endpoint].in_flight += 1;
        self.counters.acquired += 1;
        self.link_free(slot);
        claim
    }

    /// Gives the connection's room to the head of the queue, and parks what is left.
    #[inline]
    pub(super) fn offer(&mut self, slot: usize, now: Instant, out: &mut Actions) {
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
                    let Some(waiter) = self.waiters.next(self.conns[slot].id) else {
                        break;
                    };
                    if self.waiters.is_late(waiter, now) {
                        self.waiters.settle(waiter);
                        out.push(Action::Fail(waiter, Refusal::Late));
                        continue;
                    }
                    self.waiters.serve(waiter);
                    self.counters.handed_off += 1;
                    let claim = self.occupy(slot, now);
                    out.push(Action::Grant(waiter, claim));
                }
            }
            Standing::Ejected(_) => {}
        }
        self.link_free(slot);
        if self.conns[slot].is_idle() {
            // After a check it is in its place already; the limit may have been lowered meanwhile.
            if !self.conns[slot].idle.is_linked() {
                self.idle.push_back(&mut self.conns, slot);
            }
            if self.idle.len() > self.limits.idle
                && let Some(oldest) = self.longest_idle()
            {
                self.retire(oldest, CloseReason::Surplus, out);
            }
        }
    }

    /// Takes the connection out of use: it closes now if it carries nothing, else with its last lease.
    pub(super) fn retire(&mut self, slot: usize, reason: CloseReason, out: &mut Actions) {
        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.dismiss(slot, out);
        self.set_state(slot, ConnState::Draining(reason));
        self.close_if_unused(slot, out);
    }

    /// Tells those who wait for this connection and no other that it is not to be had.
    pub(super) fn dismiss(&mut self, slot: usize, out: &mut Actions) {
        for waiter in self.waiters.pinned_to(self.conns[slot].id) {
            self.waiters.settle(waiter);
            out.push(Action::Fail(waiter, Refusal::Gone));
        }
    }

    pub(super) fn close_if_unused(&mut self, slot: usize, out: &mut Actions) {
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

    /// Recomputes a connection's limit after the peer's or ours has changed.
    pub(super) fn refit(&mut self, slot: usize, now: Instant, out: &mut Actions) {
        if !self.conns[slot].multiplexed {
            return;
        }
        self.unlink_free(slot);
        self.touch(slot);
        self.conns[slot].limit = self.limit_for(self.conns[slot].peer_limit, true);
        if self.conns[slot].state == ConnState::Ready {
            self.offer(slot, now, out);
        }
    }

    pub(super) fn set_state(&mut self, slot: usize, state: ConnState) {
        self.count_state(slot, usize::wrapping_sub);
        self.conns[slot].state = state;
        self.count_state(slot, usize::wrapping_add);
        self.touch(slot);
    }

    /// Adds the connection to the counts by state, or takes it out.
    pub(super) fn count_state(&mut self, slot: usize, count: impl Fn(usize, usize) -> usize) {
        let conn = &self.conns[slot];
        let coming = usize::from(conn.is_coming());
        let leaving = usize::from(conn.is_leaving());
        self.coming = count(self.coming, coming);
        self.leaving = count(self.leaving, leaving);
    }

    /// Whether there are more connections than allowed, without those that are on their way out.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.conns.len() - self.leaving > self.limits.conns
    }

    /// The connection that has been idle longest; one under a check is not idle, though it keeps its place.
    pub(super) fn longest_idle(&self) -> Option<usize> {
        self.idle
            .iter(&self.conns)
            .find(|&slot| self.conns[slot].is_idle())
    }

    #[inline]
    pub(super) fn link_free(&mut self, slot: usize) {
        let conn = &self.conns[slot];
        let endpoint = conn.endpoint;
        if !conn.has_room() || conn.free.is_linked() || !self.endpoints[endpoint].is_active() {
            return;
        }
        self.endpoints[endpoint].insert_free(&mut self.conns, slot);
        if !self.endpoints[endpoint].ready.is_linked() {
            self.link_ready(endpoint);
        }
    }

    #[inline]
    pub(super) fn unlink_free(&mut self, slot: usize) {
        let conn = &self.conns[slot];
        if !conn.free.is_linked() {
            return;
        }
        let (endpoint, in_flight) = (conn.endpoint, conn.in_flight);
        self.endpoints[endpoint].remove_free(&mut self.conns, slot, in_flight);
        if !self.endpoints[endpoint].has_free() {
            self.unlink_ready(endpoint);
        }
    }

    /// An endpoint that has room joins the rotation; a doubted one stands apart.
    fn link_ready(&mut self, endpoint: usize) {
        match self.endpoints[endpoint].doubted_until {
            None => self.ready.push_back(&mut self.endpoints, endpoint),
            Some(_) => self.doubtful.push_back(&mut self.endpoints, endpoint),
        }
    }

    fn unlink_ready(&mut self, endpoint: usize) {
        match self.endpoints[endpoint].doubted_until {
            None => self.ready.remove(&mut self.endpoints, endpoint),
            Some(_) => self.doubtful.remove(&mut self.endpoints, endpoint),
        }
    }

    /// An exchange failed at this endpoint: others come first for a while.
    pub(super) fn doubt(&mut self, endpoint: usize, now: Instant) {
        let linked = self.endpoints[endpoint].ready.is_linked();
        if linked {
            self.unlink_ready(endpoint);
        }
        let (base, max) = (self.limits.backoff_base, self.limits.backoff_max);
        let cut = self.cut();
        self.endpoints[endpoint].doubt(now, base, max, cut);
        if linked {
            self.link_ready(endpoint);
        }
        self.touch_endpoint(endpoint);
        let until = self.endpoints[endpoint].doubted_until;
        self.trust_again_at = [self.trust_again_at, until].into_iter().flatten().min();
    }

    /// An exchange succeeded at this endpoint.
    pub(super) fn trust(&mut self, endpoint: usize) {
        self.endpoints[endpoint].doubts = 0;
        self.end_doubt(endpoint);
    }

    fn end_doubt(&mut self, endpoint: usize) {
        if self.endpoints[endpoint].doubted_until.is_none() {
            return;
        }
        let linked = self.endpoints[endpoint].ready.is_linked();
        if linked {
            self.unlink_ready(endpoint);
        }
        self.endpoints[endpoint].doubted_until = None;
        self.touch_endpoint(endpoint);
        if linked {
            self.link_ready(endpoint);
        }
    }

    /// Ends the doubts whose time is over.
    fn trust_again(&mut self, now: Instant) {
        let over = |endpoint: &Endpoint| endpoint.doubted_until.is_some_and(|at| at <= now);
        let endpoints = self.endpoints.iter();
        let due: Vec<usize> = endpoints
            .filter(|(_, endpoint)| over(endpoint))
            .map(|(slot, _)| slot)
            .collect();
        for endpoint in due {
            self.end_doubt(endpoint);
        }
        self.trust_again_at = self.endpoints().filter_map(|e| e.doubted_until).min();
    }

    /// Lets this address come first, if it has a connection with room.
    pub(crate) fn prefer(&mut self, addr: SocketAddr) {
        let endpoint = self.endpoint_at(addr);
        let Some(endpoint) = endpoint.filter(|&at| self.endpoints[at].ready.is_linked()) else {
            return;
        };
        if self.endpoints[endpoint].doubted_until.is_none() {
            self.ready.remove(&mut self.endpoints, endpoint);
            self.ready.push_front(&mut self.endpoints, endpoint);
        }
    }

    #[inline]
    pub(super) fn is_back(&mut self, slot: usize) {
        if std::mem::take(&mut self.conns[slot].returning) {
            self.returning -= 1;
        }
    }

    #[inline]
    pub(super) fn unlink_idle(&mut self, slot: usize) {
        if self.conns[slot].idle.is_linked() {
            self.idle.remove(&mut self.conns, slot);
        }
    }
}
