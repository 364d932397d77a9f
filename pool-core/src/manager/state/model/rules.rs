//! What must be true of every step and after every step; the ids are those of the promises.

use std::net::SocketAddr;

use super::world::{Known, Lookup, World};
use crate::manager::reason::CloseReason;
use crate::manager::state::{Claim, ConnState, DialRef, HostState, Phase, Refusal, Standing};
use crate::manager::waiters::WaiterRef;

impl World {
    /// Those who were taken out in this step: who must be, and beside them only who may be.
    pub(super) fn watch_who_leaves(&mut self) {
        let mut left = Vec::new();
        for known in self.conns.iter().filter(|known| !known.is_leaving()) {
            let slot = self.state.find(known.conn);
            let slot = slot.expect("I10: a connection is gone without its socket");
            if let ConnState::Draining(why) | ConnState::Closing(why) = self.state.conns[slot].state
            {
                left.push((known.clone(), why));
            }
        }
        for (id, why) in &self.step.leave {
            let found = left
                .iter()
                .any(|(known, because)| known.conn.id == *id && because == why);
            assert!(found, "I6: {id:?} must be taken out: {why:?}");
        }
        for (known, why) in &left {
            if !self.step.leave.contains(&(known.conn.id, *why)) {
                self.assert_may_leave(known, *why);
            }
        }
        for (known, why) in left {
            let known = self.known_mut(known.conn).expect("it is there");
            known.state = ConnState::Draining(why);
            known.listed = false;
        }
        assert_eq!(
            self.step.reclaimed, 0,
            "a turn that is over costs a connection"
        );
        self.step.leave.clear();
    }

    fn assert_may_leave(&mut self, known: &Known, why: CloseReason) {
        match why {
            CloseReason::Reclaimed => {
                let more = self.step.reclaimed.checked_sub(1);
                self.step.reclaimed = more.expect("given up while it was its turn");
                assert!(self.has_room(known), "only the next in line is given up");
            }
            CloseReason::PoolClosed => assert!(self.closed, "{known:?} closed by nobody"),
            CloseReason::EndpointGone => {
                let standing = self.places.get(&known.addr);
                assert_eq!(standing, Some(&Standing::Gone), "{known:?}");
            }
            CloseReason::Surplus => {
                let staying = self.conns.iter().filter(|known| !known.is_leaving());
                let here = staying.clone().filter(|other| other.addr == known.addr);
                let over =
                    staying.count() > self.limits.conns || here.count() > self.limits.per_endpoint;
                let useless = !self.is_active(known.addr) && known.in_flight == 0;
                let listed = self.conns.iter().filter(|known| known.listed).count();
                // The newcomer to the list is not in ours yet.
                let too_idle = known.in_flight == 0 && listed + 1 > self.limits.idle;
                assert!(over || useless || too_idle, "{known:?} is no surplus");
            }
            _ => panic!("nobody asked for {known:?} to close: {why:?}"),
        }
    }

    /// A claim on what may be handed out, and no more of it than there is.
    pub(super) fn assert_usable(&self, claim: &Claim) {
        let known = self.known(claim.conn);
        let known = known.expect("I15: handed out, and of an earlier life");
        assert_eq!(known.state, ConnState::Ready, "I6: {known:?} is handed out");
        assert!(
            self.is_active(known.addr),
            "I6: {known:?} is out of rotation"
        );
        assert!(!self.closed, "I6: handed out by a closed host");
        let limit = self.limit_of(known);
        assert!(known.in_flight < limit, "I1: {known:?} carries {limit}");
        assert!(known.multiplexed || known.in_flight == 0, "I7: two owners");
        self.assert_claim(known, claim);
    }

    /// The claim says what was true before it.
    pub(super) fn assert_claim(&self, known: &Known, claim: &Claim) {
        let said = (claim.uses, claim.in_flight, claim.last_used);
        assert_eq!(said, (known.uses, known.in_flight, known.last_used));
        let errors = (claim.errors, claim.consecutive_errors);
        assert_eq!(errors, (known.errors, known.in_a_row));
        assert_eq!(claim.multiplexed, known.multiplexed);
        assert_eq!(claim.since, self.now);
    }

    /// The address is not doubted if another will do, and of HTTP/2 the fewest streams come first.
    pub(super) fn assert_best(&self, claim: &Claim) {
        let known = self.known(claim.conn).expect("it was claimed");
        let doubted = |addr: &SocketAddr| self.step.doubted.contains(addr);
        if doubted(&known.addr) {
            let trusted = self.usable().find(|other| !doubted(&other.addr));
            assert_eq!(
                trusted, None,
                "I6: a doubted address while another has room"
            );
        }
        let beside = self.usable().filter(|other| other.addr == known.addr);
        let fewest = beside.map(|other| other.in_flight).min();
        assert_eq!(fewest, Some(known.in_flight), "the fewest streams");
    }

