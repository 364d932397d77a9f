//! What checks and outcomes say about connections and addresses.

use std::net::SocketAddr;

use pool_health::{EndpointStats, HostEndpoints, Outcome};

use super::{Claim, ConnRef, ConnState, HostState, Phase, Standing};

impl HostState {
    /// Claims an idle connection for a check. Nobody else gets it until the lease is released.
    pub(crate) fn claim_for_check(&mut self, conn: ConnRef) -> Option<Claim> {
        let slot = self.find(conn)?;
        if !self.conns[slot].is_idle() || self.phase != Phase::Open {
            return None;
        }
        self.unlink_free(slot);
        self.counters.acquired += 1;
        self.set_state(slot, ConnState::Probing);
        let claimed = &mut self.conns[slot];
        let claim = claimed.claim(slot);
        claimed.in_flight = 1;
        Some(claim)
    }

    /// A second lease for the owner of a check: the connection stays under the check when this one ends well.
    pub(crate) fn claim_within_check(&mut self, conn: ConnRef) -> Option<Claim> {
        let slot = self.find(conn)?;
        let checked = &mut self.conns[slot];
        if checked.state != ConnState::Probing {
            return None;
        }
        let claim = checked.claim(slot);
        checked.in_flight += 1;
        self.counters.acquired += 1;
        Some(claim)
    }

    /// Counts an outcome against the address, and returns what policies judge by.
    pub(crate) fn observe(
        &mut self,
        addr: SocketAddr,
        outcome: Outcome,
    ) -> Option<(EndpointStats, HostEndpoints)> {
        let endpoint = self.endpoint_mut(addr)?;
        endpoint.stats.observe(outcome);
        let stats = endpoint.stats;
        Some((stats, self.host_endpoints()))
    }

    /// How many addresses there are, and how many are out of rotation.
    pub(crate) fn host_endpoints(&self) -> HostEndpoints {
        let present = || {
            self.endpoints()
                .filter(|endpoint| endpoint.standing != Standing::Gone)
        };
        let ejected = present().filter(|endpoint| !endpoint.is_active()).count();
        HostEndpoints::new(present().count(), ejected)
    }

    /// Lets another address come first, if another has a connection with room: for a second try.
    pub(crate) fn pass_over(&mut self, addr: SocketAddr) {
        let next = self.ready.front();
        if let Some(endpoint) = next.filter(|&next| self.endpoints[next].addr == addr) {
            self.ready.remove(&mut self.endpoints, endpoint);
            self.ready.push_back(&mut self.endpoints, endpoint);
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
