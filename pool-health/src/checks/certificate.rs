//! Certificates that are about to expire.

use std::time::Duration;

use async_trait::async_trait;

use super::When;
use crate::{HealthCheck, OptionDoc, Options, OptionsError, Probe, ProbeFacts, Unhealthy};

/// Finds connections unhealthy whose server's certificate expires soon, or has expired: a new connection may get a new one. Sends nothing.
///
/// Applies where [`ProbeFacts::certificate_left`] is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateExpiry {
    within: Duration,
}

impl CertificateExpiry {
    /// The name in configuration.
    pub const NAME: &'static str = "certificate";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new(
            "within",
            "how long before its end a certificate is too old",
            Some("0s"),
        ),
        When::<Self>::EVERY,
        When::<Self>::AFTER_IDLE,
    ];

    /// A certificate is too old when it is valid for exactly `within` or less.
    pub const fn new(within: Duration) -> Self {
        Self { within }
    }

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If a value is not what [`OPTIONS`](Self::OPTIONS) says, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<When<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let within = options.duration("within")?.unwrap_or_default();
        When::from_options(Self::new(within), options)
    }
}

#[async_trait]
impl HealthCheck for CertificateExpiry {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        facts.certificate_left.is_some()
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        let left = probe.facts().certificate_left;
        if !probe.is_open() {
            return Err(Unhealthy::new("closed"));
        }
        if left.is_some_and(|left| left <= self.within) {
            return Err(Unhealthy::new("certificate"));
        }
        Ok(())
    }
}
