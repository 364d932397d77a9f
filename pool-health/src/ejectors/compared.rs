//! Addresses that do worse than the others of their host.

use std::time::Duration;

use super::{AtMost, Growth};
use crate::{
    EjectReason, OptionDoc, Options, OptionsError, Outcome, OutlierContext, OutlierPolicy,
    OutlierVerdict,
};

/// Ejects an endpoint that succeeds notably less often than the host's endpoints usually do.
///
/// It goes at a failure, when the rate of success of its [recent](crate::Recent) outcomes is at least `below` less than the median of the host's
/// endpoints. A host that is ill as a whole takes its median along, and nobody goes. Both must be known: from [`min_outcomes`](Self::min_outcomes)
/// of its own, and of [`min_endpoints`](Self::min_endpoints) endpoints. The last endpoint stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuccessRate {
    below: f64,
    enough: Enough,
    growth: Growth,
}

impl SuccessRate {
    /// The name in configuration.
    pub const NAME: &'static str = "success-rate";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new(
            "below",
            "how far below the median of the host's addresses the rate of success must be, as a fraction above 0 and up to 1",
            Some("0.3"),
        ),
        Enough::OUTCOMES,
        Enough::ENDPOINTS,
        Growth::BASE,
        Growth::MAX,
        AtMost::<Self>::OPTION,
    ];

    /// Ejects what succeeds less often than the median by `below`, for 30 seconds at first and 5 minutes at most.
    ///
    /// # Panics
    ///
    /// Unless `0 < below <= 1`.
    pub const fn new(below: f64) -> Self {
        assert!(
            below > 0.0 && below <= 1.0,
            "a difference of rates is a fraction above 0 and up to 1"
        );
        Self {
            below,
            enough: Enough::DEFAULT,
            growth: Growth::DEFAULT,
        }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `below` or `max_share` is not a fraction above 0, `min_outcomes` is not a whole number from 1 to 64, `min_endpoints` not one above
    /// 1, `base` and `max` are not durations above zero and up to a year, `max` is shorter than `base`, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<AtMost<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let below = options.number("below")?.unwrap_or(0.3);
        options.ensure(
            "below",
            below > 0.0 && below <= 1.0,
            "a number above 0 and up to 1",
        )?;
        let policy = Self {
            below,
            enough: Enough::from_options(options)?,
            growth: Growth::from_options(options)?,
        };
        AtMost::from_options(policy, options)
    }

    /// Sets how many outcomes of its own must be known.
    ///
    /// # Panics
    ///
    /// Unless `1 <= outcomes <= 64`.
    #[must_use]
    pub const fn min_outcomes(mut self, outcomes: u32) -> Self {
        self.enough = self.enough.outcomes(outcomes);
        self
    }

    /// Sets of how many endpoints the median must be.
    ///
    /// # Panics
    ///
    /// If there are fewer than two: an endpoint is no median for itself.
    #[must_use]
    pub const fn min_endpoints(mut self, endpoints: usize) -> Self {
        self.enough = self.enough.endpoints(endpoints);
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

impl OutlierPolicy for SuccessRate {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        let own = cx.endpoint.recent.success_rate();
        let (Some(own), Some(usual)) = (own, cx.host.peers.success_rate) else {
            return OutlierVerdict::Keep;
        };
        // Rates are ratios of small numbers: what is equal on paper must not differ in the last bit.
        let is_outlier = own + self.below <= usual + f64::EPSILON;
        if !cx.outcome.is_failure() || !is_outlier || !self.enough.is_known(cx) || cx.host.is_last()
        {
            return OutlierVerdict::Keep;
        }
        OutlierVerdict::Eject {
            duration: self.growth.duration(cx),
            reason: EjectReason::SuccessRate,
        }
    }

    fn failures_only(&self) -> bool {
        true
    }
}

/// Ejects an endpoint that answers notably slower than the host's endpoints usually do.
///
/// It goes at a response, when its [latency](crate::EndpointStats::latency) is at least `times` the median of the host's endpoints, and longer by
/// [`at_least`](Self::at_least): of two that answer within a millisecond neither is slow. Both must be known, as with [`SuccessRate`]. The last endpoint
/// stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowEndpoint {
    times: f64,
    at_least: Duration,
    enough: Enough,
    growth: Growth,
}

