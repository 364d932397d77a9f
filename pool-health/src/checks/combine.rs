//! Two checks as one.

use async_trait::async_trait;

use crate::{HealthCheck, Probe, ProbeFacts, Unhealthy};

/// Healthy if both checks say so: made by [`HealthCheck::and`].
///
/// The second is asked if the first has found nothing. A check that does not apply has nothing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllOf<A, B> {
    first: A,
    second: B,
}

impl<A, B> AllOf<A, B> {
    pub(crate) const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

#[async_trait]
impl<A: HealthCheck, B: HealthCheck> HealthCheck for AllOf<A, B> {
    fn name(&self) -> &'static str {
        "and"
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        self.first.applies(facts) || self.second.applies(facts)
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        if self.first.applies(probe.facts()) {
            self.first.check(probe).await?;
        }
        if self.second.applies(probe.facts()) {
            self.second.check(probe).await?;
        }
        Ok(())
    }
}

/// Healthy if either check says so: made by [`HealthCheck::or`].
///
/// The second is asked if the first has found something, and what the second then finds is the answer. Of checks where only one applies, that one
/// decides. The first should leave the connection as it was: of an HTTP/1.1 connection whose request was not answered in full
/// nothing more can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyOf<A, B> {
    first: A,
    second: B,
}

impl<A, B> AnyOf<A, B> {
    pub(crate) const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

#[async_trait]
impl<A: HealthCheck, B: HealthCheck> HealthCheck for AnyOf<A, B> {
    fn name(&self) -> &'static str {
        "or"
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        self.first.applies(facts) || self.second.applies(facts)
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        let first = if self.first.applies(probe.facts()) {
            self.first.check(probe).await
        } else {
            Err(Unhealthy::new("unsupported"))
        };
        match first {
            Err(_) if self.second.applies(probe.facts()) => self.second.check(probe).await,
            verdict => verdict,
        }
    }
}
