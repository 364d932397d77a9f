//! Waiting for a lease with a timer: what the manager, which has none, leaves to its user.

use std::time::Duration;

use tokio::time::timeout_at;

use crate::clock;
use crate::error::{Error, ErrorKind, Phase};
use crate::manager::{Acquire, ConnHandle, HostHandle, Lease};

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// Waits at most `timeout` for a lease on any connection of the host. `Duration::MAX` waits for ever; zero takes what
    /// is there.
    ///
    /// It resolves to a lease, never to news: of eight who wait, one that is returned serves one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if none came in time; else as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`Acquire`]: neither a time-out nor dropping the future leaves anything behind.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with a timer, once it has to wait.
    #[doc(alias = "WaitForAvailable")]
    pub async fn wait_available(&self, timeout: Duration) -> Result<Lease<C>, Error> {
        wait(self.key().to_string(), timeout, |deadline| match deadline {
            Some(deadline) => self.acquire_until(deadline),
            None => self.acquire(),
        })
        .await
    }
}

impl<C: Send + Sync + 'static> ConnHandle<C> {
    /// Waits at most `timeout` for a lease on this connection and no other; see [`HostHandle::wait_available`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if it did not become free in time; else as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`Acquire`]: neither a time-out nor dropping the future leaves anything behind.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with a timer, once it has to wait.
    #[doc(alias = "WaitForAvailable")]
    pub async fn wait_available(&self, timeout: Duration) -> Result<Lease<C>, Error> {
        wait(
            self.host().key().to_string(),
            timeout,
            |deadline| match deadline {
                Some(deadline) => self.acquire_until(deadline),
                None => self.acquire(),
            },
        )
        .await
    }
}

async fn wait<C: Send + Sync + 'static>(
    host: String,
    timeout: Duration,
    acquire: impl FnOnce(Option<std::time::Instant>) -> Acquire<C>,
) -> Result<Lease<C>, Error> {
    // A deadline beyond the end of time means never.
    let deadline = clock::now().checked_add(timeout);
    let waiting = acquire(deadline);
    let Some(deadline) = deadline else {
        return waiting.await;
    };
    let late = || Err(Error::new(ErrorKind::Timeout(Phase::Acquire)).with_host(host));
    timeout_at(deadline.into(), waiting)
        .await
        .unwrap_or_else(|_| late())
}
