//! When a host dials, and what a dial's end means for those who wait.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::conn::Conn;
use super::endpoint::FOREVER;
use super::silent::Silent;
use super::{Action, Actions, Addresses, ConnRef, ConnState, HostState, Phase, Refusal, Standing};
use crate::config::DialWhenBusy;
use crate::info::ConnId;
use crate::manager::list::begin_with_one;
use crate::manager::reason::CloseReason;

/// Names one dial; a serial number tells it from later dials in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DialRef {
    pub(crate) slot: usize,
    pub(crate) serial: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) serial: u64,
    pub(super) endpoint: usize,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the budget's permits.
    Asked,
    /// Since when it runs; the address has not taken the connection yet.
    Connecting(Instant),
    /// Since when it runs; the address has taken the connection.
    Connected(Instant),
}

/// A connection that a dial has brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) id: ConnId,
    /// Leases at a time, as the peer allows; `None` while it has not said.
    pub(crate) limit: Option<usize>,
    pub(crate) multiplexed: bool,
    /// Whether it comes claimed, for a check by whoever dialled.
    pub(crate) checked: bool,
}

/// Whose fault a failed dial was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialFailure {
    /// The remote address: back off from it and try another.
    Endpoint,
    /// The remote address must not be connected to by now: the host loses it.
    Denied,
    /// This machine (no source address, no file descriptor): another remote address would not help.
    Local,
    /// Nobody drives dials any more: tell everybody, plan nothing.
    RuntimeGone,
    /// Given up because nobody needs it.
    Abandoned,
}

/// How long whoever waits waits for a busy connection before another is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    None,
    Until(Instant),
    Endless,
}

/// A waiter fails after this many failed dials, or one for each address if those are fewer.
const MAX_CHARGES: usize = 8;

#[cfg(test)]
impl Dial {
    pub(super) fn is_to(&self, endpoint: usize) -> bool {
        self.endpoint == endpoint
    }
}

impl HostState {
    /// Asks for the dials that those who wait need and that dials in flight will not serve.
    #[inline]
    pub(super) fn plan(&mut self, now: Instant, out: &mut Actions) {
        if !self.waiters.is_empty() {
            self.plan_for_waiters(now, out);
        } else if !self.dials.is_empty() {
            self.abandon_asked();
        }
    }

    fn plan_for_waiters(&mut self, now: Instant, out: &mut Actions) {
        if self.phase != Phase::Open {
            return;
        }
        match self.addresses {
            Addresses::Manual | Addresses::Resolving => return,
            Addresses::Unknown => {
                self.addresses = Addresses::Resolving;
                out.push(Action::Resolve);
                return;
            }
            Addresses::Known => {}
        }
        loop {
            let silent = self.silent(now);
            let heard = self.dials.len() - silent.len();
            if self.waiters.len() <= self.expected_from(heard) {
                return self.listen(now, out);
            }
            let beside = self.waiters.len() <= self.expected_from(self.dials.len());
            if beside && self.endpoint_to_try(now, &silent).is_none() {
                return self.listen(now, out);
            }
            if self.dials.len() >= self.limits.dials {
                return;
            }
            match self.patience(now) {
                Patience::None => {}
                Patience::Until(at) => return self.wake_at(at, now, out),
                Patience::Endless => return,
            }
            if !self.has_space(out) {
                return;
            }
            if let Some(at) = self.pause_until.filter(|&at| at > now) {
                return self.wake_at(at, now, out);
            }
            let endpoint = if beside {
                self.endpoint_to_try(now, &silent)
            } else {
                self.endpoint_to_dial(now)
            };
            let Some(endpoint) = endpoint else {
                return self.wait_or_refuse(now, out);
            };
            self.insert_dial(endpoint, Stage::Asked);
            out.push(Action::Reserve);
        }
    }

