//! Which connections have served long enough: the trait, what it is shown and what it answers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::combine::{And, Or};
use crate::evictors::MinIdle;
use crate::{ConnStats, EndpointStats, HostStats};

/// Decides whether one connection should go.
///
/// A policy is a pure function of its context. It never closes anything: it gives an opinion, and the pool acts on it. An idle
/// connection is closed, one in use is drained (no new lease, closed when the last one ends), and neither happens
/// while it would take the host below [`HostStats::floor`].
///
/// - **Who calls, when, how often:** the pool, for every connection in each round of upkeep (rounds that clean up idle connections; a
///   policy named `lifetime` in rounds of its own), and for a single one that is about to be handed out; then it is shown as it was before,
///   and of its host, endpoint and rank only [`HostStats::idle_limit`]. Of several policies the first that evicts has the say. Expect
///   thousands of calls a second, in no order, several at once for different connections.
/// - **On which thread:** any, inside or outside a runtime: in a task of the pool's, or in that of the request that is to have the
///   connection. No lock of the pool is held.
/// - **Blocking:** never. There is nothing to wait for: all that may be known is in the context. A policy that blocks blocks the
///   request.
/// - **Panics** are contained, counted, and mean [`Verdict::Keep`]. One in [`name`](Self::name) leaves the policy out of that round.
/// - **Lies:** a policy that reads the clock or remembers earlier calls gives different answers to the same question, and the pool will
///   close what another look would have kept. One that evicts everything makes the pool dial for every request. Neither harms a
///   request: what is in use is only drained. [`conformance::eviction`](crate::conformance::eviction) looks for both.
pub trait EvictionPolicy: fmt::Debug + Send + Sync {
    /// The policy's name in configuration, logs and metrics: short, lower case, always the same.
    fn name(&self) -> &'static str;

    /// Judges one connection.
    ///
    /// The same context gives the same verdict, today and tomorrow. Any context may come, also with a `created` later than `now`
    /// (clocks of different cores) and with counters at their maximum: it must not panic on those.
    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict;

    /// Evicts what either policy would. If both would, the reason is that of `self`.
    fn or<P>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
        P: EvictionPolicy,
    {
        Or::new(self, other)
    }

    /// Evicts only what both policies would. The reason is that of `self`.
    fn and<P>(self, other: P) -> And<Self, P>
    where
        Self: Sized,
        P: EvictionPolicy,
    {
        And::new(self, other)
    }

    /// Evicts what this policy would, but leaves a host `min` idle connections: they are not evicted for want of use. Zero changes
    /// nothing.
    fn min_idle(self, min: usize) -> MinIdle<Self>
    where
        Self: Sized,
    {
        MinIdle::new(self, min)
    }
}

/// What a policy is shown: one connection and its surroundings, at one moment.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EvictionContext<'a> {
    /// The connection being judged.
    pub conn: &'a ConnStats,
    /// The moment of judging; the only clock there is.
    pub now: Instant,
    /// The remote address that the connection leads to.
    pub endpoint: &'a EndpointStats,
    /// The host that the connection belongs to.
    pub host: &'a HostStats,
    /// Its place among the host's idle connections: 0 has been idle longest. `None` if in use.
    pub idle_rank: Option<usize>,
}

impl<'a> EvictionContext<'a> {
    /// `conn` at `now`, on an endpoint of which nothing is known and a host with no connections, without a rank.
    pub const fn new(conn: &'a ConnStats, now: Instant) -> Self {
        const ENDPOINT: &EndpointStats = &EndpointStats::new();
        const HOST: &HostStats = &HostStats::new(0, 0, 0);
        Self {
            conn,
            now,
            endpoint: ENDPOINT,
            host: HOST,
            idle_rank: None,
        }
    }

    /// Sets the endpoint.
    #[must_use]
    pub const fn endpoint(mut self, endpoint: &'a EndpointStats) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Sets the host.
    #[must_use]
    pub const fn host(mut self, host: &'a HostStats) -> Self {
        self.host = host;
        self
    }

    /// Sets the place among the host's idle connections.
    #[must_use]
    pub const fn idle_rank(mut self, rank: Option<usize>) -> Self {
        self.idle_rank = rank;
        self
    }
}

/// A policy's opinion of one connection. Exhaustive on purpose: there is nothing between keeping and evicting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// Let it live.
    Keep,
    /// Let it go, for this reason.
    Evict(EvictReason),
}

impl Verdict {
    /// `Evict(reason)` if `condition` holds, else `Keep`.
    pub const fn evict_if(condition: bool, reason: EvictReason) -> Self {
        if condition {
            Self::Evict(reason)
        } else {
            Self::Keep
        }
    }
}

/// Why a connection was let go: a label for logs and metrics, from a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictReason {
    /// Nobody had used it for too long.
    Idle,
    /// It was too old.
    Lifetime,
    /// It had carried enough.
    Uses,
    /// It had carried enough bytes.
    Bytes,
    /// Too many failures.
    Errors,
    /// The server was about to close it for being idle.
    PeerIdle,
    /// The server's certificate was about to end.
    Certificate,
    /// More idle connections than wanted.
    Surplus,
    /// A policy's own reason, in the style of the others: `"max-checkouts"`.
    Policy(&'static str),
}

impl EvictReason {
    /// The reason as one lower-case word, fit for a metric's label.
    pub const fn as_str(&self) -> &'static str {
        match *self {
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Uses => "uses",
            Self::Bytes => "bytes",
            Self::Errors => "errors",
            Self::PeerIdle => "peer-idle",
            Self::Certificate => "certificate",
            Self::Surplus => "surplus",
            Self::Policy(reason) => reason,
        }
    }
}

impl fmt::Display for EvictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<T: EvictionPolicy + ?Sized> EvictionPolicy for Box<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        T::judge(self, cx)
    }
}

impl<T: EvictionPolicy + ?Sized> EvictionPolicy for Arc<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        T::judge(self, cx)
    }
}

fn _assert_dyn_compatible(_: &dyn EvictionPolicy) {}
