//! What a policy may know about a connection and its host: plain numbers, copied out of the pool.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

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
    /// When the server's certificate ends, as far as it was known when the connection was opened; `None` if it is not known.
    pub certificate_ends: Option<Instant>,
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
            certificate_ends: None,
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

    /// How long the server's certificate is still valid, zero if it has ended; `None` if that is not known.
    pub fn certificate_left(&self, now: Instant) -> Option<Duration> {
        self.certificate_ends
            .map(|ends| ends.saturating_duration_since(now))
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
}
