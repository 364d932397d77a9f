//! Whether one connection still works: the trait that asks, and the answer nobody likes.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::checks::{AllOf, AnyOf, When};
use crate::{BoxError, Probe, ProbeError, ProbeErrorKind, ProbeFacts};

/// Asks one connection whether it still works.
///
/// - **Who calls, when, how often:** the pool: on idle connections in each upkeep round (spread out, a bounded number at a time), on a
///   fresh connection while warming up, and on one that has been idle for long before it is handed out. Never on a connection that
///   carries a request.
/// - **On which thread:** in a task of the pool's, inside its runtime; several at once, for different connections.
/// - **Blocking:** never; await the probe instead. Await nothing but the probe: the pool sets the deadline, and dropping the future is
///   how it says that time is up. A connection whose check ran out of time is unhealthy.
/// - **Panics** are contained, counted, and mean unhealthy: the connection may be in the middle of an exchange.
/// - **Lies:** a check that finds a dead connection healthy costs the next request a retry, or an error if it cannot be
///   retried. One that finds everything unhealthy makes the pool dial for every request; if it does so with a status
///   ([`Unhealthy::from_status`]), the address rests as well, until a check of a fresh connection to it succeeds.
///   [`conformance::health_check`](crate::conformance::health_check) looks for the first.
///
/// How many bad answers it takes to act on them is a [`Threshold`](crate::Threshold), and not the check's business.
#[async_trait]
#[doc(alias("CheckConnection", "Validator"))]
pub trait HealthCheck: fmt::Debug + Send + Sync {
    /// The check's name in configuration, logs and metrics: short, lower case, always the same.
    fn name(&self) -> &'static str;

    /// Whether the check has anything to ask of such a connection. The pool calls this once it has
    /// reserved the connection, so it must be quick; the same facts give the same answer.
    fn applies(&self, facts: &ProbeFacts) -> bool {
        let _ = facts;
        true
    }

    /// Asks.
    ///
    /// # Errors
    ///
    /// Why the connection should not be used any more.
    ///
    /// # Cancel safety
    ///
    /// The pool drops the future when time is up or when it closes. Whatever the check has begun outside the probe it must undo in
    /// `Drop`.
    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy>;

    /// Healthy if both checks say so.
    fn and<C>(self, other: C) -> AllOf<Self, C>
    where
        Self: Sized,
        C: HealthCheck,
    {
        AllOf::new(self, other)
    }

    /// Healthy if either check says so.
    fn or<C>(self, other: C) -> AnyOf<Self, C>
    where
        Self: Sized,
        C: HealthCheck,
    {
        AnyOf::new(self, other)
    }

    /// Asks at the first look at a connection, and then once in each `interval` of its life. Zero asks each time.
    fn every(self, interval: Duration) -> When<Self>
    where
        Self: Sized,
    {
        When::every(self, interval)
    }

    /// Asks only of connections that have been idle for at least `idle`.
    fn after_idle(self, idle: Duration) -> When<Self>
    where
        Self: Sized,
    {
        When::after_idle(self, idle)
    }
}

/// What a check found wrong with a connection.
#[derive(Debug)]
pub struct Unhealthy {
    reason: &'static str,
    status: Option<u16>,
    source: Option<BoxError>,
}

impl Unhealthy {
    /// Unhealthy for `reason`: one lower-case word, fit for a metric's label. Those of this crate are `closed`, `timeout`, `status`,
    /// `header`, `body`, `certificate`, `unsupported` and `failed`.
    pub const fn new(reason: &'static str) -> Self {
        Self {
            reason,
            status: None,
            source: None,
        }
    }

    /// Unhealthy because of a response's status.
    pub const fn from_status(status: u16) -> Self {
        Self {
            reason: "status",
            status: Some(status),
            source: None,
        }
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The reason in one word.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// The status that was not accepted, if it was one.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }
}

impl From<ProbeError> for Unhealthy {
    /// Takes the reason from the kind of error, which stays readable as the source.
    fn from(error: ProbeError) -> Self {
        let reason = match error.kind() {
            ProbeErrorKind::Unsupported => "unsupported",
            ProbeErrorKind::Timeout => "timeout",
            ProbeErrorKind::Closed => "closed",
            ProbeErrorKind::Failed => "failed",
        };
        Self::new(reason).with_source(error)
    }
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unhealthy: {}", self.reason)?;
        self.status.map_or(Ok(()), |status| write!(f, " {status}"))
    }
}

impl Error for Unhealthy {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[async_trait]
impl<T: HealthCheck + ?Sized> HealthCheck for Box<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        T::applies(self, facts)
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        T::check(self, probe).await
    }
}

#[async_trait]
impl<T: HealthCheck + ?Sized> HealthCheck for Arc<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        T::applies(self, facts)
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        T::check(self, probe).await
    }
}

fn _assert_dyn_compatible(_: &dyn HealthCheck) {}
