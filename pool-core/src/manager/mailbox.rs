//! Where one who waits finds its outcome, without the host's lock.
//!
//! The host decides the outcome under its lock and delivers it after. Whoever waits may give up in between: then the
//! outcome goes back to whoever delivers it.

use std::task::Waker;

use super::host::Granted;
use super::sync::{Arc, Mutex, lock};
use crate::error::Error;

/// What a waiter gets.
pub(crate) type Outcome<C> = Result<Granted<C>, Error>;

pub(crate) struct Mailbox<C: Send + Sync + 'static> {
    contents: Mutex<Contents<C>>,
}

enum Contents<C: Send + Sync + 'static> {
    /// Nothing yet; whom to wake when it comes.
    Empty(Option<Waker>),
    Delivered(Outcome<C>),
    /// The outcome was collected, or nobody waits for it any more.
    Closed,
}

impl<C: Send + Sync + 'static> Default for Mailbox<C> {
    fn default() -> Self {
        Self {
            contents: Mutex::new(Contents::Empty(None)),
        }
    }
}

impl<C: Send + Sync + 'static> Mailbox<C> {
    /// Makes it as good as new, if nobody else has it.
    pub(crate) fn renew(mailbox: &mut Arc<Self>) -> bool {
        let Some(mailbox) = Arc::get_mut(mailbox) else {
            return false;
        };
        *mailbox = Self::default();
        true
    }

    /// Puts the outcome in, and returns whom to wake.
    ///
    /// # Errors
    ///
    /// The outcome, if nobody waits for it any more.
    pub(crate) fn deliver(&self, outcome: Outcome<C>) -> Result<Option<Waker>, Outcome<C>> {
        let mut contents = lock(&self.contents);
        if let Contents::Empty(waker) = &mut *contents {
            let waker = waker.take();
            *contents = Contents::Delivered(outcome);
            return Ok(waker);
        }
        Err(outcome)
    }

    /// Takes the outcome out, or leaves this waker.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Outcome<C>> {
        // A waker is the executor's code, and dropping the last one of a task may drop the task, with leases in it: it is
        // cloned before the lock is taken, and dropped after.
        let mut other: Option<Waker> = None;
        loop {
            {
                let mut contents = lock(&self.contents);
                let Contents::Empty(known) = &mut *contents else {
                    return collected(std::mem::replace(&mut *contents, Contents::Closed));
                };
                if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                    return None;
                }
                if other.is_some() {
                    std::mem::swap(known, &mut other);
                    break;
                }
            }
            other = Some(waker.clone());
        }
        None
    }

    /// Nobody waits any more. Returns what has been delivered.
    pub(crate) fn close(&self) -> Option<Outcome<C>> {
        let contents = std::mem::replace(&mut *lock(&self.contents), Contents::Closed);
        collected(contents)
    }
}

fn collected<C: Send + Sync + 'static>(contents: Contents<C>) -> Option<Outcome<C>> {
    match contents {
        Contents::Delivered(outcome) => Some(outcome),
        Contents::Empty(_) | Contents::Closed => None,
    }
}
