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
pub(super) struct Deadline<P = Boxed> {
    limit: Option<Duration>,
    runtime: Handle,
    place: P,
}

/// Where a deadline keeps its timer, which must not move once it runs.
pub(super) trait Place {
    fn timer(&mut self, new: impl FnOnce() -> Sleep) -> Pin<&mut Sleep>;
}

/// For a deadline that moves.
#[derive(Default)]
pub(super) struct Boxed(Option<Pin<Box<Sleep>>>);

impl Place for Boxed {
    fn timer(&mut self, new: impl FnOnce() -> Sleep) -> Pin<&mut Sleep> {
        self.0.get_or_insert_with(|| Box::pin(new())).as_mut()
    }
}

/// For a deadline in a future that has a place for it.
impl Place for Pin<&mut Option<Sleep>> {
    fn timer(&mut self, new: impl FnOnce() -> Sleep) -> Pin<&mut Sleep> {
        if self.is_none() {
            self.set(Some(new()));
        }
        let timer = self.as_mut().as_pin_mut();
        timer.expect("it has just been made")
    }
}

impl Deadline {
    /// A deadline of `limit` without progress; `None` and limits beyond the clock's range never fire.
    ///
    /// `runtime` is where the timer lives if the poller is in no runtime of its own.
    pub(super) fn new(limit: Option<Duration>, runtime: Handle) -> Self {
        Self::at(Boxed::default(), limit, runtime)
    }
}

impl<P: Place> Deadline<P> {
    /// As [`new`](Deadline::new), with the timer in this place.
    pub(super) fn at(place: P, limit: Option<Duration>, runtime: Handle) -> Self {
        Self {
            limit,
            runtime,
            place,
        }
    }

    /// Ready once the limit has passed since `quiet_since`, the moment of the last progress.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, quiet_since: Instant) -> Poll<()> {
        let Some(end) = self.limit.and_then(|limit| quiet_since.checked_add(limit)) else {
            return Poll::Pending;
        };
        let mut sleep = self.place.timer(|| sleep_in(&self.runtime, end));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= end {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(end);
        }
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
