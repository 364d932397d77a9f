//! Which endpoints to leave alone for a while: the trait, what it is shown and what it answers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::combine::Or;
use crate::ejectors::AtMost;
use crate::{EndpointStats, HostEndpoints};

/// The longest ejection there is: a year. What should stay away longer is not an outlier; it has no place among the endpoints.
pub const MAX_EJECTION: Duration = Duration::from_secs(365 * 24 * 3600);

/// Decides whether an endpoint (one remote address of a host) should get no traffic for a while.
///
/// While an endpoint is ejected the pool opens nothing to it and hands out none of its connections; leases under way go on. When the
/// time is over it is tried again.
///
/// - **Who calls, when, how often:** the pool, once for each response and each failure that it has seen on the endpoint and after it has
///   counted it: of requests, dials and checks; for failures alone if [that is enough](Self::failures_only). Not for an endpoint that is ejected already, nor for a host's last one. Of several policies
///   the first that ejects has the say.
/// - **On which thread:** any, inside or outside a runtime; usually the task of the request. No lock of the pool is held. Calls for
///   different endpoints, or for two outcomes of one, may run at once.
/// - **Blocking:** never: the request waits for it.
/// - **Panics** are contained, counted, and mean [`OutlierVerdict::Keep`].
/// - **Lies:** the pool never ejects a host's last endpoint, whatever a policy says: a host with no endpoint is an outage of our own making.
///   A duration of zero would be an ejection that never was, and one above [`MAX_EJECTION`] is cut to it. A policy still must not ask
///   for these; [`conformance::outlier`](crate::conformance::outlier) looks for them.
pub trait OutlierPolicy: fmt::Debug + Send + Sync {
    /// The policy's name in configuration, logs and metrics: short, lower case, always the same.
    fn name(&self) -> &'static str;

    /// Judges one outcome.
    ///
    /// The same context gives the same verdict: what a policy wants to remember is in [`EndpointStats`]. Any context may come, also with
    /// counters at their maximum: it must not panic on those.
    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict;

    /// Whether it keeps an endpoint after whatever is no [failure](Outcome::is_failure). Then it is not asked after these, and requests that
    /// succeed do not pay for it.
    ///
    /// Asked when the pool takes the policy on, and not again.
    fn failures_only(&self) -> bool {
        false
    }

    /// Ejects what either policy would; if both would, for the longer time.
    fn or<P>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
        P: OutlierPolicy,
    {
        Or::new(self, other)
    }

    /// Ejects what this policy would, while at most this share of the host's endpoints is out; one may always go.
    ///
    /// # Panics
    ///
    /// Unless `0 < share <= 1`.
    fn at_most(self, share: f64) -> AtMost<Self>
    where
        Self: Sized,
    {
        AtMost::new(self, share)
    }
}

/// What a policy is shown: one outcome on one endpoint.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct OutlierContext<'a> {
    /// What has just happened.
    pub outcome: Outcome,
    /// The endpoint it happened on, the outcome already counted.
    pub endpoint: &'a EndpointStats,
    /// How many endpoints the host has, and has left.
    pub host: &'a HostEndpoints,
    /// The moment of judging; the only clock there is.
    pub now: Instant,
    /// For how long the response asked to be left alone (`Retry-After`), as it said and
    /// [`parse_retry_after`](crate::parse_retry_after) read it: possibly for centuries.
    pub retry_after: Option<Duration>,
}

impl<'a> OutlierContext<'a> {
    /// `outcome` on `endpoint` of `host` at `now`, without a `Retry-After`.
    pub const fn new(
        outcome: Outcome,
        endpoint: &'a EndpointStats,
        host: &'a HostEndpoints,
        now: Instant,
    ) -> Self {
        Self {
            outcome,
            endpoint,
            host,
            now,
            retry_after: None,
        }
    }

    /// Sets what the response asked for.
    #[must_use]
    pub const fn retry_after(mut self, asked: Option<Duration>) -> Self {
        self.retry_after = asked;
        self
    }
}

/// How something ended on an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A response came, with this status.
    Status(u16),
    /// No connection could be opened.
    ConnectFailed,
    /// A connection broke before the response was complete.
    Reset,
    /// No answer in time.
    TimedOut,
    /// It went well, and there is no status to tell: a PING was answered.
    Ok,
}

impl Outcome {
    /// Whether it counts as a failure: a server error (500 to 599) or no answer at all.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 500..=599),
            Self::ConnectFailed | Self::Reset | Self::TimedOut => true,
            Self::Ok => false,
        }
    }

    /// Whether no answer came, so that this is all we know.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::ConnectFailed | Self::Reset | Self::TimedOut)
    }
}

/// A policy's opinion of one endpoint. Exhaustive on purpose: it stays, or it goes for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum OutlierVerdict {
    /// Let it have traffic.
    Keep,
    /// Let it have none.
    Eject {
        /// For how long, from now: above zero and at most [`MAX_EJECTION`].
        duration: Duration,
        /// Why.
        reason: EjectReason,
    },
}

impl OutlierVerdict {
    /// For how long the endpoint is to go, if it is.
    pub const fn duration(&self) -> Option<Duration> {
        match *self {
            Self::Keep => None,
            Self::Eject { duration, .. } => Some(duration),
        }
    }
}

/// Why an endpoint was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EjectReason {
    /// Too many failures in a row.
    ConsecutiveFailures,
    /// It answered with this status.
    Status(u16),
    /// It succeeded less often than the host's others.
    SuccessRate,
    /// It answered slower than the host's others.
    Latency,
    /// A policy's own reason, in the style of the others: `"too-slow"`.
    Policy(&'static str),
}

impl EjectReason {
    /// The reason as one lower-case word, fit for a metric's label.
    pub const fn as_str(&self) -> &'static str {
        match *self {
            Self::ConsecutiveFailures => "consecutive-failures",
            Self::Status(_) => "status",
            Self::SuccessRate => "success-rate",
            Self::Latency => "latency",
            Self::Policy(reason) => reason,
        }
    }
}

impl fmt::Display for EjectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            other => f.write_str(other.as_str()),
        }
    }
}

impl<T: OutlierPolicy + ?Sized> OutlierPolicy for Box<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        T::judge(self, cx)
    }

    fn failures_only(&self) -> bool {
        T::failures_only(self)
    }
}

impl<T: OutlierPolicy + ?Sized> OutlierPolicy for Arc<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        T::judge(self, cx)
    }

    fn failures_only(&self) -> bool {
        T::failures_only(self)
    }
}

fn _assert_dyn_compatible(_: &dyn OutlierPolicy) {}
