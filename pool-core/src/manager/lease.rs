//! A claim on a connection: the right to use it, given back on drop.

use std::fmt;
use std::sync::Arc;

/// STAND-IN until the manager lands: same methods, trivial inside.
pub struct Lease<C> {
    value: Arc<C>,
    on_drop: Option<Box<dyn FnOnce(Option<CloseReason>) + Send + Sync>>,
    discard: Option<CloseReason>,
}

impl<C> Lease<C> {
    #[cfg(test)]
    pub(crate) fn stand_in(
        value: Arc<C>,
        on_drop: impl FnOnce(Option<CloseReason>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            value,
            on_drop: Some(Box::new(on_drop)),
            discard: None,
        }
    }
    /// The connection.
    pub fn conn(&self) -> &C {
        &self.value
    }
    /// Marks the connection as not reusable: when the lease drops it is closed (HTTP/2: drained) instead of returned.
    pub fn discard(&mut self, reason: CloseReason) {
        self.discard = Some(reason);
    }
}

impl<C> Drop for Lease<C> {
    fn drop(&mut self) {
        if let Some(f) = self.on_drop.take() {
            f(self.discard);
        }
    }
}

impl<C> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it.
    PeerClosed,
    /// The peer sent GOAWAY.
    GoAway,
    /// An I/O or protocol error.
    Error,
    /// The peer did not answer a PING in time.
    PingTimeout,
    /// The exchange was not finished cleanly: a body dropped half-way, bytes left over, a request cancelled.
    Unfinished,
    /// A health check failed.
    Unhealthy,
    /// Idle for too long.
    Idle,
    /// Too old.
    Lifetime,
    /// Used often enough.
    Uses,
    /// More idle connections than allowed.
    Surplus,
    /// Closed to make room for another host.
    Reclaimed,
    /// Its address left the host's address list, or was taken out of rotation.
    EndpointGone,
    /// A policy said so, by its name.
    Policy(&'static str),
    /// Removed by hand.
    Removed,
    /// The pool was closed.
    PoolClosed,
    /// The runtime that drove it is gone.
    RuntimeGone,
}
