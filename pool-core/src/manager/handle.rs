//! The handle of one host.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::Shared;
use super::acquire::Acquire;
use super::host::Host;
use super::lease::Lease;
use super::sync::{Arc, now};
use super::ticket::Ticket;
use crate::error::Error;
use crate::key::Key;

/// One host: the connections of one key. Cloning is one atomic increment.
pub struct HostHandle<C: Send + Sync + 'static>(pub(crate) Arc<Host<C>>);

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// What the connections are for.
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// Whether the host has been forgotten: what is asked of it from now on is for the one that takes its place.
    pub(crate) fn is_retired(&self) -> bool {
        self.0.is_retired()
    }

    /// Waits for a lease, without limit of its own: put a timeout around it, or use
    /// [`acquire_until`](Self::acquire_until).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Saturated`](crate::ErrorKind::Saturated) if the queue is full, `Closed`, `Unavailable`, or the
    /// error of the dials that were to serve it.
    #[doc(alias = "WaitForAvailable")]
    pub fn acquire(&self) -> Acquire<C> {
        Acquire::new(self.clone(), None)
    }

    /// As [`acquire`](Self::acquire), and nothing is granted after `deadline`. It still needs a timer to be woken
    /// then.
    pub fn acquire_until(&self, deadline: Instant) -> Acquire<C> {
        Acquire::new(self.clone(), Some(deadline))
    }

    /// Claims a connection if one has room now and nobody queues for it.
    #[doc(alias("getExistingConnection", "TryAcquire"))]
    pub fn try_acquire(&self) -> Option<Lease<C>> {
        self.try_acquire_at(now())
    }

    /// As [`try_acquire`](Self::try_acquire), for a caller that knows the time already: the clock is not read.
    ///
    /// `now` must not be before an earlier one by more than it takes to get here; times of use and eviction follow it.
    pub fn try_acquire_at(&self, now: Instant) -> Option<Lease<C>> {
        Host::try_claim(&self.0, None, now).map(Lease::new)
    }

    /// The answer to [`Driver::resolve`](super::Driver::resolve): new addresses join, missing ones drain.
    pub fn set_addresses(&self, addrs: &[SocketAddr]) {
        Host::event(&self.0, |state, at, out| {
            state.set_addresses(addrs, at, out)
        });
    }

    /// The lookup failed. Those who wait for it get `error`.
    pub fn lookup_failed(&self, error: Error) {
        // The last error is somebody else's code too: it goes after the lock.
        let _last = Host::step(&self.0, |core| {
            let last = core.failure.replace(error);
            let (state, actions) = core.actions();
            state.lookup_failed(now(), actions);
            last
        });
    }

    /// Nobody will call [`tick`](Self::tick) any more: those who wait get `error` instead of waiting for ever.
    pub fn give_up(&self, error: Error) {
        // As above: after the lock.
        let _last = Host::step(&self.0, |core| {
            let last = core.failure.replace(error);
            let (state, actions) = core.actions();
            state.give_up(actions);
            last
        });
    }

    /// The time asked for by [`Driver::wake_at`](super::Driver::wake_at) has come.
    pub fn tick(&self) {
        Host::tick(&self.0);
    }

    /// Starts a dial that nobody waits for. `None`: a limit forbids it now, or the address is unknown.
    pub fn dial(&self, target: SocketAddr, source: Option<IpAddr>) -> Option<Ticket<C>> {
        Host::dial_for_upkeep(&self.0, target, source)
    }

    /// The same key's host of today, if this one was forgotten.
    pub(super) fn again(&self) -> Self {
        Self(Shared::host(&self.0.shared, &self.0.key))
    }
}

impl<C: Send + Sync + 'static> Clone for HostHandle<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for HostHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostHandle").field(&self.0.key).finish()
    }
}
