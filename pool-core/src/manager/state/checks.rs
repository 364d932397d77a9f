//! What checks and outcomes say about connections and addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pool_health::{
    Change, EndpointStats, HostEndpoints, IdleLimit, Outcome, PeerStats, Threshold, Tracker,
};

use crate::manager::reason::CloseReason;

use super::endpoint::Endpoint;
use super::{Claim, ConnRef, ConnState, HostState, Phase, Standing};

/// What was learned about a host's peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// How long they let a connection be idle.
    idle_limit: IdleLimit,
    /// What that came to when it was last looked at.
    pub(super) known_idle_limit: Option<Duration>,
    /// What was usual for the endpoints when it was last looked at, if it was.
    usual: Option<(Instant, PeerStats)>,
}

impl Learned {
    /// A connection that was idle for so long is used again.
    pub(super) fn survived(&mut self, idle: Duration) {
        self.idle_limit.survived(idle);
    }
}

impl HostState {
    /// Claims an idle connection for a check. Nobody else gets it until the lease is released.
    pub(crate) fn claim_for_check(&mut self, conn: ConnRef, now: Instant) -> Option<Claim> {
        let slot = self.find(conn)?;
        if !self.conns[slot].is_idle() || self.phase != Phase::Open {
            return None;
        }
        self.unlink_free(slot);
        self.counters.acquired += 1;
        self.set_state(slot, ConnState::Probing);
        let claimed = &mut self.conns[slot];
        let claim = claimed.claim(slot, now);
        claimed.in_flight = 1;
        self.endpoints[claimed.endpoint].in_flight += 1;
        Some(claim)
    }

    /// Turns the one lease on a connection into a check of it: nobody else gets it until that lease has ended well.
    /// `false`: it carries other leases, which say more than a check would, or takes no new ones.
    pub(crate) fn check_instead(&mut self, conn: ConnRef) -> bool {
        let Some(slot) = self.find(conn) else {
            return false;
        };
        let claimed = &mut self.conns[slot];
        if claimed.state != ConnState::Ready || claimed.in_flight != 1 {
            return false;
        }
        // A check is not a use.
        claimed.uses -= 1;
        self.unlink_free(slot);
        self.is_back(slot);
        self.set_state(slot, ConnState::Probing);
        true
    }

    /// A second lease for the owner of a check: the connection stays under the check when this one ends well.
    pub(crate) fn claim_within_check(&mut self, conn: ConnRef, now: Instant) -> Option<Claim> {
        let slot = self.find(conn)?;
        let checked = &mut self.conns[slot];
        if checked.state != ConnState::Probing {
            return None;
        }
        let claim = checked.claim(slot, now);
        checked.in_flight += 1;
        self.endpoints[checked.endpoint].in_flight += 1;
        self.counters.acquired += 1;
        self.touch(slot);
        Some(claim)
    }

    /// Counts an outcome against the address, and how long the response took. `None` if the address is not known, or out already: what
    /// was under way when it was ejected is no reason to eject it for longer.
    pub(crate) fn observe(
        &mut self,
        addr: SocketAddr,
        outcome: Outcome,
        latency: Option<Duration>,
        now: Instant,
    ) -> Option<usize> {
        let endpoint = self.endpoint_at(addr)?;
        match outcome {
            Outcome::Reset | Outcome::TimedOut => self.doubt(endpoint, now),
            // Dials have a back-off of their own.
            Outcome::ConnectFailed => {}
            // Whatever the answer is, the address answers.
            _ => self.trust(endpoint),
        }
        let found = &mut self.endpoints[endpoint];
        if let Some(latency) = latency {
            found.stats.observe_latency(latency);
        }
        found.stats.observe(outcome);
        found.is_active().then_some(endpoint)
    }

    /// What policies judge an address by.
    pub(crate) fn judged_by(
        &mut self,
        endpoint: usize,
        now: Instant,
    ) -> (EndpointStats, HostEndpoints) {
        let mut host = self.host_endpoints();
        host.peers = self.usual(now);
        (self.endpoints[endpoint].stats, host)
    }

    /// Counts what a check of the address found. `Some` if by that the address should be out of rotation until checks succeed, or
    /// back; whoever is told judges it.
    pub(crate) fn observe_check(
        &mut self,
        addr: SocketAddr,
        ok: bool,
        threshold: Threshold,
    ) -> Option<Change> {
        let endpoint = self.endpoint_at(addr)?;
        let endpoint = &mut self.endpoints[endpoint];
        if endpoint.standing == Standing::Gone {
            return None;
        }
        let up = endpoint.standing != Standing::Ejected(None);
        // Another may have judged it, or the threshold may be a new one: then it is counted from here on.
        let mut checks = match endpoint.checks {
            Some(checks) if checks.is_up() == up && checks.threshold() == threshold => checks,
            _ if up => Tracker::up(threshold),
            _ => Tracker::down(threshold),
        };
        let change = checks.observe(ok);
        endpoint.checks = Some(checks);
        change
    }

    /// What is usual for the addresses, as of at most a moment ago: it takes a look at each of them.
    pub(crate) fn usual(&mut self, now: Instant) -> PeerStats {
        match self.learned.usual {
            Some((at, usual)) if now.saturating_duration_since(at) < LOOK_AGAIN => usual,
            _ => {
                let usual = PeerStats::of(self.endpoints().map(|endpoint| &endpoint.stats));
                self.learned.usual = Some((now, usual));
                usual
            }
        }
    }

    /// A connection ends: if the peer does that while nobody uses it, it may do so to all that are idle for so long.
    pub(super) fn learn_from_end(&mut self, slot: usize, reason: CloseReason, now: Instant) {
        let conn = &self.conns[slot];
        let by_the_peer = matches!(reason, CloseReason::PeerClosed | CloseReason::GoAway);
        if conn.is_idle() && by_the_peer {
            let idle = now.saturating_duration_since(conn.last_used);
            self.learned.idle_limit.closed(idle, now);
            self.idle_limit(now);
        }
    }

    /// How long the peer lets a connection be idle, as far as is known.
    pub(crate) fn idle_limit(&mut self, now: Instant) -> Option<Duration> {
        self.learned.known_idle_limit = self.learned.idle_limit.limit(now);
        self.learned.known_idle_limit
    }

    /// Whether requests may go to this address.
    pub(crate) fn is_in_rotation(&self, addr: SocketAddr) -> bool {
        self.endpoint(addr).is_some_and(Endpoint::is_active)
    }

    /// How many addresses there are, and how many are out of rotation.
    pub(crate) fn host_endpoints(&self) -> HostEndpoints {
        HostEndpoints::new(self.endpoints.len() - self.gone, self.ejected)
    }

    /// Lets another address come first, if another has a connection with room: for a second try.
    pub(crate) fn pass_over(&mut self, addr: SocketAddr) {
        for list in [&mut self.ready, &mut self.doubtful] {
            let next = list.front();
            if let Some(endpoint) = next.filter(|&next| self.endpoints[next].addr == addr) {
                list.remove(&mut self.endpoints, endpoint);
                list.push_back(&mut self.endpoints, endpoint);
            }
        }
    }

    /// The addresses that are out of rotation until a check succeeds.
    pub(crate) fn condemned(&self) -> Vec<SocketAddr> {
        self.endpoints()
            .filter(|endpoint| endpoint.standing == Standing::Ejected(None))
            .map(|endpoint| endpoint.addr)
            .collect()
    }
}

/// How long what is usual for a host's addresses is taken as it was.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
