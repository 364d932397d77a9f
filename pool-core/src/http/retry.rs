//! Whether a failed try may be repeated: one pure function, and the budget that bounds all repeats.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

/// What is known about a try that brought no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Not one byte of the request left this process.
    NotSent,
    /// The peer reset the stream with `REFUSED_STREAM`: it did nothing with the request (RFC 9113 §8.7).
    Refused,
    /// The stream's id is above the last id of a GOAWAY: it was not processed (RFC 9113 §6.8).
    GoAwayUnprocessed {
        /// Whether the GOAWAY carried a code other than `NO_ERROR`.
        error: bool,
    },
    /// The connection ended after the request, or a part of it, had been sent and before any byte came back.
    SentNoReply,
    /// The peer answered, be it by half a head, by nonsense or by resetting the stream.
    ReplyStarted,
    /// The peer wants the request over HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 §7): it did not look at it. Another try goes to
    /// a connection that speaks HTTP/1.1.
    Http1Required,
    /// The peer wants fewer requests (ENHANCE_YOUR_CALM).
    CalmAsked {
        /// Whether the stream's id is above the last id of its GOAWAY: it was not processed.
        unprocessed: bool,
    },
    /// The peer answered 421: on this connection it does not answer for that authority, and it did nothing with the request.
    /// RFC 9110 §15.5.20 lets a client try again over another connection, whatever the method.
    Misdirected {
        /// Whether an earlier try of the request was answered so.
        again: bool,
    },
    /// A deadline of this side passed.
    Deadline,
    /// The request itself is at fault: it cannot be sent, or its body failed.
    RequestFailed,
}

impl Evidence {
    /// Whether another try is work for the peer that it did not have before: such tries draw on the budget.
    pub(crate) fn costs_the_peer(self) -> bool {
        !matches!(
            self,
            Self::NotSent | Self::GoAwayUnprocessed { error: false }
        )
    }
}

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryVerdict {
    /// Try again on another connection, after this delay.
    Retry {
        /// How long to wait first; zero for at once.
        delay: Duration,
    },
    /// Give up: the request may have been processed, and only the caller knows whether a second time is safe.
    MaybeProcessed,
    /// Give up with the error of the try, or with its response if it had one.
    Fail,
}

/// Bounds of [`retry_verdict`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryLimits {
    /// Tries per request, the first one included.
    pub(crate) max_attempts: u32,
    /// Tries per request where the peer had not looked at the earlier ones, because it was closing connections that had
    /// served before: each costs a round trip and nothing else, and a server that reloads under load closes many.
    pub(crate) max_untouched: u32,
    /// The delay after the first refusal; it doubles with each further one.
    pub(crate) base_delay: Duration,
    /// The longest delay.
    pub(crate) max_delay: Duration,
    /// Whether an idempotent request is sent a second time when a reused connection ended without a reply.
    pub(crate) resend_idempotent: bool,
}

impl RetryLimits {
    /// One try, whatever happens.
    pub(crate) const ONCE: Self = Self {
        max_attempts: 1,
        max_untouched: 1,
        base_delay: Duration::ZERO,
        max_delay: Duration::ZERO,
        resend_idempotent: false,
    };
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_untouched: 9,
            base_delay: Duration::from_millis(20),
            max_delay: Duration::from_secs(1),
            resend_idempotent: true,
        }
    }
}

