//! How long a connection has carried nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Measures from the first poll that found the connection idle.
#[derive(Debug, Default)]
pub(super) struct Idle {
    since: Option<Instant>,
    timer: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Idle {
    /// Ready once `is_idle` was so in every poll for as long as `limit`, which may change between polls.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        is_idle: bool,
        limit: Option<Duration>,
    ) -> Poll<()> {
        if !is_idle {
            *self = Self::default();
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        // A limit beyond what a clock can say is none.
        let Some((limit, end)) = limit.and_then(|l| Some((l, since.checked_add(l)?))) else {
            self.timer = None;
            return Poll::Pending;
        };
        if self.timer.as_ref().is_none_or(|(of, _)| *of != limit) {
            self.timer = Some((limit, Box::pin(sleep_until(end))));
        }
        let (_, timer) = self.timer.as_mut().expect("it was set just above");
        timer.as_mut().poll(cx)
    }
}
