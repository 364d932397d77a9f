//! The future that waits for a lease.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::HostHandle;
use super::budget::{Budget, QueueSlot};
use super::host::{Hint, Host, Joined};
use super::lease::Lease;
use super::state::Turned;
use super::sync::now;
use super::waiters::{Place, WaiterRef};
use crate::error::{Error, ErrorKind};
use crate::priority::Priority;

/// Waits for a lease on a connection of one host; made by [`HostHandle::acquire`].
///
/// Those who wait are served in the order of their first poll, class by class as [`Priority`] says.
///
/// # Cancel safety
///
/// Dropping it gives up the place in the queue. A lease already granted to it goes to the next waiter. A dial under
/// way goes on, for whoever waits next.
#[must_use = "futures do nothing unless polled"]
pub struct Acquire<C: Send + Sync + 'static> {
    host: HostHandle<C>,
    place: Place,
    deadline: Option<Instant>,
    queued: Option<Queued<C>>,
}

struct Queued<C: Send + Sync + 'static> {
    waiter: WaiterRef,
    _slot: QueueSlot<C>,
}

impl<C: Send + Sync + 'static> Acquire<C> {
    pub(crate) fn new(host: HostHandle<C>, deadline: Option<Instant>) -> Self {
        Self {
            host,
            place: Place::Back(Priority::default()),
            deadline,
            queued: None,
        }
    }

    /// Waits in this class; [`Priority::Normal`] if this is not called. It counts from the first poll on. Whoever waits
    /// for one connection alone has no class.
    pub fn priority(self, priority: Priority) -> Self {
        match self.place {
            Place::Back(_) => self.at(Place::Back(priority)),
            Place::Front | Place::On(_) => self,
        }
    }

    /// Joins at the head of the queue: for one that was there already and got a connection that turned out dead.
    pub(crate) fn at_the_front(self) -> Self {
        self.at(Place::Front)
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
}

impl<C: Send + Sync + 'static> Future for Acquire<C> {
    type Output = Result<Lease<C>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(queued) = &this.queued {
                let Some(outcome) = Host::poll_waiter(&this.host.0, queued.waiter, cx.waker())
                else {
                    return Poll::Pending;
                };
                this.queued = None;
                return Poll::Ready(
                    outcome.map(|granted| Lease::new(this.host.0.clone(), granted)),
                );
            }
            // Claimed without a place in the count of waiters; taken only by those who really queue.
            if !matches!(this.place, Place::On(_))
                && let Some(granted) = Host::try_claim(&this.host.0, Hint::default(), now())
            {
                return Poll::Ready(Ok(Lease::new(this.host.0.clone(), granted)));
            }
            let host = &this.host.0;
            let saturated = || Error::new(ErrorKind::Saturated).with_host(host.key.to_string());
            let Some(slot) = Budget::enter_queue(&host.shared, this.place) else {
                return Poll::Ready(Err(saturated()));
            };
            match Host::claim_or_join(host, this.place, this.deadline, cx.waker()) {
                Ok(Joined::Granted(granted)) => {
                    return Poll::Ready(Ok(Lease::new(host.clone(), granted)));
                }
                Ok(Joined::Queued(waiter)) => {
                    this.queued = Some(Queued {
                        waiter,
                        _slot: slot,
                    });
                    // Whatever answers, even before this line, wakes the task.
                    return Poll::Pending;
                }
                Err(Turned::Full) => return Poll::Ready(Err(saturated())),
                Err(Turned::Closed) => {
                    let error = Error::new(ErrorKind::Closed).with_host(host.key.to_string());
                    return Poll::Ready(Err(error));
                }
                Err(Turned::Gone) => {
                    let error = Error::new(ErrorKind::ConnGone).with_host(host.key.to_string());
                    return Poll::Ready(Err(error));
                }
                Err(Turned::Retired) => this.host = this.host.again(),
            }
        }
    }
}

impl<C: Send + Sync + 'static> Drop for Acquire<C> {
    fn drop(&mut self) {
        if let Some(queued) = self.queued.take() {
            Host::cancel(&self.host.0, queued.waiter);
        }
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for Acquire<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("host", &self.host)
            .field("queued", &self.queued.is_some())
            .finish_non_exhaustive()
    }
}
