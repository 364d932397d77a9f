//! The health checks that come with the crate.

mod certificate;
mod combine;
mod http;
mod when;

use async_trait::async_trait;

use crate::{HealthCheck, OptionDoc, Options, OptionsError, Probe, ProbeFacts, Unhealthy};

pub use self::certificate::CertificateExpiry;
pub use self::combine::{AllOf, AnyOf};
pub use self::http::HttpCheck;
pub use self::when::When;

/// Asks nothing, of no connection: the null check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoCheck;

impl NoCheck {
    /// The name in configuration.
    pub const NAME: &'static str = "none";
    /// It takes no options.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If there is any option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self)
    }
}

#[async_trait]
impl HealthCheck for NoCheck {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn applies(&self, _: &ProbeFacts) -> bool {
        false
    }

    async fn check(&self, _: &mut dyn Probe) -> Result<(), Unhealthy> {
        Ok(())
    }
}

/// Looks whether the peer has closed the connection, without writing to it.
///
/// Costs nothing and finds every orderly close; a peer that has vanished without a word it does not find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Liveness;

impl Liveness {
    /// The name in configuration.
    pub const NAME: &'static str = "liveness";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[When::<Self>::EVERY, When::<Self>::AFTER_IDLE];

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If a value is not what [`OPTIONS`](Self::OPTIONS) says, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<When<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        When::from_options(Self, options)
    }
}

#[async_trait]
impl HealthCheck for Liveness {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        if probe.is_open() {
            Ok(())
        } else {
            Err(Unhealthy::new("closed"))
        }
    }
}

/// Sends an HTTP/2 PING (RFC 9113, section 6.7): finds a silent peer at the price of 17 bytes. Applies to HTTP/2 only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct H2Ping;

impl H2Ping {
    /// The name in configuration.
    pub const NAME: &'static str = "h2-ping";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[When::<Self>::EVERY, When::<Self>::AFTER_IDLE];

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If a value is not what [`OPTIONS`](Self::OPTIONS) says, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<When<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        When::from_options(Self, options)
    }
}

#[async_trait]
impl HealthCheck for H2Ping {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        facts.multiplexed
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        probe.ping().await?;
        Ok(())
    }
}
