//! The future that waits for a lease.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::HostHandle;
use super::host::{Host, Joined};
use super::lease::Lease;
use super::mailbox::Mailbox;
use super::state::Turned;
use super::sync::Arc;
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

/// A place in the queue, counted over all hosts until it is given up or served.
struct Queued<C: Send + Sync + 'static> {
    waiter: WaiterRef,
    mailbox: Arc<Mailbox<C>>,
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
            let host = &this.host.0;
            if let Some(queued) = &this.queued {
                // Whatever answers from now on wakes the task.
                let Some(outcome) = queued.mailbox.poll(cx.waker()) else {
                    return Poll::Pending;
                };
                this.queued = None;
                host.shared.budget.leave_queue();
                return Poll::Ready(outcome.map(Lease::new));
            }
            let refusal = match Host::claim_or_join(host, this.place, this.deadline) {
                Ok(Joined::Granted(granted)) => {
                    return Poll::Ready(Ok(Lease::new(granted)));
                }
                Ok(Joined::Queued(waiter, mailbox)) => {
                    this.queued = Some(Queued { waiter, mailbox });
                    continue;
                }
                Err(Turned::Retired) => {
                    this.host = this.host.again();
                    continue;
                }
                Err(Turned::Full) => ErrorKind::Saturated,
                Err(Turned::Closed) => ErrorKind::Closed,
                Err(Turned::Gone) => ErrorKind::ConnGone,
            };
            return Poll::Ready(Err(Error::new(refusal).with_host(host.key.to_string())));
        }
    }
}

impl<C: Send + Sync + 'static> Drop for Acquire<C> {
    fn drop(&mut self) {
        if let Some(queued) = self.queued.take() {
            Host::cancel(&self.host.0, queued.waiter, &queued.mailbox);
            self.host.0.shared.budget.leave_queue();
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
