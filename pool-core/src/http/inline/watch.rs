//! Watches over a connection that nobody uses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::time::Sleep;

use super::wire::Wire;
use super::{Place, Shared};
use crate::http::conn::GOODBYE;
use crate::http::control::Wish;
use crate::manager::CloseReason;

/// Sleeps while nothing is wrong; wakes when an idle connection has something to read, or is to end.
pub(in crate::http) struct Machine {
    shared: Arc<Shared>,
    goodbye: Option<Goodbye>,
}

/// A connection that is being closed in order.
struct Goodbye {
    wire: Box<Wire>,
    patience: Pin<Box<Sleep>>,
}

impl Machine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            goodbye: None,
        }
    }

    /// Ready, once, when the socket should be dropped.
    pub(in crate::http) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let wish = self.shared.control.listen(cx);
        match wish {
            Wish::Abort(reason) => return Poll::Ready(reason),
            Wish::Stay => {
                self.listen(cx);
                if let Some(reason) = self.shared.look() {
                    return Poll::Ready(reason);
                }
            }
            Wish::Close(reason) => {
                if self.goodbye.is_none() {
                    self.goodbye = self.take_idle().map(|wire| Goodbye {
                        wire,
                        patience: Box::pin(tokio::time::sleep(GOODBYE)),
                    });
                }
                if let Some(goodbye) = &mut self.goodbye {
                    ready!(goodbye.poll(cx));
                    return Poll::Ready(reason);
                }
            }
        }
        // Whoever closed it says why in a moment, and wakes this task then.
        match self.shared.control.ended() {
            Some(reason) => Poll::Ready(reason),
            None => Poll::Pending,
        }
    }

    /// From now on this task is told what happens on the idle connection.
    fn listen(&self, cx: &Context<'_>) {
        // Dropped after the lock: the last waker of a task may drop the task.
        let _known;
        let mut state = self.shared.lock();
        if !state
            .watcher
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            _known = state.watcher.replace(cx.waker().clone());
        }
    }

    fn take_idle(&self) -> Option<Box<Wire>> {
        let mut state = self.shared.lock();
        match state.place.leave() {
            Place::Idle(wire) => Some(wire),
            other => {
                state.place = other;
                None
            }
        }
    }

    /// Drops the socket, and lets whoever waits on it know.
    pub(in crate::http) fn end(self) {
        let Self { shared, goodbye } = self;
        drop(goodbye);
        shared.cut().wake();
    }
}

impl Goodbye {
    /// Ready when the peer has been told, or has had its time.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.wire.io().poll_shutdown(cx).is_ready() {
            return Poll::Ready(());
        }
        self.patience.as_mut().poll(cx)
    }
}
