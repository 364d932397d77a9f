//! Checks that are not due each time.

use std::time::Duration;

use async_trait::async_trait;

use crate::{HealthCheck, OptionDoc, Options, OptionsError, Probe, ProbeFacts, Unhealthy};

/// Asks a check only now and then, or only of connections that have been idle for a while: made by [`HealthCheck::every`] and
/// [`HealthCheck::after_idle`].
///
/// A connection that is not asked counts as healthy, also where the pool wanted to know before it hands the connection out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When<C> {
    check: C,
    /// Zero: each time.
    every: Duration,
    after_idle: Duration,
}

impl<C> When<C> {
    /// The option of every built-in check that asks less often.
    pub(super) const EVERY: OptionDoc = OptionDoc::new(
        "every",
        "how often to check a connection, if not in each round",
        Some("0s"),
    );
    /// The option of every built-in check that leaves busy connections alone.
    pub(super) const AFTER_IDLE: OptionDoc = OptionDoc::new(
        "after_idle",
        "how long a connection must have been idle to be checked",
        Some("0s"),
    );

    pub(crate) const fn every(check: C, every: Duration) -> Self {
        Self {
            check,
            every,
            after_idle: Duration::ZERO,
        }
    }

    pub(crate) const fn after_idle(check: C, after_idle: Duration) -> Self {
        Self {
            check,
            every: Duration::ZERO,
            after_idle,
        }
    }

    pub(super) fn from_options(check: C, options: &Options) -> Result<Self, OptionsError> {
        Ok(Self {
            check,
            every: options.duration("every")?.unwrap_or_default(),
            after_idle: options.duration("after_idle")?.unwrap_or_default(),
        })
    }

    fn is_due(&self, facts: &ProbeFacts) -> bool {
        if facts.idle < self.after_idle {
            return false;
        }
        let Some(ago) = facts.checked.filter(|_| !self.every.is_zero()) else {
            return true;
        };
        // Due once in each interval of the connection's life. That needs no memory, lets several checks have intervals of their own, and
        // connections opened at different times are due at different times.
        let interval = |age: Duration| age.as_nanos() / self.every.as_nanos();
        interval(facts.age) > interval(facts.age.saturating_sub(ago))
    }
}

#[async_trait]
impl<C: HealthCheck> HealthCheck for When<C> {
    /// That of the check: this is an option of it.
    fn name(&self) -> &'static str {
        self.check.name()
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        self.is_due(facts) && self.check.applies(facts)
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        self.check.check(probe).await
    }
}