    /// The budget's answer to [`Action::Reserve`]: the permits for one dial. `false`: nobody needs it any more, the
    /// permits go back, and no other dial of this host waits for some.
    pub(crate) fn granted(&mut self, now: Instant, out: &mut Actions) -> bool {
        let asked = self
            .dials
            .iter()
            .find(|(_, dial)| dial.stage == Stage::Asked)
            .map(|(slot, dial)| (slot, dial.endpoint));
        let Some((mut slot, endpoint)) = asked else {
            return false;
        };
        let running = self.running();
        let silent = self.silent(now);
        let needed = self.waiters.len() > self.expected_from(running - silent.len())
            && self.conns.len() + running < self.limits.conns
            && running < self.limits.dials;
        if !needed {
            self.abandon_asked();
            self.listen(now, out);
            return false;
        }
        // Much may have happened to the address while the host waited for its turn.
        let beside = self.waiters.len() <= self.expected_from(running);
        if !self.endpoints[endpoint].may_dial(now) || beside && silent.contains(&endpoint) {
            self.abandon_asked();
            let other = if beside {
                self.endpoint_to_try(now, &silent)
            } else {
                self.endpoint_to_dial(now)
            };
            let Some(other) = other else {
                if beside {
                    self.listen(now, out);
                } else {
                    self.wait_or_refuse(now, out);
                }
                return false;
            };
            slot = self.insert_dial(other, Stage::Asked);
        }
        self.start(slot, now, out);
        self.plan(now, out);
        true
    }

    /// Starts a dial nobody waits for (warm-up, a probe of an address out of rotation), if limits allow.
    pub(crate) fn dial_for_upkeep(&mut self, addr: SocketAddr, now: Instant) -> Option<DialRef> {
        if self.phase != Phase::Open
            || self.dials.len() >= self.limits.dials
            || self.conns.len() + self.dials.len() >= self.limits.conns
        {
            return None;
        }
        let endpoint = self.endpoint_at(addr)?;
        if self.endpoints[endpoint].standing == Standing::Gone
            || self.endpoints[endpoint].load() >= self.limits.per_endpoint
        {
            return None;
        }
        let (dial, _) = self.insert_running(endpoint, now);
        Some(dial)
    }

    /// Puts a dial that runs at once in the books.
    pub(super) fn insert_running(
        &mut self,
        endpoint: usize,
        now: Instant,
    ) -> (DialRef, SocketAddr) {
        let slot = self.insert_dial(endpoint, Stage::Connecting(now));
        self.counters.dials += 1;
        let serial = self.dials[slot].serial;
        (DialRef { slot, serial }, self.endpoints[endpoint].addr)
    }

    /// Dials that wait for the budget.
    pub(crate) fn asked(&self) -> usize {
        self.dials.len() - self.running()
    }

    /// A dial has brought a connection.
    ///
    /// If [`checked`](Arrival::checked) it comes claimed, for a check by whoever dialled, and is handed out only when that lease ends
    /// well. `None`: this dial is not known any more, and the connection must be closed.
    pub(crate) fn dialled(
        &mut self,
        dial: DialRef,
        new: Arrival,
        now: Instant,
        out: &mut Actions,
    ) -> Option<ConnRef> {
        let (endpoint, stage) = self.end_dial(dial)?;
        self.counters.dialled += 1;
        if let Stage::Connecting(since) | Stage::Connected(since) = stage {
            self.connect.record(now.saturating_duration_since(since));
        }
        self.endpoints[endpoint].failed_dials = 0;
        self.endpoints[endpoint].backoff_until = None;
        self.pause_until = None;
        let conn = self.insert(new.id, endpoint, new.limit, new.multiplexed, now);
        self.expected = match new.limit {
            Some(_) => self.conns[conn.slot].limit.max(1),
            // What an earlier connection was told, unless that one could not multiplex.
            None if self.expected > 1 => self.expected,
            None => self.limits.streams,
        };
        if new.checked {
            self.counters.acquired += 1;
            self.conns[conn.slot].in_flight = 1;
            self.endpoints[endpoint].in_flight += 1;
            let state = match self.phase {
                Phase::Open => ConnState::Probing,
                Phase::Closed | Phase::Retired => ConnState::Draining(CloseReason::PoolClosed),
            };
            self.set_state(conn.slot, state);
        } else {
            self.offer(conn.slot, now, out);
        }
        if self.endpoints[endpoint].conns_len() > self.limits.per_endpoint {
            // The limit was lowered while it was dialled.
            self.trim(endpoint, out);
        }
        self.plan(now, out);
        Some(conn)
    }

