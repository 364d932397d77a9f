//! What is beyond limits that were lowered: it closes if it is idle, and drains if it is in use.

use std::time::Instant;

use super::{Actions, HostState};
use crate::manager::reason::CloseReason;

impl HostState {
    /// Takes out what an endpoint has beyond its limit: what has been idle longest, then what is in use, which drains.
    pub(super) fn trim(&mut self, endpoint: usize, out: &mut Actions) {
        let conns = self.conns_of(endpoint).into_iter();
        let mut staying: Vec<usize> = conns
            .filter(|&slot| !self.conns[slot].is_leaving())
            .collect();
        let surplus = staying.len().saturating_sub(self.limits.per_endpoint);
        staying.sort_by_key(|&slot| (!self.conns[slot].is_idle(), self.conns[slot].last_used));
        for &slot in &staying[..surplus] {
            self.retire(slot, CloseReason::Surplus, out);
        }
    }

    /// Closes the connection that has been idle longest. `false` if none is idle.
    pub(crate) fn shed_idle(&mut self, now: Instant, out: &mut Actions) -> bool {
        let Some(slot) = self.longest_idle() else {
            return false;
        };
        self.retire(slot, CloseReason::Surplus, out);
        self.plan(now, out);
        true
    }

    /// Takes out the connection that carries the fewest leases: it drains. `false` if there is none.
    pub(crate) fn shed_busy(&mut self, now: Instant, out: &mut Actions) -> bool {
        let staying = self.conns.iter().filter(|(_, conn)| !conn.is_leaving());
        let Some((slot, _)) = staying.min_by_key(|(_, conn)| conn.in_flight) else {
            return false;
        };
        self.retire(slot, CloseReason::Surplus, out);
        self.plan(now, out);
        true
    }

    /// How many connections drain or close.
    pub(crate) fn leaving_len(&self) -> usize {
        self.leaving
    }

    /// Closes an idle connection that nobody may claim, for another of this host.
    pub(crate) fn give_up_useless(&mut self, now: Instant, out: &mut Actions) -> bool {
        let gave = self.close_useless(out);
        if gave {
            self.plan(now, out);
        }
        gave
    }

    pub(super) fn close_useless(&mut self, out: &mut Actions) -> bool {
        let useless = self.idle.iter(&self.conns).find(|&slot| {
            let conn = &self.conns[slot];
            conn.is_idle() && !self.endpoints[conn.endpoint].is_active()
        });
        if let Some(slot) = useless {
            self.retire(slot, CloseReason::Surplus, out);
        }
        useless.is_some()
    }
}
