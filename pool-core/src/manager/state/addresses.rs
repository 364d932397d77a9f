//! The remote addresses of a host: which there are, and which are in rotation.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Instant;

use super::conn::ConnState;
use super::endpoint::{Endpoint, Standing};
use super::{Actions, Addresses, HostState, Refusal};
use crate::manager::list::begin_with_one;
use crate::manager::reason::CloseReason;

impl HostState {
    /// As [`set_addresses`](Self::set_addresses), but those `on_trial` that are new to the host stay out of rotation until a check
    /// succeeds, as long as another address of the answer may serve meanwhile. Returns which these are.
    pub(crate) fn set_addresses_with_trials(
        &mut self,
        addrs: &[SocketAddr],
        on_trial: &HashSet<SocketAddr>,
        now: Instant,
        out: &mut Actions,
    ) -> Vec<SocketAddr> {
        let (mut trials, mut others_serve) = (Vec::new(), false);
        for &addr in addrs {
            let standing = self.endpoint(addr).map_or(Standing::Gone, |e| e.standing);
            if standing == Standing::Gone && on_trial.contains(&addr) {
                trials.push(addr);
            } else {
                others_serve |= !matches!(standing, Standing::Ejected(_));
            }
        }
        if !others_serve {
            trials.clear();
        }
        // Before they could join in rotation: whoever waits would be given a dial to them.
        for &addr in &trials {
            let endpoint = self.endpoint_for(addr);
            self.set_standing(endpoint, Standing::Ejected(None), now, out);
        }
        self.set_addresses(addrs, now, out);
        trials
    }

    /// The lookup's answer: new addresses join, missing ones drain.
    pub(crate) fn set_addresses(&mut self, addrs: &[SocketAddr], now: Instant, out: &mut Actions) {
        if self.addresses != Addresses::Manual {
            self.addresses = Addresses::Known;
        }
        let wanted: HashSet<&SocketAddr> = addrs.iter().collect();
        let gone: Vec<usize> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| !wanted.contains(&endpoint.addr))
            .map(|(slot, _)| slot)
            .collect();
        for endpoint in gone {
            self.leave_endpoint(endpoint, CloseReason::EndpointGone, now, out);
        }
        for &addr in addrs {
            let endpoint = self.endpoint_for(addr);
            if self.endpoints[endpoint].standing == Standing::Gone {
                self.set_standing(endpoint, Standing::Active, now, out);
            }
        }
        self.plan(now, out);
    }

    /// These addresses must not be used any more: their connections drain. Without any left, whoever waits or comes has the
    /// host looked up again, and learns from that why there is none. Returns how many of them there were.
    pub(crate) fn forbid(
        &mut self,
        addrs: &[SocketAddr],
        now: Instant,
        out: &mut Actions,
    ) -> usize {
        let known = addrs.iter().filter_map(|&addr| self.endpoint_at(addr));
        let known: Vec<usize> = known
            .filter(|&slot| self.endpoints[slot].standing != Standing::Gone)
            .collect();
        self.leave_denied(&known, now, out);
        self.plan(now, out);
        known.len()
    }

    /// Without an address left, the next plan has the host looked up.
    pub(super) fn leave_denied(&mut self, endpoints: &[usize], now: Instant, out: &mut Actions) {
        for &endpoint in endpoints {
            if self.endpoints[endpoint].standing == Standing::Gone {
                // What is left there leaves already, or when its check ends.
                self.forget_if_gone(endpoint);
            } else {
                self.leave_endpoint(endpoint, CloseReason::Denied, now, out);
            }
        }
        let some_left = self.endpoints().any(|e| e.standing != Standing::Gone);
        if !some_left && self.addresses == Addresses::Known {
            self.addresses = Addresses::Unknown;
        }
    }

    fn leave_endpoint(
        &mut self,
        endpoint: usize,
        why: CloseReason,
        now: Instant,
        out: &mut Actions,
    ) {
        self.set_standing(endpoint, Standing::Gone, now, out);
        for slot in self.conns_of(endpoint) {
            if matches!(
                self.conns[slot].state,
                ConnState::Ready | ConnState::Probing
            ) {
                self.retire(slot, why, out);
            }
        }
        self.forget_if_gone(endpoint);
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
        if let Standing::Ejected(until) = standing
            && self.endpoints[endpoint].is_active()
        {
            let stats = &mut self.endpoints[endpoint].stats;
            stats.observe_ejection(now, until);
        }
        self.set_standing(endpoint, standing, now, out);
        self.readmit(now, out);
        if let Some(at) = self.readmit_at {
            // Its idle connections are to serve whoever waits by then, whatever else happens.
            self.wake_at(at, now, out);
        }
        self.plan(now, out);
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().map(|(_, endpoint)| endpoint)
    }

    pub(crate) fn endpoint(&self, addr: SocketAddr) -> Option<&Endpoint> {
        self.endpoint_at(addr).map(|slot| &self.endpoints[slot])
    }

    pub(super) fn endpoint_at(&self, addr: SocketAddr) -> Option<usize> {
        self.by_addr.get(&addr).copied()
    }

    pub(super) fn endpoint_for(&mut self, addr: SocketAddr) -> usize {
        match self.endpoint_at(addr) {
            Some(slot) => slot,
            None => {
                begin_with_one(&mut self.endpoints);
                let slot = self.endpoints.insert(Endpoint::new(addr));
                self.by_addr.insert(addr, slot);
                self.endpoint_changes += 1;
                slot
            }
        }
    }

    /// Changes a standing, and the counts of them.
    fn stand(&mut self, endpoint: usize, standing: Standing) {
        let before = std::mem::replace(&mut self.endpoints[endpoint].standing, standing);
        match before {
            Standing::Active => {}
            Standing::Ejected(_) => self.ejected -= 1,
            Standing::Gone => self.gone -= 1,
        }
        match standing {
            Standing::Active => {}
            Standing::Ejected(_) => self.ejected += 1,
            Standing::Gone => self.gone += 1,
        }
    }

    pub(super) fn set_standing(
        &mut self,
        endpoint: usize,
        standing: Standing,
        now: Instant,
        out: &mut Actions,
    ) {
        self.stand(endpoint, standing);
        self.touch_endpoint(endpoint);
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

    /// Puts back the endpoints whose time out of rotation is over. Their runs of failures go on: the first outcome decides whether an
    /// endpoint stays, and one that still fails is not met as often again as it took to eject it.
    #[inline]
    pub(super) fn readmit(&mut self, now: Instant, out: &mut Actions) {
        if self.readmit_at.is_some_and(|at| at <= now) {
            self.readmit_due(now, out);
        }
    }

    fn readmit_due(&mut self, now: Instant, out: &mut Actions) {
        let due = |endpoint: &Endpoint| matches!(endpoint.standing, Standing::Ejected(Some(at)) if at <= now);
        let back: Vec<usize> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| due(endpoint))
            .map(|(slot, _)| slot)
            .collect();
        for endpoint in back {
            self.stand(endpoint, Standing::Active);
            self.touch_endpoint(endpoint);
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

    pub(super) fn forget_if_gone(&mut self, endpoint: usize) {
        let found = &self.endpoints[endpoint];
        if found.standing == Standing::Gone && found.load() == 0 {
            let found = self.endpoints.remove(endpoint);
            self.by_addr.remove(&found.addr);
            self.gone -= 1;
            self.endpoint_changes += 1;
        }
    }
}
