//! What a policy may know about a connection, an endpoint and a host: plain numbers, copied out of the pool.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::Outcome;

/// One connection, as it was at the moment of judging.
///
/// Fields are public so that a test can set what matters to it; [`ConnStats::new`] gives the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnStats {
    /// When the connection became ready for its first request.
    pub created: Instant,
    /// When a lease last began or ended; `created` before the first one.
    #[doc(alias = "lastUsed")]
    pub last_used: Instant,
    /// Since when nobody has held it; `None` while in use.
    pub idle_since: Option<Instant>,
    /// Leases so far, the ones under way included. On HTTP/2 each stream is a lease.
    #[doc(alias = "requestCount")]
    pub uses: u64,
    /// Leases under way: 0 or 1 on HTTP/1.1, the open streams on HTTP/2.
    #[doc(alias = "inUse")]
    pub in_flight: u32,
    /// Leases that ended in an error.
    #[doc(alias = "errorCount")]
    pub errors: u32,
    /// Leases that ended in an error since the last that ended well.
    pub consecutive_errors: u32,
    /// Bytes of bodies carried, both ways.
    pub bytes: u64,
    /// Whether it can carry several leases at once (HTTP/2).
    pub multiplexed: bool,
    /// A random number, fixed for the connection's life: see [`ConnStats::fraction`].
    pub seed: u64,
}

impl ConnStats {
    /// A connection born at `created`, idle since then and never used; `seed` is zero.
    pub const fn new(created: Instant) -> Self {
        Self {
            created,
            last_used: created,
            idle_since: Some(created),
            uses: 0,
            in_flight: 0,
            errors: 0,
            consecutive_errors: 0,
            bytes: 0,
            multiplexed: false,
            seed: 0,
        }
    }

    /// How long the connection has existed; zero if `now` is before its birth.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.created)
    }

    /// How long nobody has held the connection; `None` while in use, zero if `now` is before that began.
    pub fn idle(&self, now: Instant) -> Option<Duration> {
        self.idle_since
            .map(|since| now.saturating_duration_since(since))
    }

    /// A number in `[0, 1)`, always the same for this connection and `salt`.
    ///
    /// Jitter made of it is pure: a verdict does not change from one look to the next. The salt is a policy's name, so that two
    /// policies do not make the same connection the unlucky one.
    pub fn fraction(&self, salt: &str) -> f64 {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        salt.hash(&mut hasher);
        // 53 bits: all that an f64 below one can tell apart.
        (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The connections of one host (all its endpoints), as they were at the moment of judging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostStats {
    /// Connections open, in use or idle.
    pub open: usize,
    /// Connections that nobody holds.
    pub idle: usize,
    /// Connections that the pool keeps open whatever policies say.
    pub floor: usize,
    /// How long the server lets a connection be idle, if that is known: see [`IdleLimit`](crate::IdleLimit).
    pub idle_limit: Option<Duration>,
}

impl HostStats {
    /// A host with `open` connections, `idle` of them idle, a wish to keep `floor`, and no known limit of its server's.
    pub const fn new(open: usize, idle: usize, floor: usize) -> Self {
        Self {
            open,
            idle,
            floor,
            idle_limit: None,
        }
    }
}

/// One endpoint (a remote address of a host) over all its connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Failures of any kind since the last success.
    pub consecutive_failures: u32,
    /// Failures to reach it (dial, reset, timeout) since it last answered anything.
    pub consecutive_local: u32,
    /// Answers with a server error since the last success.
    pub consecutive_remote: u32,
    /// Successes so far.
    pub successes: u64,
    /// Failures so far, of any kind.
    pub failures: u64,
    /// How often it has been ejected before; what a growing ejection time grows with. The pool decides when to forget.
    pub ejections: u32,
    /// The status of its latest response.
    pub last_status: Option<u16>,
}

impl EndpointStats {
    /// An endpoint of which nothing is known yet.
    pub const fn new() -> Self {
        Self {
            consecutive_failures: 0,
            consecutive_local: 0,
            consecutive_remote: 0,
            successes: 0,
            failures: 0,
            ejections: 0,
            last_status: None,
        }
    }

    /// Counts one outcome, as every pool does before it asks an [`OutlierPolicy`](crate::OutlierPolicy).
    ///
    /// A success ends every run of failures. A server error shows that the endpoint can be reached, so it ends a local run; a
    /// local failure says nothing about what the server would have answered, so a remote run goes on.
    pub fn observe(&mut self, outcome: Outcome) {
        if let Outcome::Status(status) = outcome {
            self.last_status = Some(status);
        }
        if !outcome.is_failure() {
            self.successes = self.successes.saturating_add(1);
            self.consecutive_failures = 0;
            self.consecutive_local = 0;
            self.consecutive_remote = 0;
            return;
        }
        // A run that has reached the maximum stays there: longer than any threshold is all it says.
        self.failures = self.failures.saturating_add(1);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if outcome.is_local() {
            self.consecutive_local = self.consecutive_local.saturating_add(1);
        } else {
            self.consecutive_local = 0;
            self.consecutive_remote = self.consecutive_remote.saturating_add(1);
        }
    }
}

/// How many endpoints a host has, and how many of them are out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostEndpoints {
    /// Endpoints known, ejected ones included.
    pub total: usize,
    /// Endpoints ejected now. The one being judged is not among them.
    pub ejected: usize,
}

