//! Recomputes a host's lists and counts from scratch and compares: for tests, after every step.

use std::time::Instant;

use super::{Addresses, ConnState, HostState, Phase, Standing};
use crate::config::DialWhenBusy;

impl HostState {
    /// Panics if a list or a count is not what the connections, dials and waiters say, or if somebody waits for
    /// nothing.
    pub(super) fn check(&self, now: Instant) {
        self.check_endpoints();
        self.check_idle();
        self.check_queue(now);
        let counters = &self.counters;
        let closed: u64 = counters.closed.values().sum();
        assert_eq!(counters.opened, closed + self.conns.len() as u64, "opened");
        let dials = counters.dialled + counters.dials_failed() + self.running() as u64;
        assert_eq!(counters.dials, dials, "dials");
        let in_flight: usize = self.conns.iter().map(|(_, conn)| conn.in_flight).sum();
        let leased = counters.acquired - counters.released;
        assert!(leased >= in_flight as u64, "a lease was lost");
        let coming = self.conns.iter().filter(|(_, conn)| conn.is_coming());
        assert_eq!(self.coming, coming.count(), "coming");
        let returning = self.conns.iter().filter(|(_, conn)| conn.returning);
        assert_eq!(self.returning, returning.count(), "returning");
        let leaving = self.conns.iter().filter(|(_, conn)| conn.is_leaving());
        assert_eq!(self.leaving, leaving.count(), "leaving");
    }

    fn check_endpoints(&self) {
        let mut ready: Vec<usize> = self.ready.iter(&self.endpoints).collect();
        assert_eq!(ready.len(), self.ready.len());
        let trusted = |at: &usize| self.endpoints[*at].doubted_until.is_none();
        assert!(ready.iter().all(trusted), "a doubted one stands apart");
        let doubtful: Vec<usize> = self.doubtful.iter(&self.endpoints).collect();
        assert_eq!(doubtful.len(), self.doubtful.len());
        assert!(
            !doubtful.iter().any(trusted),
            "a trusted one stands with the others"
        );
        let doubts = self.endpoints().filter_map(|e| e.doubted_until).min();
        let noticed = |at| self.trust_again_at.is_some_and(|again| again <= at);
        assert!(doubts.is_none_or(noticed), "a doubt without end");
        ready.extend(doubtful);
        assert_eq!(self.by_addr.len(), self.endpoints.len());
        let standing =
            |is: fn(Standing) -> bool| self.endpoints().filter(|e| is(e.standing)).count();
        assert_eq!(self.gone, standing(|s| s == Standing::Gone), "gone");
        let ejected = standing(|s| matches!(s, Standing::Ejected(_)));
        assert_eq!(self.ejected, ejected, "out of rotation");
        assert_eq!(self.by_id.len(), self.conns.len());
        for (slot, conn) in &self.conns {
            assert_eq!(self.by_id.get(&conn.id), Some(&slot), "found by id");
        }
        for (at, endpoint) in &self.endpoints {
            let conns = self.conns.iter().filter(|(_, conn)| conn.endpoint == at);
            let conns: Vec<(usize, usize)> =
                conns.map(|(slot, conn)| (slot, conn.in_flight)).collect();
            let mut listed = endpoint.conns(&self.conns);
            listed.sort_unstable();
            let slots: Vec<usize> = conns.iter().map(|&(slot, _)| slot).collect();
            assert_eq!(listed, slots, "connections of an endpoint");
            let leases: usize = conns.iter().map(|&(_, in_flight)| in_flight).sum();
            assert_eq!(endpoint.in_flight, leases, "leases of an endpoint");
            assert_eq!(
                self.by_addr.get(&endpoint.addr),
                Some(&at),
                "found by address"
            );
            let dials = self.dials.iter().filter(|(_, dial)| dial.is_to(at));
            assert_eq!(endpoint.dials, dials.count(), "dials of an endpoint");
            assert_eq!(
                ready.contains(&at),
                endpoint.has_free(),
                "in rotation just while it has room"
            );
            assert!(
                endpoint.standing != Standing::Gone || endpoint.load() > 0,
                "a gone endpoint that holds nothing is forgotten"
            );
            let free = endpoint.free(&self.conns);
            for &(in_flight, slot) in &free {
                assert_eq!(self.conns[slot].endpoint, at);
                assert_eq!(self.conns[slot].in_flight, in_flight, "in the wrong list");
            }
            for (slot, conn) in self.conns.iter().filter(|(_, conn)| conn.endpoint == at) {
                let listed = free.iter().filter(|&&(_, other)| other == slot).count();
                let wanted = conn.has_room() && endpoint.is_active();
                assert_eq!(listed, usize::from(wanted), "{conn:?} on {endpoint:?}");
                // The owner of a check may have a second lease within it.
                let alone = conn.in_flight <= 1 || conn.state != ConnState::Ready;
                assert!(conn.multiplexed || alone, "two owners");
                if matches!(conn.state, ConnState::Closing(_)) {
                    assert_eq!(conn.in_flight, 0, "closed under a lease");
                }
            }
        }
    }