/// Decides whether a request that failed with `evidence` is sent again.
///
/// `attempt` counts tries on the wire and includes the failed one: 1 after the first. `fresh_connection` says that the
/// failed try was the first use of a connection that had only just opened: one that has waited in the pool, warmed or
/// used, is not fresh, since its peer may have given it up meanwhile; nor is one to an address that has others beside it
/// in rotation, which may do better. `resent` says that it was sent once more already although the peer may have processed
/// it. `body_replayable` does not matter where nothing was sent: then the body comes back untouched.
pub(crate) fn retry_verdict(
    evidence: &Evidence,
    method: &Method,
    body_replayable: bool,
    attempt: u32,
    resent: bool,
    fresh_connection: bool,
    limits: &RetryLimits,
) -> RetryVerdict {
    let attempts_left = attempt < limits.max_attempts;
    let untouched_left = attempt < limits.max_untouched;
    match *evidence {
        // A connection that opens and dies at once would do so again.
        Evidence::NotSent if fresh_connection => RetryVerdict::Fail,
        // Of a stream, what was read for a connection that then took nothing is gone all the same.
        Evidence::NotSent if body_replayable && untouched_left => RetryVerdict::Retry {
            delay: Duration::ZERO,
        },
        // A peer that greets the first request with an error code would greet the next one so.
        Evidence::GoAwayUnprocessed { error: true } | Evidence::CalmAsked { unprocessed: true }
            if fresh_connection =>
        {
            RetryVerdict::Fail
        }
        Evidence::GoAwayUnprocessed { error: false }
            if body_replayable && untouched_left && !fresh_connection =>
        {
            RetryVerdict::Retry {
                // At once, once: the next connection is most likely not closing.
                delay: if attempt == 1 {
                    Duration::ZERO
                } else {
                    backoff(attempt - 1, limits)
                },
            }
        }
        // Where the peer wants calm its address takes nothing for a while, which is what another try waits for.
        Evidence::Refused
        | Evidence::GoAwayUnprocessed { .. }
        | Evidence::CalmAsked { unprocessed: true }
            if body_replayable && attempts_left =>
        {
            RetryVerdict::Retry {
                delay: backoff(attempt, limits),
            }
        }
        // Once: whoever says so on two connections means the request.
        Evidence::Http1Required | Evidence::Misdirected { again: false }
            if body_replayable && attempts_left =>
        {
            RetryVerdict::Retry {
                delay: Duration::ZERO,
            }
        }
        Evidence::SentNoReply
            if limits.resend_idempotent
                && method.is_idempotent()
                && body_replayable
                && attempts_left
                && !resent
                && !fresh_connection =>
        {
            RetryVerdict::Retry {
                delay: Duration::ZERO,
            }
        }
        Evidence::SentNoReply
        | Evidence::ReplyStarted
        | Evidence::CalmAsked { unprocessed: false } => RetryVerdict::MaybeProcessed,
        Evidence::NotSent
        | Evidence::Refused
        | Evidence::GoAwayUnprocessed { .. }
        | Evidence::CalmAsked { unprocessed: true }
        | Evidence::Http1Required
        | Evidence::Misdirected { .. }
        | Evidence::Deadline
        | Evidence::RequestFailed => RetryVerdict::Fail,
    }
}

fn backoff(attempt: u32, limits: &RetryLimits) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    limits
        .base_delay
        .saturating_mul(1 << doublings)
        .min(limits.max_delay)
}

/// Bounds retries over all requests: a share of the requests, plus a constant.
///
/// With a tenth, a host that fails everything is asked 1.1 times as often as before, not three times. Lock-free; one
/// per pool.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// In hundredths of a retry: a request pays `percent` in, a retry takes a hundred out.
    hundredths: AtomicU64,
    percent: AtomicU64,
    /// What it started with, in hundredths.
    constant: AtomicU64,
    cap: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
    refused: AtomicU64,
}

/// How much may be saved up at most, in hundredths.
fn cap(constant: u64) -> u64 {
    (constant * 10).max(100 * PER_RETRY)
}

impl RetryBudget {
    /// Starts with `constant` retries in hand, and never saves up more than ten times that or 100, whichever is more.
    pub(crate) fn new(constant: u32, percent: u32) -> Self {
        let hundredths = u64::from(constant) * PER_RETRY;
        Self {
            hundredths: AtomicU64::new(hundredths),
            percent: AtomicU64::new(percent.into()),
            constant: AtomicU64::new(hundredths),
            cap: AtomicU64::new(cap(hundredths)),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Another share and another constant from now on: so many more or fewer retries in hand. What was saved up besides
    /// stays, up to the new most. Not to be called twice at a time.
    pub(crate) fn set(&self, constant: u32, percent: u32) {
        let new = u64::from(constant) * PER_RETRY;
        let old = self.constant.swap(new, Ordering::Relaxed);
        self.percent.store(percent.into(), Ordering::Relaxed);
        self.cap.store(cap(new), Ordering::Relaxed);
        let moved = |saved: u64| Some(saved.saturating_add(new).saturating_sub(old).min(cap(new)));
        let _always = self
            .hundredths
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    /// Counts a new request; call it once per request, not per try.
    pub(crate) fn deposit(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let cap = self.cap.load(Ordering::Relaxed);
        let percent = self.percent.load(Ordering::Relaxed);
        let add = |saved: u64| (saved < cap).then_some(saved + percent);
        // Err says that the budget is full.
        let _full = self
            .hundredths
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes one retry out, or says `false` if none is left.
    #[must_use]
    pub(crate) fn try_withdraw(&self) -> bool {
        let taken = self
            .hundredths
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                saved.checked_sub(PER_RETRY)
            })
            .is_ok();
        let counter = if taken { &self.retries } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        taken
    }

    /// Requests, retries granted and retries refused so far.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (
            read(&self.requests),
            read(&self.retries),
            read(&self.refused),
        )
    }
}

const PER_RETRY: u64 = 100;