impl HostEndpoints {
    /// A host with `total` endpoints, of which `ejected` are out.
    pub const fn new(total: usize, ejected: usize) -> Self {
        Self { total, ejected }
    }

    /// Whether at most one endpoint is left, so that none may be ejected.
    pub fn is_last(&self) -> bool {
        self.total
            .checked_sub(self.ejected)
            .is_none_or(|left| left <= 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::any_instant;

    #[test]
    fn ages_are_zero_when_the_clock_goes_backwards() {
        let now = any_instant();
        let conn = ConnStats::new(now + Duration::from_secs(5));
        assert_eq!(conn.age(now), Duration::ZERO);
        assert_eq!(conn.idle(now), Some(Duration::ZERO));
    }

    #[test]
    fn a_connection_in_use_is_not_idle() {
        let now = any_instant();
        let mut conn = ConnStats::new(now);
        conn.idle_since = None;
        assert_eq!(conn.idle(now + Duration::from_secs(1)), None);
    }

    #[test]
    fn the_fraction_is_fixed_per_seed_and_differs_by_salt() {
        let mut conn = ConnStats::new(any_instant());
        conn.seed = 42;
        assert_eq!(conn.fraction("a"), conn.clone().fraction("a"));
        assert_ne!(conn.fraction("a"), conn.fraction("b"));
    }

    #[test]
    fn a_success_ends_every_run_of_failures() {
        let mut stats = EndpointStats::new();
        for outcome in [
            Outcome::Reset,
            Outcome::Status(503),
            Outcome::TimedOut,
            Outcome::Status(200),
        ] {
            stats.observe(outcome);
        }
        assert_eq!(
            (
                stats.consecutive_failures,
                stats.consecutive_local,
                stats.consecutive_remote
            ),
            (0, 0, 0)
        );
        assert_eq!(
            (stats.successes, stats.failures, stats.last_status),
            (1, 3, Some(200))
        );
    }

    #[test]
    fn a_server_error_ends_a_local_run_but_not_the_other_way_round() {
        let mut stats = EndpointStats::new();
        for outcome in [
            Outcome::ConnectFailed,
            Outcome::Status(500),
            Outcome::ConnectFailed,
        ] {
            stats.observe(outcome);
        }
        assert_eq!(
            (
                stats.consecutive_failures,
                stats.consecutive_local,
                stats.consecutive_remote
            ),
            (3, 1, 1)
        );
    }

    #[test]
    fn the_last_endpoint_is_known_even_from_counts_that_disagree() {
        assert!(!HostEndpoints::new(3, 1).is_last());
        assert!(HostEndpoints::new(3, 2).is_last());
        assert!(HostEndpoints::new(0, 0).is_last());
        assert!(HostEndpoints::new(1, usize::MAX).is_last());
    }
}
