//! The handle of one connection, for whoever wants to look at it, wait for it or take it out.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use super::HostHandle;
use super::acquire::Acquire;
use super::host::Host;
use super::lease::Lease;
use super::reason::CloseReason;
use super::state::ConnRef;
use super::status::{ConnStatus, StatusCell};
use super::sync::{Arc, StdArc, now};
use super::waiters::Place;
use crate::info::ConnId;

/// One connection by its identity. It does not keep the connection open, and never means another: one that took its
/// place has another id.
#[doc(alias = "UTLSConnection")]
pub struct ConnHandle<C: Send + Sync + 'static> {
    pub(super) host: Arc<Host<C>>,
    pub(super) conn: ConnRef,
    pub(super) status: StdArc<StatusCell>,
}

impl<C: Send + Sync + 'static> ConnHandle<C> {
    /// Its id.
    pub fn id(&self) -> ConnId {
        self.conn.id
    }

    /// Its remote address.
    pub fn target(&self) -> SocketAddr {
        self.status.target()
    }

    /// The host it belongs to.
    pub fn host(&self) -> HostHandle<C> {
        HostHandle(self.host.clone())
    }

    /// What is true of it now, without a lock.
    pub fn status(&self) -> ConnStatus {
        self.status.read()
    }

    /// Claims this connection if it has room now.
    #[doc(alias = "TryAcquire")]
    pub fn try_acquire(&self) -> Option<Lease<C>> {
        let granted = Host::step(&self.host, |core| {
            let claim = core.state.claim_on(self.conn, now())?;
            Some(core.granted(claim))
        })?;
        Some(Lease::new(granted))
    }

    /// Waits for a lease on this connection and no other, in its turn among those who wait for any.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnGone`](crate::ErrorKind::ConnGone) if the connection is on its way out, before or while this
    /// waits; [`ErrorKind::Saturated`](crate::ErrorKind::Saturated) if the queue is full; `Closed`.
    ///
    /// # Cancel safety
    ///
    /// As [`Acquire`].
    #[doc(alias = "WaitForAvailable")]
    pub fn acquire(&self) -> Acquire<C> {
        Acquire::new(self.host(), None).at(Place::On(self.conn.id))
    }

    /// As [`acquire`](Self::acquire), and nothing is granted after `deadline`. It still needs a timer to be woken
    /// then: [`wait_available`](Self::wait_available) brings its own.
    pub fn acquire_until(&self, deadline: Instant) -> Acquire<C> {
        Acquire::new(self.host(), Some(deadline)).at(Place::On(self.conn.id))
    }

    /// Takes it out: it closes now if it carries nothing, else with its last lease. `false` if it is gone or on its
    /// way out already.
    #[doc(alias = "RemoveConnection")]
    pub fn remove(&self) -> bool {
        Host::event(&self.host, |state, at, out| {
            state.drain(self.conn, CloseReason::Removed, at, out)
        })
    }
}

impl<C: Send + Sync + 'static> Clone for ConnHandle<C> {
    fn clone(&self) -> Self {
        Self {
            host: self.host.clone(),
            conn: self.conn,
            status: self.status.clone(),
        }
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for ConnHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnHandle")
            .field("id", &self.id())
            .field("key", &self.host.key)
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}