    /// Whoever is served is next, and in time.
    pub(super) fn assert_turn(&self, waiter: WaiterRef, claim: &Claim) {
        let next = self.queues.next(claim.conn.id);
        assert_eq!(
            next.map(|next| next.waiter),
            Some(waiter),
            "I5: first come, first served, class by class"
        );
        let deadline = next.and_then(|next| next.deadline);
        let in_time = deadline.is_none_or(|at| at > self.now);
        assert!(in_time, "I9: granted after its deadline");
    }

    pub(super) fn assert_refusal(&mut self, waiter: WaiterRef, why: Refusal) {
        let found = self
            .queues
            .find(waiter)
            .expect("I2: refused, and not waiting");
        match why {
            Refusal::Late => {
                let late = found.deadline.is_some_and(|at| at <= self.now);
                assert!(late, "I9: refused before its deadline");
                assert!(self.queues.is_head(waiter), "I5: not the head");
            }
            Refusal::Gone => {
                let pin = self.queues.pin_of(waiter).expect("it waits for one alone");
                let conn = self.conns.iter().find(|known| known.conn.id == pin);
                assert!(conn.is_none_or(Known::is_leaving), "I6: {conn:?} is there");
            }
            Refusal::Closed => assert!(self.closed),
            Refusal::Unavailable => {
                let active = self.places.values().any(|at| *at == Standing::Active);
                assert!(!active, "I3: an address is in rotation");
                assert_eq!(self.dials.len(), 0, "I3: a dial is in flight");
            }
            Refusal::Dial | Refusal::Resolve => {
                let resolve = why == Refusal::Resolve;
                assert_eq!(
                    resolve, self.step.lookup_failed,
                    "the failed thing is named"
                );
                assert!(!self.step.refuse.is_empty(), "I3: refused without a cause");
                assert_eq!(self.step.refuse.remove(0), waiter, "who is refused");
            }
        }
    }

    pub(super) fn assert_dial(&self, dial: DialRef, to: SocketAddr) {
        let named = |(other, _): &(DialRef, SocketAddr)| *other == dial;
        assert!(!self.dials.iter().any(named), "I2: one name, two dials");
        assert!(self.is_active(to), "I6: {to} is out of rotation");
        let endpoint = self.state.endpoint(to).expect("it is dialled");
        assert!(endpoint.may_dial(self.now), "I6: {to} is backed off from");
        assert!(self.queues.len() > 0, "I1: a dial for nobody");
    }

    /// Who has gone idle, or was taken from there, in this step.
    pub(super) fn note_idle(&mut self) {
        for known in &mut self.conns {
            known.listed = match known.state {
                ConnState::Probing => known.listed,
                _ => known.is_idle(),
            };
        }
    }

    /// What must be true after every step.
    pub(super) fn check(&mut self) {
        self.state.check(self.now);
        self.check_conns();
        self.check_limits();
        self.check_queue();
        self.check_places();
        let state = &self.state;
        assert_eq!(state.counters, self.counted, "I10: what was counted");
        assert_eq!(state.expected, self.expected, "what a dial is to bring");
        assert_eq!(state.running(), self.dials.len(), "I10: dials in flight");
        assert!(!self.step.spreads, "a load, and no connection asked for");
        assert_eq!(self.step.refuse, [], "I3: whom the failure must refuse");
        let leased = self.counted.acquired - self.counted.released;
        let out = self.leases.len() + self.granted.len();
        assert_eq!(leased, out as u64, "I10: acquired = released + leased");
    }

