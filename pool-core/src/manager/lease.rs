//! A claim on a connection: the right to use it, given back on drop.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use pool_health::{ConnStats, HostStats};

use super::host::{Granted, Host};
use super::reason::CloseReason;
use super::state::{Claim, ConnRef, Leased, Returned, seed};
use super::status::ConnStatus;
use super::sync::{Arc, now};
use super::{Entry, HostHandle};
use crate::info::ConnId;
use crate::key::Key;

/// The right to use a connection: all of an HTTP/1.1 connection, one stream of an HTTP/2 connection.
///
/// Dropping it gives the right back, on any thread, inside a runtime or not; it goes to the waiter that has waited
/// longest. It cannot be given back twice, and one that outlives its connection changes nothing when it ends.
#[doc(alias("PutConnection", "ReleaseConnection"))]
pub struct Lease<C: Send + Sync + 'static> {
    /// `None` once it has ended.
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
    pub(crate) fn new(granted: Granted<C>) -> Self {
        Self {
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
        self.entry().id()
    }

    /// The connection's remote address.
    pub fn target(&self) -> SocketAddr {
        self.entry().target()
    }

    /// When the connection was opened.
    pub fn created(&self) -> Instant {
        self.entry().status.created()
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
        let mut stats = ConnStats::new(self.created());
        stats.last_used = claim.last_used;
        stats.idle_since = (claim.in_flight == 0).then_some(claim.last_used);
        stats.uses = claim.uses;
        stats.in_flight = u32::try_from(claim.in_flight).unwrap_or(u32::MAX);
        stats.errors = claim.errors;
        stats.consecutive_errors = claim.consecutive_errors;
        stats.multiplexed = claim.multiplexed;
        stats.seed = seed(self.id());
        stats
    }

    /// The host's statistics as far as a claim knows them, for eviction policies.
    pub(crate) fn host_stats_before(&self) -> HostStats {
        let mut stats = HostStats::default();
        stats.idle_limit = self.claim.idle_limit;
        stats
    }

    /// Says that an exchange which needed the whole connection is over and the lease about to end.
    pub(crate) fn expect_back(&self) {
        Host::event(&self.entry().host, |state, _, _| {
            state.expect_back(self.claim.conn)
        });
    }

    pub(crate) fn conn_ref(&self) -> ConnRef {
        self.claim.conn
    }

    /// What the connection is for.
    pub fn key(&self) -> &Key {
        &self.entry().host.key
    }

    /// The host it belongs to.
    pub fn host(&self) -> HostHandle<C> {
        HostHandle(self.entry().host.clone())
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

    /// Gives it back, for a caller that knows the time already: the clock is not read.
    #[doc(alias("PutConnection", "ReleaseConnection"))]
    pub fn release_at(mut self, now: Instant) {
        self.end(|| now);
    }

    /// What is true of the connection now, this lease included, without a lock.
    pub fn status(&self) -> ConnStatus {
        self.entry().status.read()
    }

    /// Counts bytes sent or received on the connection, for its [status](ConnStatus::bytes).
    pub fn add_bytes(&self, bytes: u64) {
        self.entry().status.add_bytes(bytes);
    }

    /// Says how a health check of the connection ended, for its [history](ConnStatus::health).
    pub fn checked(&self, passed: bool) {
        self.entry().status.checked(passed, now());
    }

    /// When a health check of the connection last ended.
    pub(crate) fn last_checked(&self) -> Option<Instant> {
        self.entry().status.last_checked()
    }

    /// When the connection last was known to be alive before this lease: it was used, or a check of it ended.
    pub(crate) fn alive_at(&self) -> Instant {
        self.last_checked()
            .map_or(self.claim.last_used, |at| at.max(self.claim.last_used))
    }

    /// Turns this lease, the only one on the connection, into a check: nobody else gets the connection until it has
    /// ended well. `false`: there are others.
    pub(crate) fn check_instead(&self) -> bool {
        Host::event(&self.entry().host, |state, _, _| {
            state.check_instead(self.claim.conn)
        })
    }

    fn entry(&self) -> &Entry<C> {
        let entry = self.entry.as_ref();
        entry.expect("a lease holds its connection until it ends")
    }

    /// The first time, gives it back; the time is asked for only then.
    #[inline]
    fn end(&mut self, now: impl FnOnce() -> Instant) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        #[cfg(test)]
        if let Some(witness) = self.witness.take() {
            witness(match self.how {
                Returned::Discard(reason) => Some(reason),
                Returned::Clean | Returned::Failed => None,
            });
        }
        let lease = Leased {
            conn: self.claim.conn,
            since: self.claim.since,
        };
        Host::release(entry, lease, self.how, now());
    }
}

impl<C: Send + Sync + 'static> Drop for Lease<C> {
    #[inline]
    fn drop(&mut self) {
        self.end(now);
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("id", &self.id())
            .field("key", self.key())
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}
