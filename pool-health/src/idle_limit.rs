//! How long a server lets a connection be idle, learned from what it does.

use std::time::{Duration, Instant};

/// Learns after which time a server closes idle connections.
///
/// The pool keeps one per host and tells it what it has seen; [`limit`](Self::limit) goes into [`HostStats::idle_limit`](crate::HostStats::idle_limit),
/// by which [`PeerIdle`](crate::PeerIdle) evicts. It is a plain value: no clock, no lock.
///
/// A server closes connections for other reasons too, so one closing says little. Three of the last eight that happened after about the
/// same time, give or take an eighth, and at least half of all, are a limit: the shortest of them. A connection that was still alive after
/// a longer time refutes it. Who evicts before the limit sees neither closings nor survivors any more, so what was learned is forgotten
/// an hour after the last closing and learned again.
///
/// ```
/// use pool_health::IdleLimit;
/// use std::time::{Duration, Instant};
///
/// let (mut learned, now) = (IdleLimit::new(), Instant::now());
/// for millis in [2_003, 2_011, 2_001] {
///     assert_eq!(learned.limit(now), None);
///     learned.closed(Duration::from_millis(millis), now);
/// }
/// assert_eq!(learned.limit(now), Some(Duration::from_millis(2_001)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdleLimit {
    /// The latest closings, in no order; those beyond `len` mean nothing.
    closings: [Duration; KEPT],
    len: usize,
    /// Where the next one goes.
    next: usize,
    /// What the server has said itself.
    said: Option<Duration>,
    /// When it last closed or said anything.
    latest: Option<Instant>,
}

impl IdleLimit {
    /// Knows nothing.
    pub const fn new() -> Self {
        Self {
            closings: [Duration::ZERO; KEPT],
            len: 0,
            next: 0,
            said: None,
            latest: None,
        }
    }

    /// The server has closed a connection that had been idle for `idle`.
    ///
    /// To be told for orderly closings of idle connections only. One after less than a quarter of a second is the end of a response, and says
    /// nothing.
    pub fn closed(&mut self, idle: Duration, now: Instant) {
        if idle < SHORTEST {
            return;
        }
        self.forget_if_old(now);
        self.latest = Some(now);
        self.closings[self.next] = idle;
        self.next = (self.next + 1) % KEPT;
        self.len = (self.len + 1).min(KEPT);
    }

    /// A connection that had been idle for `idle` was alive: a request on it was answered.
    ///
    /// Takes back every closing that came notably earlier.
    pub fn survived(&mut self, idle: Duration) {
        let refuted = |limit: Duration| limit.saturating_add(spread(limit)) < idle;
        self.said = self.said.filter(|&limit| !refuted(limit));
        if !self.closings[..self.len]
            .iter()
            .any(|&limit| refuted(limit))
        {
            return;
        }
        let mut kept = *self;
        (kept.len, kept.next) = (0, 0);
        for &closing in &self.closings[..self.len] {
            if !refuted(closing) {
                kept.closings[kept.len] = closing;
                kept.len += 1;
            }
        }
        kept.next = kept.len % KEPT;
        *self = kept;
    }

    /// The server has said its limit: `Keep-Alive: timeout=5`. Zero is no limit to live by, and not taken.
    pub fn said(&mut self, limit: Duration, now: Instant) {
        self.forget_if_old(now);
        self.latest = Some(now);
        self.said = Some(limit).filter(|limit| !limit.is_zero());
    }

    /// The limit, as far as it is known: the shorter one of what the server said and what it does.
    pub fn limit(&self, now: Instant) -> Option<Duration> {
        if self.is_old(now) {
            return None;
        }
        let learned = self.learned();
        match (self.said, learned) {
            (Some(said), Some(learned)) => Some(said.min(learned)),
            (said, learned) => said.or(learned),
        }
    }

    fn learned(&self) -> Option<Duration> {
        let mut sorted = self.closings;
        let sorted = &mut sorted[..self.len];
        sorted.sort_unstable();
        (0..sorted.len()).find_map(|at| {
            let shortest = sorted[at];
            let longest = shortest.saturating_add(spread(shortest));
            let alike = sorted[at..].iter().filter(|&&c| c <= longest).count();
            (alike >= ALIKE && alike * 2 >= sorted.len()).then_some(shortest)
        })
    }

    fn is_old(&self, now: Instant) -> bool {
        let age = self
            .latest
            .map(|latest| now.saturating_duration_since(latest));
        age.is_some_and(|age| age >= FORGET)
    }

    fn forget_if_old(&mut self, now: Instant) {
        if self.is_old(now) {
            *self = Self::new();
        }
    }
}

/// By how much closings for the same reason differ: timers are coarse, and a close takes its time to be seen.
fn spread(limit: Duration) -> Duration {
    (limit / 8).max(SHORTEST)
}

const KEPT: usize = 8;
const ALIKE: usize = 3;
const SHORTEST: Duration = Duration::from_millis(250);
const FORGET: Duration = Duration::from_secs(3600);
