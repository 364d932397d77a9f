//! Addresses where one thing after another fails.

use std::time::Duration;

use super::{AtMost, Growth};
use crate::{
    EjectReason, OptionDoc, Options, OptionsError, OutlierContext, OutlierPolicy, OutlierVerdict,
};

/// Ejects an endpoint after this many failures in a row, each time for longer.
///
/// A failure is what [`Outcome::is_failure`](crate::Outcome::is_failure) says. There are three runs of them, each with a threshold of its own: of any kind; local ones
/// (dial, reset, timeout: it cannot be reached); remote ones (a status from 500 to 599: it can, and says that it is not well). With exactly
/// as many as a threshold says and more the endpoint goes, for `base` at first, doubled for each recent ejection, never longer
/// than `max`. The last endpoint stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsecutiveFailures {
    threshold: u32,
    local: u32,
    remote: u32,
    growth: Growth,
}

impl ConsecutiveFailures {
    /// The name in configuration.
    pub const NAME: &'static str = "consecutive-failures";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new(
            "threshold",
            "failures of any kind in a row that eject",
            Some("5"),
        ),
        OptionDoc::new(
            "local",
            "failures to reach the address in a row that eject, \"threshold\" unless given",
            Some("5"),
        ),
        OptionDoc::new(
            "remote",
            "responses of 500 to 599 in a row that eject, \"threshold\" unless given",
            Some("5"),
        ),
        Growth::BASE,
        Growth::MAX,
        AtMost::<Self>::OPTION,
    ];

    /// Ejects after `threshold` failures of any kind in a row, for 30 seconds at first and 5 minutes at most.
    ///
    /// # Panics
    ///
    /// If `threshold` is zero.
    pub const fn new(threshold: u32) -> Self {
        assert!(threshold > 0, "it takes at least one failure to eject");
        Self {
            threshold,
            local: threshold,
            remote: threshold,
            growth: Growth::DEFAULT,
        }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If a threshold is not a whole number above zero, `base` and `max` are not durations above zero and up to a year, `max` is
    /// shorter than `base`, `max_share` is not a fraction above 0, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<AtMost<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let threshold = |key, default| {
            let threshold = options.number(key)?.unwrap_or(default);
            options.ensure(key, threshold > 0, "a whole number above zero")?;
            Ok(threshold)
        };
        let any = threshold("threshold", DEFAULT)?;
        let policy = Self {
            threshold: any,
            local: threshold("local", any)?,
            remote: threshold("remote", any)?,
            growth: Growth::from_options(options)?,
        };
        AtMost::from_options(policy, options)
    }

    /// Sets how many failures to reach it (dial, reset, timeout) eject.
    ///
    /// # Panics
    ///
    /// If `threshold` is zero.
    #[must_use]
    pub const fn local(mut self, threshold: u32) -> Self {
        assert!(threshold > 0, "it takes at least one failure to eject");
        self.local = threshold;
        self
    }

    /// Sets how many responses with a server error eject.
    ///
    /// # Panics
    ///
    /// If `threshold` is zero.
    #[must_use]
    pub const fn remote(mut self, threshold: u32) -> Self {
        assert!(threshold > 0, "it takes at least one failure to eject");
        self.remote = threshold;
        self
    }

    /// Sets how long the first ejection lasts, and how long any may last.
    ///
    /// # Panics
    ///
    /// Unless `0 < base <= max <= MAX_EJECTION`.
    #[must_use]
    pub fn durations(mut self, base: Duration, max: Duration) -> Self {
        self.growth = Growth::new(base, max);
        self
    }
}

impl OutlierPolicy for ConsecutiveFailures {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        if !cx.outcome.is_failure() || cx.host.is_last() {
            return OutlierVerdict::Keep;
        }
        let runs = [
            (cx.endpoint.consecutive_failures, self.threshold),
            (cx.endpoint.consecutive_local, self.local),
            (cx.endpoint.consecutive_remote, self.remote),
        ];
        if runs.iter().all(|(run, threshold)| run < threshold) {
            return OutlierVerdict::Keep;
        }
        OutlierVerdict::Eject {
            duration: self.growth.duration(cx),
            reason: EjectReason::ConsecutiveFailures,
        }
    }

    fn failures_only(&self) -> bool {
        true
    }
}

/// Envoy's `consecutive_5xx`.
const DEFAULT: u32 = 5;
