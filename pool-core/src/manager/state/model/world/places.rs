//! The addresses of the host, as a map from each to its standing.

use std::net::SocketAddr;

use super::super::ops::Verdict;
use super::{Lookup, World};
use crate::manager::reason::CloseReason;
use crate::manager::state::tests::addr;
use crate::manager::state::{Actions, Standing};

/// One address for each bit.
fn addrs(set: u8) -> Vec<SocketAddr> {
    let named = (1..5).filter(|at| set & (1 << (at - 1)) != 0);
    named.map(addr).collect()
}

impl World {
    pub(super) fn judge(&mut self, to: SocketAddr, verdict: Verdict, out: &mut Actions) {
        let standing = match verdict {
            Verdict::Active => Standing::Active,
            Verdict::EjectedFor(time) => Standing::Ejected(self.now.checked_add(time)),
            Verdict::Ejected => Standing::Ejected(None),
        };
        let known = self.places.get_mut(&to);
        if let Some(known) = known.filter(|known| **known != Standing::Gone) {
            *known = standing;
            self.readmit();
        }
        self.state.judge_endpoint(to, standing, self.now, out);
    }

    pub(super) fn addresses(&mut self, set: u8, out: &mut Actions) {
        let wanted = addrs(set);
        self.take_answer(&wanted);
        self.state.set_addresses(&wanted, self.now, out);
    }

    /// A lookup's answer, some of which are on trial.
    pub(super) fn trials(&mut self, set: u8, on_trial: u8, out: &mut Actions) {
        let (wanted, on_trial) = (addrs(set), addrs(on_trial));
        let places = self.places.clone();
        let standing = |addr: &SocketAddr| places.get(addr).copied().unwrap_or(Standing::Gone);
        let new = |addr: &&SocketAddr| standing(addr) == Standing::Gone;
        let mut trials: Vec<SocketAddr> = wanted.iter().filter(new).copied().collect();
        trials.retain(|addr| on_trial.contains(addr));
        let mut others = wanted.iter().filter(|addr| !trials.contains(addr));
        if !others.any(|addr| !matches!(standing(addr), Standing::Ejected(_))) {
            trials.clear();
        }
        self.take_answer(&wanted);
        for &addr in &trials {
            self.places.insert(addr, Standing::Ejected(None));
        }
        let on_trial = on_trial.into_iter().collect();
        let state = &mut self.state;
        let out_of_rotation = state.set_addresses_with_trials(&wanted, &on_trial, self.now, out);
        assert_eq!(out_of_rotation, trials);
    }

    pub(super) fn forbid(&mut self, set: u8, out: &mut Actions) {
        let denied = addrs(set);
        let left = self.leave_denied(&denied);
        assert_eq!(self.state.forbid(&denied, self.now, out), left);
    }

    /// These are no addresses of the host any more. Returns how many were.
    pub(super) fn leave_denied(&mut self, denied: &[SocketAddr]) -> usize {
        let here = |(addr, standing): (&SocketAddr, &Standing)| {
            (*standing != Standing::Gone && denied.contains(addr)).then_some(*addr)
        };
        let leaving: Vec<SocketAddr> = self.places.iter().filter_map(here).collect();
        for addr in &leaving {
            self.places.insert(*addr, Standing::Gone);
            for known in self.conns.iter().filter(|known| !known.is_leaving()) {
                if known.addr == *addr {
                    self.step.leave.push((known.conn.id, CloseReason::Denied));
                }
            }
        }
        let none_left = self.places.values().all(|at| *at == Standing::Gone);
        if none_left && self.lookup == Lookup::Known {
            self.lookup = Lookup::Unknown;
        }
        leaving.len()
    }

    fn take_answer(&mut self, wanted: &[SocketAddr]) {
        if self.lookup != Lookup::Manual {
            self.lookup = Lookup::Known;
        }
        for (addr, standing) in &mut self.places {
            if !wanted.contains(addr) {
                *standing = Standing::Gone;
            }
        }
        for known in self.conns.iter().filter(|known| !known.is_leaving()) {
            if !wanted.contains(&known.addr) {
                let id = known.conn.id;
                self.step.leave.push((id, CloseReason::EndpointGone));
            }
        }
        for &addr in wanted {
            let standing = self.places.entry(addr).or_insert(Standing::Active);
            if *standing == Standing::Gone {
                *standing = Standing::Active;
            }
        }
    }
}
