//! The outlier policies that come with the crate.

use std::time::Duration;

use crate::{
    EjectReason, MAX_EJECTION, OptionDoc, Options, OptionsError, Outcome, OutlierContext,
    OutlierPolicy, OutlierVerdict, StatusSet,
};

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
}

/// Ejects an endpoint after this many failures in a row, each time for longer.
///
/// A failure is what [`Outcome::is_failure`] says. With exactly `threshold` failures and more the endpoint goes, for `base` at first,
/// doubled for each earlier ejection, never longer than `max`. The last endpoint stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsecutiveFailures {
    threshold: u32,
    base: Duration,
    max: Duration,
}

impl ConsecutiveFailures {
    /// The name in configuration.
    pub const NAME: &'static str = "consecutive-failures";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new("threshold", "failures in a row that eject", Some("5")),
        OptionDoc::new("base", "how long the first ejection lasts", Some("30s")),
        OptionDoc::new("max", "how long an ejection may last at most", Some("5m")),
    ];

    /// Ejects after `threshold` failures in a row, for 30 seconds at first and 5 minutes at most.
    ///
    /// # Panics
    ///
    /// If `threshold` is zero.
    pub const fn new(threshold: u32) -> Self {
        assert!(threshold > 0, "it takes at least one failure to eject");
        Self {
            threshold,
            ..DEFAULTS
        }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `threshold` is not a whole number above zero, `base` and `max` are not durations above zero and up to a year, `max` is
    /// shorter than `base`, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let threshold = options.number("threshold")?.unwrap_or(DEFAULTS.threshold);
        options.ensure("threshold", threshold > 0, "a whole number above zero")?;
        let (base, max) = (options.duration("base")?, options.duration("max")?);
        options.ensure("base", base.is_none_or(is_ejection), EJECTION)?;
        options.ensure("max", max.is_none_or(is_ejection), EJECTION)?;
        // One of them alone moves the other's default along: nobody who shortens `max` has said anything wrong about `base`.
        let base = base.unwrap_or_else(|| max.map_or(DEFAULTS.base, |max| DEFAULTS.base.min(max)));
        let max = max.unwrap_or_else(|| DEFAULTS.max.max(base));
        options.ensure("max", max >= base, "a duration not shorter than \"base\"")?;
        Ok(Self {
            threshold,
            base,
            max,
        })
    }

    /// Sets how long the first ejection lasts, and how long any may last.
    ///
    /// # Panics
    ///
    /// Unless `0 < base <= max <= MAX_EJECTION`.
    #[must_use]
    pub fn durations(mut self, base: Duration, max: Duration) -> Self {
        assert!(
            is_ejection(base) && is_ejection(max) && base <= max,
            "ejections last {EJECTION}, ascending, not {base:?} and {max:?}"
        );
        self.base = base;
        self.max = max;
        self
    }
}

impl OutlierPolicy for ConsecutiveFailures {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        let failures = cx.endpoint.consecutive_failures;
        if !cx.outcome.is_failure() || failures < self.threshold || cx.host.is_last() {
            return OutlierVerdict::Keep;
        }
        let doubled = 2_u32
            .checked_pow(cx.endpoint.ejections)
            .and_then(|factor| self.base.checked_mul(factor));
        OutlierVerdict::Eject {
            duration: doubled.unwrap_or(self.max).min(self.max),
            reason: EjectReason::ConsecutiveFailures,
        }
    }
}

/// Ejects an endpoint at the first response with one of these statuses: a `403` that one address gives and others do not.
///
/// The last endpoint stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEjection {
    statuses: StatusSet,
    duration: Duration,
}

impl StatusEjection {
    /// The name in configuration.
    pub const NAME: &'static str = "status";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new("statuses", "the statuses that eject", None),
        OptionDoc::new("for", "how long an ejection lasts", Some("60s")),
    ];

    /// Ejects for `duration` at a response with one of `statuses`.
    ///
    /// # Panics
    ///
    /// Unless `0 < duration <= MAX_EJECTION`.
    pub fn new(statuses: StatusSet, duration: Duration) -> Self {
        assert!(
            is_ejection(duration),
            "ejections last {EJECTION}, not {duration:?}"
        );
        Self { statuses, duration }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `statuses` is missing or not a list of statuses, `for` is not a duration above zero and up to a year, or an option is
    /// unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let statuses = options
            .status_set("statuses")?
            .ok_or_else(|| OptionsError::missing("statuses"))?;
        let duration = options.duration("for")?.unwrap_or(Duration::from_secs(60));
        options.ensure("for", is_ejection(duration), EJECTION)?;
        Ok(Self { statuses, duration })
    }
}

impl OutlierPolicy for StatusEjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        match cx.outcome {
            Outcome::Status(status) if self.statuses.contains(status) && !cx.host.is_last() => {
                OutlierVerdict::Eject {
                    duration: self.duration,
                    reason: EjectReason::Status(status),
                }
            }
            _ => OutlierVerdict::Keep,
        }
    }
}

fn is_ejection(duration: Duration) -> bool {
    !duration.is_zero() && duration <= MAX_EJECTION
}

const EJECTION: &str = "a duration above zero and up to a year";

/// Envoy's: `consecutive_5xx`, `base_ejection_time` and `max_ejection_time` of its outlier detection.
const DEFAULTS: ConsecutiveFailures = ConsecutiveFailures {
    threshold: 5,
    base: Duration::from_secs(30),
    max: Duration::from_secs(300),
};