    /// A dial has failed. Those it was to serve are charged; they are refused once no address is left to try and
    /// nothing else can serve them.
    pub(crate) fn dial_failed(
        &mut self,
        dial: DialRef,
        failure: DialFailure,
        now: Instant,
        out: &mut Actions,
    ) {
        let cut = self.cut();
        let covered = self.expected.saturating_mul(self.running());
        let Some((endpoint, _)) = self.end_dial(dial) else {
            return;
        };
        self.counters.failed(failure);
        // A probe of an address out of rotation was to serve nobody.
        let covered = if self.endpoints[endpoint].is_active() {
            covered
        } else {
            0
        };
        match failure {
            DialFailure::Abandoned => {}
            DialFailure::RuntimeGone => self.refuse_all(Refusal::Dial, out),
            DialFailure::Endpoint => {
                let (base, max) = (self.limits.backoff_base, self.limits.backoff_max);
                self.endpoints[endpoint].back_off(now, base, max, cut);
                self.waiters.charge(covered);
            }
            DialFailure::Denied | DialFailure::Local => self.waiters.charge(covered),
        }
        if failure == DialFailure::Denied {
            self.leave_denied(&[endpoint], now, out);
        } else {
            self.forget_if_gone(endpoint);
        }
        let hope = !self.dials.is_empty() || self.is_served();
        if !hope {
            let active = self.endpoints().filter(|e| e.is_active()).count();
            let tries = match failure {
                DialFailure::Local => 1,
                // The answer to a lookup is older than the denial: what the next one brings is to be tried as well. No more often, because
                // a list may allow an address each time it is looked up and deny it each time it is dialled.
                DialFailure::Denied => active.clamp(1, MAX_CHARGES) + 1,
                _ => active.clamp(1, MAX_CHARGES),
            };
            for waiter in self.waiters.exhausted(tries as u32) {
                self.waiters.settle(waiter);
                out.push(Action::Fail(waiter, Refusal::Dial));
            }
        } else if failure == DialFailure::Local {
            // Each try would fail as fast as this one, and nobody is refused: it would go on without end.
            self.pause_until = now.checked_add(self.limits.backoff_base.min(FOREVER));
        }
        self.plan(now, out);
    }

    /// The leases that `dials` dials may bring, and connections that run a check, have not been told their limit, or are
    /// on their way back.
    pub(super) fn expected_from(&self, dials: usize) -> usize {
        let new = (dials + self.coming).saturating_mul(self.expected);
        new.saturating_add(self.returning)
    }

    /// Forgets the dials that still wait for the budget.
    pub(super) fn abandon_asked(&mut self) {
        let asked: Vec<usize> = self
            .dials
            .iter()
            .filter(|(_, dial)| dial.stage == Stage::Asked)
            .map(|(slot, _)| slot)
            .collect();
        for slot in asked {
            let endpoint = self.dials.remove(slot).endpoint;
            self.endpoints[endpoint].dials -= 1;
            self.forget_if_gone(endpoint);
        }
    }

    pub(super) fn running(&self) -> usize {
        self.dials
            .iter()
            .filter(|(_, dial)| dial.stage != Stage::Asked)
            .count()
    }

    /// The share that chance takes off a wait: the serial number, scattered, and the same in every replay.
    pub(super) fn cut(&self) -> f64 {
        let seed = self.dial_serials.wrapping_add(self.counters.released);
        let chance = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52;
        self.limits.jitter * chance as f64 / 4096.0
    }

    /// How long whoever waits waits for a busy connection before one more is dialled.
    fn patience(&self, now: Instant) -> Patience {
        let wait = match self.limits.when_busy {
            DialWhenBusy::Immediate => return Patience::None,
            _ if !self.is_served() => return Patience::None,
            DialWhenBusy::Never => return Patience::Endless,
            DialWhenBusy::After(wait) => wait,
            DialWhenBusy::IfWaitExceedsConnect => {
                let Some(connect) = self.connect.mean() else {
                    return Patience::None;
                };
                if self.expected_wait() > connect {
                    return Patience::None;
                }
                connect
            }
        };
        let heard = self.dials.len() - self.silent(now).len();
        let covered = self.expected_from(heard);
        let since = self.waiters.waiting_since(covered).unwrap_or(now);
        match since.checked_add(wait) {
            Some(at) if at <= now => Patience::None,
            Some(at) => Patience::Until(at),
            None => Patience::Endless,
        }
    }