impl SlowEndpoint {
    /// The name in configuration.
    pub const NAME: &'static str = "latency";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new(
            "times",
            "how many times the median of the host's addresses its latency must be, above 1",
            Some("3"),
        ),
        OptionDoc::new(
            "at_least",
            "by how much it must be slower than the median in any case",
            Some("100ms"),
        ),
        Enough::OUTCOMES,
        Enough::ENDPOINTS,
        Growth::BASE,
        Growth::MAX,
        AtMost::<Self>::OPTION,
    ];

    /// Ejects what takes `times` as long as the median and 100 milliseconds more than it, for 30 seconds at first and 5 minutes at most.
    ///
    /// # Panics
    ///
    /// Unless `times` is a number above 1.
    pub const fn new(times: f64) -> Self {
        assert!(
            times > 1.0 && times.is_finite(),
            "slower than the median is a number above 1"
        );
        Self {
            times,
            at_least: Duration::from_millis(100),
            enough: Enough::DEFAULT,
            growth: Growth::DEFAULT,
        }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `times` is not a number above 1, `at_least` is not a duration, or anything that [`SuccessRate::from_options`] refuses.
    pub fn from_options(options: &Options) -> Result<AtMost<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let times: f64 = options.number("times")?.unwrap_or(3.0);
        options.ensure(
            "times",
            times > 1.0 && times.is_finite(),
            "a number above 1",
        )?;
        let at_least = options.duration("at_least")?;
        let policy = Self {
            times,
            at_least: at_least.unwrap_or(Duration::from_millis(100)),
            enough: Enough::from_options(options)?,
            growth: Growth::from_options(options)?,
        };
        AtMost::from_options(policy, options)
    }

    /// Sets by how much it must be slower in any case.
    #[must_use]
    pub const fn at_least(mut self, difference: Duration) -> Self {
        self.at_least = difference;
        self
    }

    /// Sets how many outcomes of its own must be known.
    ///
    /// # Panics
    ///
    /// Unless `1 <= outcomes <= 64`.
    #[must_use]
    pub const fn min_outcomes(mut self, outcomes: u32) -> Self {
        self.enough = self.enough.outcomes(outcomes);
        self
    }

    /// Sets of how many endpoints the median must be.
    ///
    /// # Panics
    ///
    /// If there are fewer than two: an endpoint is no median for itself.
    #[must_use]
    pub const fn min_endpoints(mut self, endpoints: usize) -> Self {
        self.enough = self.enough.endpoints(endpoints);
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

impl OutlierPolicy for SlowEndpoint {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        let (Some(own), Some(usual)) = (cx.endpoint.latency, cx.host.peers.latency) else {
            return OutlierVerdict::Keep;
        };
        // In nanoseconds, whole numbers, so that twice a median is twice a median.
        let is_outlier = own.as_nanos() as f64 >= usual.as_nanos() as f64 * self.times
            && own.saturating_sub(usual) >= self.at_least;
        let answered = matches!(cx.outcome, Outcome::Status(_));
        if !answered || !is_outlier || !self.enough.is_known(cx) || cx.host.is_last() {
            return OutlierVerdict::Keep;
        }
        OutlierVerdict::Eject {
            duration: self.growth.duration(cx),
            reason: EjectReason::Latency,
        }
    }
}

/// How much must be known before anything is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Enough {
    outcomes: u32,
    endpoints: usize,
}

impl Enough {
    const DEFAULT: Self = Self {
        outcomes: 20,
        endpoints: 3,
    };
    const OUTCOMES: OptionDoc = OptionDoc::new(
        "min_outcomes",
        "how many of its own latest outcomes must be known, up to 64",
        Some("20"),
    );
    const ENDPOINTS: OptionDoc = OptionDoc::new(
        "min_endpoints",
        "of how many addresses the median must be",
        Some("3"),
    );

    fn from_options(options: &Options) -> Result<Self, OptionsError> {
        let outcomes = options.number("min_outcomes")?;
        let outcomes = outcomes.unwrap_or(Self::DEFAULT.outcomes);
        options.ensure(
            "min_outcomes",
            (1..=64).contains(&outcomes),
            "a whole number from 1 to 64",
        )?;
        let endpoints = options.number("min_endpoints")?;
        let endpoints = endpoints.unwrap_or(Self::DEFAULT.endpoints);
        options.ensure("min_endpoints", endpoints > 1, "a whole number above 1")?;
        Ok(Self {
            outcomes,
            endpoints,
        })
    }

    const fn outcomes(mut self, outcomes: u32) -> Self {
        assert!(
            1 <= outcomes && outcomes <= 64,
            "from 1 to 64 outcomes are kept"
        );
        self.outcomes = outcomes;
        self
    }

    const fn endpoints(mut self, endpoints: usize) -> Self {
        assert!(endpoints > 1, "a median is of two endpoints at least");
        self.endpoints = endpoints;
        self
    }

    fn is_known(&self, cx: &OutlierContext<'_>) -> bool {
        cx.endpoint.recent.len() >= self.outcomes && cx.host.peers.endpoints >= self.endpoints
    }
}
