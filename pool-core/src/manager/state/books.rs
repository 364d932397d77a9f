//! The books of a host: each connection in exactly the lists where it belongs.

use std::time::Instant;

use super::conn::{Conn, ConnRef, ConnState};
use super::endpoint::Standing;
use super::{Action, Actions, Claim, HostState, Phase, Refusal};
use crate::info::ConnId;
use crate::manager::list::Links;
use crate::manager::reason::CloseReason;

impl HostState {
    pub(super) fn find(&self, conn: ConnRef) -> Option<usize> {
        let found = self.conns.get(conn.slot)?;
        (found.id == conn.id).then_some(conn.slot)
    }

    pub(super) fn conns_of(&self, endpoint: usize) -> Vec<usize> {
        let of = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.endpoint == endpoint);
        of.map(|(slot, _)| slot).collect()
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
            free: Links::default(),
            idle: Links::default(),
        });
        self.count_state(slot, usize::wrapping_add);
        ConnRef { slot, id }
    }

    pub(super) fn limit_for(&self, peer_limit: Option<usize>, multiplexed: bool) -> usize {
        match peer_limit {
            Some(limit) if multiplexed => limit.min(self.limits.streams),
            Some(_) | None => 1,
        }
    }

    /// The connection to claim next, rotating over the addresses.
    pub(super) fn pick(&mut self) -> Option<usize> {
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
    pub(super) fn occupy(&mut self, slot: usize, now: Instant) -> Claim {
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
    pub(super) fn retire(&mut self, slot: usize, reason: CloseReason, out: &mut Actions) {
        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.set_state(slot, ConnState::Draining(reason));
        self.close_if_unused(slot, out);
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
        self.conns[slot].limit = self.limit_for(self.conns[slot].peer_limit, true);
        if self.conns[slot].state == ConnState::Ready {
            self.offer(slot, now, out);
        }
    }

    pub(super) fn set_state(&mut self, slot: usize, state: ConnState) {
        self.count_state(slot, usize::wrapping_sub);
        self.conns[slot].state = state;
        self.count_state(slot, usize::wrapping_add);
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
    pub(super) fn is_over(&self) -> bool {
        self.conns.len() - self.leaving > self.limits.conns
    }

    /// The connection that has been idle longest; one under a check is not idle, though it keeps its place.
    pub(super) fn longest_idle(&self) -> Option<usize> {
        self.idle
            .iter(&self.conns)
            .find(|&slot| self.conns[slot].is_idle())
    }

    pub(super) fn link_free(&mut self, slot: usize) {
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

    pub(super) fn unlink_free(&mut self, slot: usize) {
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

    pub(super) fn is_back(&mut self, slot: usize) {
        if std::mem::take(&mut self.conns[slot].returning) {
            self.returning -= 1;
        }
    }

    pub(super) fn unlink_idle(&mut self, slot: usize) {
        if self.conns[slot].idle.is_linked() {
            self.idle.remove(&mut self.conns, slot);
        }
    }
}