    /// Whether some connection will come back to serve those who wait.
    fn is_served(&self) -> bool {
        let serves = |conn: &Conn| !conn.is_leaving() && self.endpoints[conn.endpoint].is_active();
        self.conns.iter().any(|(_, conn)| serves(conn))
    }

    /// How long the last who waits will wait for what is open now, if leases last as long as lately: by Little's law,
    /// the leases before it over the rate at which they end.
    fn expected_wait(&self) -> Duration {
        let leased: usize = self.conns.iter().map(|(_, conn)| conn.in_flight).sum();
        let Some(hold) = self.hold.mean().filter(|_| leased > 0) else {
            return Duration::MAX;
        };
        let before = u32::try_from(self.waiters.len()).unwrap_or(u32::MAX);
        hold.saturating_mul(before) / u32::try_from(leased).unwrap_or(u32::MAX)
    }

    fn insert_dial(&mut self, endpoint: usize, stage: Stage) -> usize {
        self.dial_serials += 1;
        let serial = self.dial_serials;
        self.endpoints[endpoint].dials += 1;
        self.endpoints[endpoint].last_dial = serial;
        begin_with_one(&mut self.dials);
        self.dials.insert(Dial {
            serial,
            endpoint,
            stage,
        })
    }

    fn start(&mut self, slot: usize, now: Instant, out: &mut Actions) {
        let dial = &mut self.dials[slot];
        dial.stage = Stage::Connecting(now);
        self.counters.dials += 1;
        let name = DialRef {
            slot,
            serial: dial.serial,
        };
        out.push(Action::Dial(name, self.endpoints[dial.endpoint].addr));
    }

    /// Takes the dial out of the books. Returns its endpoint and how far it was.
    fn end_dial(&mut self, dial: DialRef) -> Option<(usize, Stage)> {
        let found = self.dials.get(dial.slot)?;
        if found.serial != dial.serial {
            return None;
        }
        let Dial {
            endpoint, stage, ..
        } = self.dials.remove(dial.slot);
        self.endpoints[endpoint].dials -= 1;
        Some((endpoint, stage))
    }

    /// Whether one more connection fits; makes space by closing an idle one that nobody may claim.
    fn has_space(&mut self, out: &mut Actions) -> bool {
        if self.conns.len() + self.dials.len() < self.limits.conns {
            return true;
        }
        // Its socket still counts; the plan is made again when it is gone.
        self.close_useless(out);
        false
    }

    /// The address with the fewest connections, and among equals the one dialled longest ago; one that is silent or
    /// doubted only if there is no other.
    pub(super) fn endpoint_to_dial(&self, now: Instant) -> Option<usize> {
        self.best_endpoint(now, &self.silent(now), |_| true)
    }

    pub(super) fn best_endpoint(
        &self,
        now: Instant,
        silent: &Silent,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let limit = self.limits.per_endpoint;
        self.endpoints
            .iter()
            .filter(|&(slot, endpoint)| {
                endpoint.may_dial(now) && endpoint.load() < limit && may(slot)
            })
            .min_by_key(|&(slot, endpoint)| {
                (
                    silent.contains(&slot),
                    endpoint.is_doubted(now),
                    endpoint.load(),
                    endpoint.last_dial,
                )
            })
            .map(|(slot, _)| slot)
    }

    /// No address can be dialled now: come back when one can, or say that none will.
    fn wait_or_refuse(&mut self, now: Instant, out: &mut Actions) {
        let again = self
            .endpoints()
            .filter(|e| e.is_active())
            .filter_map(|e| e.backoff_until);
        let again = again.chain(self.readmit_at).filter(|&at| at > now).min();
        if let Some(at) = again {
            self.wake_at(at, now, out);
            return;
        }
        let usable = self.endpoints().any(|e| e.is_active());
        if !usable && self.dials.is_empty() {
            self.refuse_all(Refusal::Unavailable, out);
        }
    }
}
