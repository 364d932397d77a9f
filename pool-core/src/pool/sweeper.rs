//! One task for all connections that need none of their own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, Stream};

use crate::http::Running;

/// Where connections are left for the task.
pub(super) struct Inbox(Mutex<Option<New>>);

struct New {
    conns: Vec<Running>,
    /// Of the task, while it sleeps.
    task: Option<Waker>,
}

impl Inbox {
    /// An inbox with its first connection, and the task to spawn.
    pub(super) fn open(first: Running) -> (Arc<Self>, Sweeper) {
        let new = New {
            conns: vec![first],
            task: None,
        };
        let inbox = Arc::new(Self(Mutex::new(Some(new))));
        let sweeper = Sweeper {
            inbox: inbox.clone(),
            conns: FuturesUnordered::new(),
        };
        (inbox, sweeper)
    }

    /// Leaves a connection to the task; it comes back if that has ended.
    pub(super) fn put(&self, conn: Running) -> Result<(), Running> {
        let task = match &mut *self.lock() {
            None => return Err(conn),
            Some(new) => {
                new.conns.push(conn);
                new.task.take()
            }
        };
        if let Some(task) = task {
            task.wake();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<New>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// Polls each connection when something has happened on it, and only then. Ends with the last connection; dropped before,
/// it closes them all, which says that the runtime is gone.
pub(super) struct Sweeper {
    inbox: Arc<Inbox>,
    conns: FuturesUnordered<Running>,
}

impl Sweeper {
    /// Takes what has been left. `false`: nothing has, and there is nothing else, so that this is the end.
    fn collect(&mut self, cx: &Context<'_>) -> bool {
        let conns = {
            let mut inbox = self.inbox.lock();
            let Some(new) = &mut *inbox else {
                return false;
            };
            if new.conns.is_empty() && self.conns.is_empty() {
                *inbox = None;
                return false;
            }
            if !new
                .task
                .as_ref()
                .is_some_and(|task| task.will_wake(cx.waker()))
            {
                new.task = Some(cx.waker().clone());
            }
            std::mem::take(&mut new.conns)
        };
        self.conns.extend(conns);
        true
    }
}

impl Future for Sweeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        while this.collect(cx) {
            // A stream of somebody else's may panic: that is the end of its own connection, which drops it.
            let poll = AssertUnwindSafe(|| Pin::new(&mut this.conns).poll_next(cx));
            if let Ok(Poll::Pending) = catch_unwind(poll) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        let left = self.inbox.lock().take();
        drop(left);
    }
}
