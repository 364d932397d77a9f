//! An outlier policy in a crate of its own: `[[outlier]] use = "one-strike" for = "10m"`.

#![forbid(unsafe_code)]

use pool_health::{EjectReason, MAX_EJECTION, OptionDoc, Options, OptionsError};
use pool_health::{OutlierContext, OutlierPolicy, OutlierVerdict};
use std::time::Duration;

/// Lets an address rest as soon as anything fails there, unless it is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneStrike {
    rest: Duration,
}

impl OneStrike {
    /// The name in configuration.
    pub const NAME: &'static str = "one-strike";
    /// The options it takes.
    pub const OPTIONS: [OptionDoc; 1] = [OptionDoc::new(
        "for",
        "how long the address rests",
        Some("10m"),
    )];

    /// Reads `for`, by default ten minutes.
    ///
    /// # Errors
    ///
    /// If `for` is not a duration above zero and up to a year, or there is any other option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(&Self::OPTIONS)?;
        let rest = options.duration("for")?.unwrap_or(Duration::from_secs(600));
        let sensible = !rest.is_zero() && rest <= MAX_EJECTION;
        options.ensure("for", sensible, "a duration above zero and up to a year")?;
        Ok(Self { rest })
    }
}

impl OutlierPolicy for OneStrike {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        if !cx.outcome.is_failure() || cx.host.is_last() {
            return OutlierVerdict::Keep;
        }
        OutlierVerdict::Eject {
            duration: self.rest,
            reason: EjectReason::Policy(Self::NAME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_health::conformance;

    fn policy(key: &str, value: &str) -> Result<OneStrike, OptionsError> {
        OneStrike::from_options(&Options::from([(key, value)]))
    }

    #[test]
    fn every_pool_can_live_with_it() {
        conformance::outlier(&policy("for", "1m").expect("a minute is a duration"));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        for (key, value) in [("for", "0s"), ("for", "500d"), ("fro", "1m")] {
            assert_eq!(
                policy(key, value).expect_err("it makes no sense").key(),
                key
            );
        }
    }
}
