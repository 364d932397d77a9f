//! The outlier policies that come with the crate.

mod at_most;
mod compared;
mod consecutive;
mod status;

use std::time::Duration;

use crate::{
    MAX_EJECTION, OptionDoc, Options, OptionsError, OutlierContext, OutlierPolicy, OutlierVerdict,
};

pub use self::at_most::AtMost;
pub use self::compared::{SlowEndpoint, SuccessRate};
pub use self::consecutive::ConsecutiveFailures;
pub use self::status::StatusEjection;

/// Ejects nothing: the null policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NeverEject;

impl NeverEject {
    /// The name in configuration.
    pub const NAME: &'static str = "none";
    /// It takes no options.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If there is any option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self)
    }
}

impl OutlierPolicy for NeverEject {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, _: &OutlierContext<'_>) -> OutlierVerdict {
        OutlierVerdict::Keep
    }

    fn failures_only(&self) -> bool {
        true
    }
}

/// How long ejections last: the first one `base`, each later one twice as long, up to `max`.
///
/// How many were before is [`EndpointStats::recent_ejections`](crate::EndpointStats::recent_ejections), which falls again as time goes by without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Growth {
    base: Duration,
    max: Duration,
}

impl Growth {
    /// Envoy's: `base_ejection_time` and `max_ejection_time` of its outlier detection.
    const DEFAULT: Self = Self {
        base: Duration::from_secs(30),
        max: Duration::from_secs(300),
    };

    const BASE: OptionDoc =
        OptionDoc::new("base", "how long the first ejection lasts", Some("30s"));
    const MAX: OptionDoc =
        OptionDoc::new("max", "how long an ejection may last at most", Some("5m"));

    /// # Panics
    ///
    /// Unless `0 < base <= max <= MAX_EJECTION`.
    fn new(base: Duration, max: Duration) -> Self {
        assert!(
            is_ejection(base) && is_ejection(max) && base <= max,
            "ejections last {EJECTION}, ascending, not {base:?} and {max:?}"
        );
        Self { base, max }
    }

    fn from_options(options: &Options) -> Result<Self, OptionsError> {
        Self::named(options, "base", Self::DEFAULT)
    }

    /// As [`from_options`](Self::from_options), with another key for the base.
    fn named(options: &Options, key: &str, defaults: Self) -> Result<Self, OptionsError> {
        let (base, max) = (options.duration(key)?, options.duration("max")?);
        options.ensure(key, base.is_none_or(is_ejection), EJECTION)?;
        options.ensure("max", max.is_none_or(is_ejection), EJECTION)?;
        // One of them alone moves the other's default along: nobody who shortens `max` has said anything wrong about `base`.
        let base = base.unwrap_or_else(|| max.map_or(defaults.base, |max| defaults.base.min(max)));
        let max = max.unwrap_or_else(|| defaults.max.max(base));
        options.ensure(
            "max",
            max >= base,
            format!("a duration not shorter than {key:?}"),
        )?;
        Ok(Self { base, max })
    }

    fn duration(&self, cx: &OutlierContext<'_>) -> Duration {
        let doubled = 2_u32
            .checked_pow(cx.endpoint.recent_ejections(cx.now))
            .and_then(|factor| self.base.checked_mul(factor));
        doubled.unwrap_or(self.max).min(self.max)
    }
}

fn is_ejection(duration: Duration) -> bool {
    !duration.is_zero() && duration <= MAX_EJECTION
}

const EJECTION: &str = "a duration above zero and up to a year";