    fn check_idle(&self) {
        let idle: Vec<usize> = self.idle.iter(&self.conns).collect();
        assert_eq!(idle.len(), self.idle.len());
        assert!(
            idle.is_sorted_by_key(|&slot| self.conns[slot].last_used),
            "idle longest first"
        );
        for (slot, conn) in &self.conns {
            if conn.is_idle() {
                assert!(idle.contains(&slot), "{conn:?} is idle");
            } else if idle.contains(&slot) {
                assert_eq!(conn.state, ConnState::Probing, "{conn:?} is not idle");
            }
        }
    }

    /// Nobody waits while there is room, and whoever waits waits for something.
    fn check_queue(&self, now: Instant) {
        if self.phase != Phase::Open {
            assert!(self.waiters.is_empty(), "a closed host has nobody waiting");
            assert!(self.conns.iter().all(|(_, conn)| conn.is_leaving()));
            assert_eq!(self.asked(), 0);
            return;
        }
        for waiter in self.waiters.all_pinned() {
            let conn = self.waiters.pin_of(waiter).and_then(|id| self.slot_of(id));
            let conn = &self.conns[conn.expect("nobody waits for what is gone")];
            assert!(!conn.is_leaving(), "somebody waits for {conn:?}");
            let active = self.endpoints[conn.endpoint].is_active();
            assert!(!active || !conn.has_room(), "somebody waits for {conn:?}");
        }
        if self.waiters.is_empty() {
            return;
        }
        let full = self.ready.is_empty() && self.doubtful.is_empty();
        assert!(full, "somebody waits while there is room");
        match self.addresses {
            Addresses::Manual | Addresses::Resolving => return,
            Addresses::Unknown => panic!("nobody looks the addresses up"),
            Addresses::Known => {}
        }
        let silent = self.silent(now);
        let expected = self.expected_from(self.dials.len());
        let heard = self.expected_from(self.dials.len() - silent.len());
        let full = self.dials.len() >= self.limits.dials
            || self.conns.len() + self.dials.len() >= self.limits.conns;
        let timer = self.wake_asked.is_some_and(|at| at > now);
        let crowded = self
            .endpoints()
            .all(|e| !e.may_dial(now) || e.load() >= self.limits.per_endpoint);
        let alive = self.dials.len() + self.conns.len() > 0;
        let endless = match self.limits.when_busy {
            DialWhenBusy::Never => true,
            DialWhenBusy::After(wait) => now.checked_add(wait).is_none(),
            DialWhenBusy::Immediate | DialWhenBusy::IfWaitExceedsConnect => false,
        };
        let patient = endless && alive;
        assert!(
            self.waiters.len() <= expected || full || timer || crowded && alive || patient,
            "{} wait for nothing: {self:?}",
            self.waiters.len()
        );
        if self.waiters.len() > heard {
            let untried = self.endpoint_to_try(now, &silent);
            assert!(
                untried.is_none() || full || timer || patient,
                "{untried:?} is not tried beside silent ones: {self:?}"
            );
        } else if self.endpoints.len() > 1 && self.endpoints().any(|e| e.is_active()) {
            let due = self.next_silence(now);
            assert!(
                due.is_none() || full || timer || crowded || patient,
                "nobody notices who is silent at {due:?}: {self:?}"
            );
        }
    }
}
