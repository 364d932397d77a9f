//! What the holders of a connection want from the task that drives it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind};
use crate::manager::CloseReason;

/// Wishes for the driver, and what became of it.
#[derive(Default)]
pub(super) struct Control {
    inner: Mutex<Inner>,
    /// Whether there is a wish to end: read at every request, without the lock.
    is_to_end: AtomicBool,
    ended: OnceLock<CloseReason>,
}

#[derive(Default)]
struct Inner {
    wish: Wish,
    waker: Option<Waker>,
    askers: Vec<Asker>,
    /// Interval and timeout of PINGs, if they have changed since the driver last looked.
    pings: Option<(Option<Duration>, Duration)>,
}

type Asker = oneshot::Sender<Result<Duration, Error>>;

/// How long the connection shall live. It only ever moves downwards in this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    /// As long as it works.
    #[default]
    Stay,
    /// Until what is in flight has ended.
    Close(CloseReason),
    /// No longer.
    Abort(CloseReason),
}

impl Wish {
    /// Why the connection shall end, if it shall.
    pub(super) fn reason(self) -> Option<CloseReason> {
        match self {
            Self::Stay => None,
            Self::Close(reason) | Self::Abort(reason) => Some(reason),
        }
    }
}

impl Control {
    /// Asks the driver to end once nothing is in flight.
    pub(super) fn close(&self, reason: CloseReason) {
        self.change(|inner| {
            if inner.wish == Wish::Stay {
                inner.wish = Wish::Close(reason);
            }
        });
    }

    /// Asks the driver to drop the connection.
    pub(super) fn abort(&self, reason: CloseReason) {
        self.change(|inner| {
            // The first reason is the reason: an abort that follows a close only makes it quicker.
            inner.wish = Wish::Abort(inner.wish.reason().unwrap_or(reason));
        });
    }

    /// Asks the driver for a round trip; the answer comes through the receiver, which fails if the driver is gone.
    pub(super) fn ask_for_ping(&self) -> oneshot::Receiver<Result<Duration, Error>> {
        let (asker, answer) = oneshot::channel();
        self.change(|inner| {
            if self.ended.get().is_none() {
                inner.askers.push(asker);
            }
        });
        answer
    }

    /// Other times for PINGs from now on.
    pub(super) fn set_pings(&self, interval: Option<Duration>, timeout: Duration) {
        self.change(|inner| inner.pings = Some((interval, timeout)));
    }

    /// The new times for PINGs, once.
    pub(super) fn take_pings(&self) -> Option<(Option<Duration>, Duration)> {
        self.lock().pings.take()
    }

    /// Has the driver look again.
    pub(super) fn wake(&self) {
        self.change(|_| {});
    }

    /// Called by the driver before it looks at anything: later changes will wake it.
    pub(super) fn listen(&self, cx: &Context<'_>) -> Wish {
        let mut inner = self.lock();
        if !inner
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.waker = Some(cx.waker().clone());
        }
        inner.wish
    }

    /// Whether somebody waits for a round trip.
    pub(super) fn has_askers(&self) -> bool {
        !self.lock().askers.is_empty()
    }

    /// Tells everybody who waits for a round trip.
    pub(super) fn answer(&self, round_trip: Duration) {
        let askers = std::mem::take(&mut self.lock().askers);
        for asker in askers {
            // An asker that gave up does not want to know.
            let _gone = asker.send(Ok(round_trip));
        }
    }

    /// Records that the driver ends, unless it has been recorded; an earlier wish has the better reason.
    pub(super) fn end(&self, reason: CloseReason) -> CloseReason {
        let mut inner = self.lock();
        let reason = inner.wish.reason().unwrap_or(reason);
        let reason = *self.ended.get_or_init(|| reason);
        let askers = std::mem::take(&mut inner.askers);
        drop(inner);
        drop(askers);
        reason
    }

    /// Why the driver ended, if it has.
    pub(super) fn ended(&self) -> Option<CloseReason> {
        self.ended.get().copied()
    }

    /// What holders wish.
    pub(super) fn wish(&self) -> Wish {
        if !self.is_to_end.load(Ordering::Acquire) {
            return Wish::Stay;
        }
        self.lock().wish
    }

    /// The kind of error for an exchange that ended with the connection.
    pub(super) fn error_kind(&self) -> ErrorKind {
        match self.ended() {
            Some(CloseReason::RuntimeGone) => ErrorKind::RuntimeGone,
            Some(CloseReason::PoolClosed) => ErrorKind::Closed,
            Some(CloseReason::SourceGone) => ErrorKind::LocalAddr,
            _ => ErrorKind::Protocol,
        }
    }

    /// The error of an exchange that ended with the connection.
    pub(super) fn error(&self) -> Error {
        let error = Error::new(self.error_kind());
        match self.ended() {
            Some(CloseReason::PingTimeout) => error.with_detail("the peer did not answer a PING"),
            Some(CloseReason::SourceGone) => error.with_detail("it is no longer used"),
            _ => error,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        if inner.wish != Wish::Stay {
            self.is_to_end.store(true, Ordering::Release);
        }
        let waker = inner.waker.take();
        drop(inner);
        // Woken outside the lock: the waker may run the task inline.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics under this lock")
    }
}
