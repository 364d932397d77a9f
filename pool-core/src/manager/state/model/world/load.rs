//! When a host must ask for one more connection, said from the whole history of its load.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Known, Lookup, World};
use crate::manager::state::{Action, Actions, Claim};

impl World {
    /// Carries out what a claim asked for, and sees whether that is one more connection when it must be, and only then.
    pub(super) fn carry_out_claim(&mut self, mut out: Actions, claim: Option<&Claim>) {
        let spread = out.pop_if(|action| *action == Action::Spread);
        self.carry_out(out);
        if let Some(claim) = claim {
            self.step.spreads = self.predict_spread(claim);
        }
        if let Some(action) = spread {
            self.carry_out_one(action);
        }
    }

    /// Whether this claim, which the lists do not know yet, must make the host ask for one more connection.
    fn predict_spread(&mut self, claim: &Claim) -> bool {
        if claim.in_flight + 1 < self.limits.heavy || !self.may_spread() {
            return false;
        }
        let carries = |known: &Known| known.in_flight + usize::from(known.conn == claim.conn);
        let heavy = self.limits.heavy;
        let many = self.staying().all(|known| carries(known) >= heavy);
        self.load.push((self.now, many));
        let due = many && self.loaded_for() >= self.limits.spread_after;
        if due {
            self.load.clear();
        }
        due
    }

    /// A lease on a connection that may be handed out has ended.
    pub(super) fn note_ease(&mut self, in_flight: usize) {
        if in_flight + 1 == self.limits.heavy {
            self.load.push((self.now, false));
        }
    }

    /// The time in which the connections carried many, less the time in which they did not.
    fn loaded_for(&self) -> Duration {
        let mut held = Duration::ZERO;
        for (at, &(from, many)) in self.load.iter().enumerate() {
            let next = self.load.get(at + 1);
            let time = next.map_or(self.now, |next| next.0) - from;
            if many {
                held += time;
            } else {
                held = held.min(self.limits.spread_after).saturating_sub(time);
            }
        }
        held
    }

    /// There are permits for the connection that was asked for.
    pub(super) fn spread(&mut self, out: &mut Actions) {
        if !std::mem::take(&mut self.spreads) {
            return;
        }
        let limits = self.limits;
        let may = !self.closed
            && self.lookup == Lookup::Known
            && self.may_spread()
            && self.step.load < limits.conns
            && self.step.dials + self.step.asked < limits.dials
            && self.state.pause_until.is_none_or(|at| at <= self.now);
        let load = |addr: &SocketAddr| self.step.loads.get(addr).copied().unwrap_or(0);
        let at = |dial| self.state.silent_at(dial);
        let silent = self
            .dials
            .iter()
            .filter(|(dial, _)| at(*dial).is_some_and(|at| at <= self.now));
        let silent: Vec<SocketAddr> = silent.map(|(_, addr)| *addr).collect();
        let rank = |addr: &SocketAddr| {
            let doubted = self.step.doubted.contains(addr);
            (silent.contains(addr), doubted, load(addr))
        };
        let open = self.state.endpoints().filter(|at| at.may_dial(self.now));
        let open = open.map(|at| at.addr);
        let best = open
            .filter(|addr| self.is_active(*addr) && load(addr) < limits.per_endpoint)
            .map(|addr| rank(&addr))
            .min();
        let best = best.filter(|_| may);
        let dial = self.state.dial_to_spread(self.now, out);
        let chosen = dial.map(|(_, addr)| rank(&addr));
        assert_eq!(
            chosen, best,
            "I1: one more within the limits, at the best address"
        );
        if let Some((dial, to)) = dial {
            self.counted.dials += 1;
            self.dials.push((dial, to));
        }
    }

    fn may_spread(&self) -> bool {
        let coming = self.dials.len() + self.state.asked();
        self.staying().count() + coming < self.limits.spread
    }

    fn staying(&self) -> impl Iterator<Item = &Known> {
        self.conns.iter().filter(|known| !known.is_leaving())
    }
}
