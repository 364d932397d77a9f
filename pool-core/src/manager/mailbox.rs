//! Where one who waits finds its outcome.
//!
//! It has a lock of its own, so that collecting does not wait for the host's. The host delivers under its own lock, and
//! nothing is locked under this one.

use std::task::Waker;

use super::host::Granted;
use super::sync::{Mutex, lock};
use crate::error::Error;

/// What a waiter gets.
pub(crate) type Outcome<C> = Result<Granted<C>, Error>;

pub(crate) struct Mailbox<C: Send + Sync + 'static> {
    contents: Mutex<Contents<C>>,
}

struct Contents<C: Send + Sync + 'static> {
    outcome: Option<Outcome<C>>,
    /// Whom to wake when the outcome comes.
    waker: Option<Waker>,
}

impl<C: Send + Sync + 'static> Default for Mailbox<C> {
    fn default() -> Self {
        Self {
            contents: Mutex::new(Contents {
                outcome: None,
                waker: None,
            }),
        }
    }
}

impl<C: Send + Sync + 'static> Mailbox<C> {
    /// Puts the outcome in. The waker is to be woken after the host's lock is released.
    pub(crate) fn deliver(&self, outcome: Outcome<C>) -> Option<Waker> {
        let mut contents = lock(&self.contents);
        contents.outcome = Some(outcome);
        contents.waker.take()
    }

    /// Takes the outcome out, or leaves this waker.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Outcome<C>> {
        // A waker is the executor's code, and dropping the last one of a task may drop the task, with leases in it: it is
        // cloned before the lock is taken, and dropped after.
        let mut other: Option<Waker> = None;
        loop {
            let mut contents = lock(&self.contents);
            if let Some(outcome) = contents.outcome.take() {
                return Some(outcome);
            }
            let known = contents.waker.as_ref();
            if known.is_some_and(|known| known.will_wake(waker)) {
                return None;
            }
            if other.is_some() {
                std::mem::swap(&mut contents.waker, &mut other);
                drop(contents);
                return None;
            }
            drop(contents);
            other = Some(waker.clone());
        }
    }

    /// Takes out what has been delivered, for one that has given up.
    pub(crate) fn empty(&self) -> Option<Outcome<C>> {
        let (outcome, waker) = {
            let mut contents = lock(&self.contents);
            (contents.outcome.take(), contents.waker.take())
        };
        drop(waker);
        outcome
    }
}
