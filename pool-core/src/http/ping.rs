//! The one owner of a connection's PINGs: keep-alive and round trips on demand.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

use super::control::Control;
use super::deadline::now;

/// Finds a peer that has fallen silent.
///
/// ```text
///          interval without a byte read, or somebody asks
///   Quiet ────────────────────────────────────────────────► Awaiting
///     ▲                        PONG                            │
///     └────────────────────────────────────────────────────────┤
///                          timeout without a byte read: dead ◄──┘
/// ```
pub(super) struct Pinger {
    pings: PingPong,
    interval: Option<Duration>,
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    sent: Option<Instant>,
    heard: u64,
    heard_at: Instant,
}

impl Pinger {
    pub(super) fn new(pings: PingPong, interval: Option<Duration>, timeout: Duration) -> Self {
        Self {
            pings,
            interval: interval.filter(|interval| !interval.is_zero()),
            timeout,
            timer: None,
            sent: None,
            heard: 0,
            heard_at: now(),
        }
    }

    /// Ready once the peer is dead. `heard` is how many bytes it has sent; called after every poll of the connection.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, heard: u64, control: &Control) -> Poll<()> {
        if let Some((interval, timeout)) = control.take_pings() {
            self.interval = interval.filter(|interval| !interval.is_zero());
            self.timeout = timeout;
        }
        if heard != self.heard {
            self.heard = heard;
            self.heard_at = now();
        }
        loop {
            let Some(sent) = self.sent else {
                if !control.has_askers() {
                    let Some(interval) = self.interval else {
                        return Poll::Pending;
                    };
                    ready!(self.poll_quiet(cx, interval));
                }
                if self.pings.send_ping(Ping::opaque()).is_err() {
                    // The connection is ending; its own poll says how.
                    return Poll::Pending;
                }
                self.sent = Some(now());
                continue;
            };
            match self.pings.poll_pong(cx) {
                Poll::Ready(Ok(_)) => {
                    self.sent = None;
                    self.heard_at = now();
                    control.answer(self.heard_at.duration_since(sent));
                }
                Poll::Ready(Err(_)) => return Poll::Pending,
                Poll::Pending => {
                    // A PONG may be queued behind a large response: any byte is a sign of life.
                    return self.poll_until(cx, sent.max(self.heard_at), self.timeout);
                }
            }
        }
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>, interval: Duration) -> Poll<()> {
        let since = self.heard_at;
        self.poll_until(cx, since, interval)
    }

    /// Ready at `since + wait`. The one timer is moved when it fires too early, or when it would fire too late.
    fn poll_until(&mut self, cx: &mut Context<'_>, since: Instant, wait: Duration) -> Poll<()> {
        let Some(end) = since.checked_add(wait) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}
