//! A claim on a connection: the right to use it, given back on drop.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use pool_health::ConnStats;

use super::host::{Granted, Host};
use super::reason::CloseReason;
use super::state::{Claim, ConnRef, Returned, seed};
use super::sync::Arc;
use super::{Entry, HostHandle};
use crate::info::ConnId;
use crate::key::Key;

/// The right to use a connection: all of an HTTP/1.1 connection, one stream of an HTTP/2 connection.
///
/// Dropping it gives the right back, on any thread, inside a runtime or not; it goes to the waiter that has waited
/// longest. It cannot be given back twice, and one that outlives its connection changes nothing when it ends.
pub struct Lease<C: Send + Sync + 'static> {
    host: Arc<Host<C>>,
    /// `None` only while it drops.
    entry: Option<Arc<Entry<C>>>,
    claim: Claim,
    how: Returned,
    #[cfg(test)]
    witness: Option<Witness>,
}

/// Is told how a lease ended, just before it does.
#[cfg(test)]
type Witness = Box<dyn FnOnce(Option<CloseReason>) + Send + Sync>;

impl<C: Send + Sync + 'static> Lease<C> {
    pub(crate) fn new(host: Arc<Host<C>>, granted: Granted<C>) -> Self {
        Self {
            host,
            entry: Some(granted.entry),
            claim: granted.claim,
            how: Returned::Clean,
            #[cfg(test)]
            witness: None,
        }
    }

    /// Tells `witness` when the lease ends, with the reason if the connection was discarded.
    #[cfg(test)]
    #[cfg(not(pool_loom))]
    pub(crate) fn with_witness(
        mut self,
        witness: impl FnOnce(Option<CloseReason>) + Send + Sync + 'static,
    ) -> Self {
        self.witness = Some(Box::new(witness));
        self
    }

    /// The connection.
    pub fn conn(&self) -> &C {
        &self.entry().value
    }

    /// The connection's id.
    pub fn id(&self) -> ConnId {
        self.entry().id
    }

    /// The connection's remote address.
    pub fn target(&self) -> SocketAddr {
        self.entry().target
    }

    /// When the connection was opened.
    pub fn created(&self) -> Instant {
        self.entry().created
    }

    /// Leases on this connection before this one.
    pub fn uses_before(&self) -> u64 {
        self.claim.uses
    }

    /// Leases in flight on this connection when this one was granted, without it.
    pub fn in_flight_before(&self) -> usize {
        self.claim.in_flight
    }

    /// When the connection was last used before this lease.
    pub fn last_used_before(&self) -> Instant {
        self.claim.last_used
    }

    /// The connection's statistics as they were before this lease, for eviction policies.
    pub fn stats_before(&self) -> ConnStats {
        let claim = &self.claim;
        let mut stats = ConnStats::new(self.entry().created);
        stats.last_used = claim.last_used;
        stats.idle_since = (claim.in_flight == 0).then_some(claim.last_used);
        stats.uses = claim.uses;
        stats.in_flight = u32::try_from(claim.in_flight).unwrap_or(u32::MAX);
        stats.errors = claim.errors;
        stats.consecutive_errors = claim.consecutive_errors;
        stats.multiplexed = claim.multiplexed;
        stats.seed = seed(self.entry().id);
        stats
    }

    /// Says that an exchange which needed the whole connection is over and the lease about to end.
    pub(crate) fn expect_back(&self) {
        Host::event(&self.host, |state, _, _| state.expect_back(self.claim.conn));
    }

    pub(crate) fn conn_ref(&self) -> ConnRef {
        self.claim.conn
    }

    /// What the connection is for.
    pub fn key(&self) -> &Key {
        &self.host.key
    }

    /// The host it belongs to.
    pub fn host(&self) -> HostHandle<C> {
        HostHandle(self.host.clone())
    }

    /// Says that the exchange failed but the connection may be used again.
    pub fn mark_failed(&mut self) {
        if self.how == Returned::Clean {
            self.how = Returned::Failed;
        }
    }

    /// Says that the connection must not be used again: it closes when this lease drops, or, if it carries other
    /// streams, with the last of them. The first reason counts.
    pub fn discard(&mut self, reason: CloseReason) {
        if !matches!(self.how, Returned::Discard(_)) {
            self.how = Returned::Discard(reason);
        }
    }

    fn entry(&self) -> &Entry<C> {
        let entry = self.entry.as_ref();
        entry.expect("a lease holds its connection until it drops")
    }
}

impl<C: Send + Sync + 'static> Drop for Lease<C> {
    fn drop(&mut self) {
        #[cfg(test)]
        if let Some(witness) = self.witness.take() {
            witness(match self.how {
                Returned::Discard(reason) => Some(reason),
                Returned::Clean | Returned::Failed => None,
            });
        }
        // Let go of first: if the connection closes, its permit is free before the host plans the next dial.
        self.entry = None;
        Host::release(&self.host, self.claim.conn, self.how);
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("id", &self.entry().id)
            .field("key", &self.host.key)
            .field("target", &self.entry().target)
            .finish_non_exhaustive()
    }
}