    /// Each connection as the naive list has it, and each change noted for those who look without a lock.
    fn check_conns(&mut self) {
        let mut touched = Vec::new();
        self.state.publish(|slot, _| touched.push(slot));
        assert_eq!(self.state.conns.len(), self.conns.len(), "I10: connections");
        for known in &self.conns {
            let slot = self.state.find(known.conn).expect("I10: it is there");
            let conn = &self.state.conns[slot];
            assert_eq!(conn.state, known.state, "{known:?}");
            assert_eq!(conn.in_flight, known.in_flight, "I1: leases of {known:?}");
            assert_eq!(conn.limit, self.limit_of(known), "I1: limit of {known:?}");
            assert_eq!(conn.peer_limit, known.told);
            assert_eq!((conn.uses, conn.errors), (known.uses, known.errors));
            assert_eq!(conn.consecutive_errors, known.in_a_row);
            assert_eq!(conn.last_used, known.last_used, "{known:?}");
            assert_eq!(conn.returning, known.returning, "{known:?}");
            assert_eq!(conn.idle.is_linked(), known.listed, "{known:?}");
            assert_eq!(self.state.endpoints[conn.endpoint].addr, known.addr);
            let out = self.leases.iter().filter(|held| held.conn == known.conn);
            let owners = out.clone().filter(|held| !held.within).count();
            assert!(
                known.multiplexed || owners <= 1,
                "I7: two owners of {known:?}"
            );
            let granted = self
                .granted
                .iter()
                .filter(|(_, held)| held.conn == known.conn);
            let out = out.count() + granted.count();
            assert_eq!(out, known.in_flight, "I2: leases of {known:?}");
            let seen = |known: &Known| {
                (
                    known.state,
                    known.in_flight,
                    known.uses,
                    known.errors,
                    known.last_used,
                )
            };
            let before = self.step.before.iter().find(|old| old.conn == known.conn);
            if before.is_none_or(|before| seen(before) != seen(known)) {
                assert!(
                    touched.contains(&slot),
                    "a change unseen from outside: {known:?}"
                );
            }
        }
    }

    fn check_limits(&self) {
        let limits = &self.limits;
        let asked = self.state.asked();
        let load = self.conns.len() + self.dials.len() + asked;
        let dials = self.dials.len() + asked;
        assert!(load <= limits.conns.max(self.step.load), "I1: load {load}");
        let dials_before = self.step.dials + self.step.asked;
        assert!(dials <= limits.dials.max(dials_before), "I1: dials {dials}");
        for endpoint in self.state.endpoints() {
            let before = self.step.loads.get(&endpoint.addr).copied();
            let most = limits.per_endpoint.max(before.unwrap_or(0));
            assert!(endpoint.load() <= most, "I1: {endpoint:?}");
        }
        let idle = self.conns.iter().filter(|known| known.is_idle()).count();
        assert!(idle <= limits.idle, "I19: {idle} are idle");
        let ready = self.conns.iter().filter(|c| c.state == ConnState::Ready);
        let over = ready.count() > limits.conns;
        assert!(!over || idle == 0, "I19: idle connections above the limit");
        assert!(
            self.queues.queued() >= self.state.queue_len(),
            "I4: somebody waits who left"
        );
    }

    fn check_queue(&self) {
        let state: &HostState = &self.state;
        let line: Vec<WaiterRef> = self.queues.in_line().map(|w| w.waiter).collect();
        assert_eq!(state.waiters.all(), line, "I5: the queue");
        assert_eq!(
            state.queue_len(),
            self.queues.queued(),
            "I4: the queue's length"
        );
        for known in &self.conns {
            let of_it = self.queues.pinned().iter();
            let of_it = of_it.filter(|(conn, _)| *conn == known.conn.id);
            let of_it: Vec<WaiterRef> = of_it.map(|(_, w)| w.waiter).collect();
            assert_eq!(state.waiters.pinned_to(known.conn.id), of_it, "I5");
        }
        if !line.is_empty() {
            let usable = self.usable().next();
            assert_eq!(usable, None, "I3: somebody waits while there is room");
            assert_ne!(self.lookup, Lookup::Unknown, "I3: nobody looks up");
        }
        for (pin, _) in self.queues.pinned() {
            let known = self.conns.iter().find(|known| known.conn.id == *pin);
            let known = known.expect("I3: somebody waits for what is gone");
            assert!(
                !known.is_leaving() && !self.has_room(known),
                "I3: {known:?}"
            );
        }
        assert_eq!(state.phase == Phase::Closed, self.closed);
        assert!(
            !self.closed || self.queues.queued() == 0,
            "I9: nobody is told"
        );
    }

    fn check_places(&mut self) {
        let state = &self.state;
        let conns = &self.conns;
        let dials = &self.dials;
        // What is gone and holds nothing is forgotten.
        self.places.retain(|addr, standing| {
            let held = conns.iter().any(|known| known.addr == *addr)
                || dials.iter().any(|(_, to)| to == addr);
            let forgotten = state.endpoint(*addr).is_none();
            assert!(!forgotten || *standing == Standing::Gone && !held, "{addr}");
            !forgotten
        });
        assert_eq!(self.places.len(), state.endpoints().count());
        for endpoint in state.endpoints() {
            let standing = self.places.get(&endpoint.addr);
            assert_eq!(standing, Some(&endpoint.standing), "I6: {endpoint:?}");
        }
    }
}
