//! A deadline that moves with progress: one lazy timer, armed at the first wait.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// Fires when nothing has happened for a while.
///
/// The timer is created at the first poll, so an exchange that never waits has none, and it is moved only when it
/// fires too early, so progress costs nothing.
pub(super) struct Deadline {
    limit: Option<Duration>,
    runtime: Handle,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// A deadline of `limit` without progress; `None` and limits beyond the clock's range never fire.
    ///
    /// `runtime` is where the timer lives if the poller is in no runtime of its own.
    pub(super) fn new(limit: Option<Duration>, runtime: Handle) -> Self {
        Self {
            limit,
            runtime,
            sleep: None,
        }
    }

    /// Ready once the limit has passed since `quiet_since`, the moment of the last progress.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, quiet_since: Instant) -> Poll<()> {
        let Some(end) = self.limit.and_then(|limit| quiet_since.checked_add(limit)) else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_in(&self.runtime, end)));
        poll_end(sleep.as_mut(), cx, end)
    }
}

/// As [`Deadline::poll`], for a caller that has a pinned place for the timer: nothing is allocated.
pub(super) fn poll_within(
    mut place: Pin<&mut Option<Sleep>>,
    limit: Option<Duration>,
    runtime: &Handle,
    cx: &mut Context<'_>,
    quiet_since: Instant,
) -> Poll<()> {
    let Some(end) = limit.and_then(|limit| quiet_since.checked_add(limit)) else {
        return Poll::Pending;
    };
    if place.is_none() {
        place.set(Some(sleep_in(runtime, end)));
    }
    let sleep = place.as_pin_mut().expect("put there if it was missing");
    poll_end(sleep, cx, end)
}

fn poll_end(mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>, end: Instant) -> Poll<()> {
    loop {
        ready!(sleep.as_mut().poll(cx));
        if sleep.deadline() >= end {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(end);
    }
}

/// The time timers run by, which tests can pause.
pub(super) fn now() -> Instant {
    Instant::now()
}

fn sleep_in(runtime: &Handle, end: Instant) -> Sleep {
    // The poller's own runtime first: the other one may be shutting down while a body is still being read.
    if Handle::try_current().is_ok() {
        return sleep_until(end);
    }
    let _context = runtime.enter();
    sleep_until(end)
}
