//! Addresses that answer with a status nobody wants.

use std::time::Duration;

use super::{AtMost, EJECTION, Growth, is_ejection};
use crate::{
    EjectReason, OptionDoc, Options, OptionsError, Outcome, OutlierContext, OutlierPolicy,
    OutlierVerdict, StatusSet,
};

/// Ejects an endpoint that answers with one of these statuses: a `403` that one address gives and others do not, a `429` or `503` that asks for
/// a pause.
///
/// It goes at the first such response, or when the same status came [`after`](Self::after) times in a row: one `403` may be about the request and
/// not about the address. A first ejection lasts as long as said, each later one twice as long, up to [`max`](Self::max). If the
/// response says `Retry-After` and that is longer, it lasts as long as that, but not longer than
/// [`max_retry_after`](Self::max_retry_after): a server that asks for a year does not get it. The last endpoint stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEjection {
    statuses: StatusSet,
    after: u32,
    growth: Growth,
    max_retry_after: Duration,
}

impl StatusEjection {
    /// The name in configuration.
    pub const NAME: &'static str = "status";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new("statuses", "the statuses that eject", None),
        OptionDoc::new(
            "after",
            "responses in a row with the same of them that eject",
            Some("1"),
        ),
        OptionDoc::new("for", "how long the first ejection lasts", Some("60s")),
        Growth::MAX,
        OptionDoc::new(
            "max_retry_after",
            "how long a Retry-After is honoured at most, 0s to ignore it",
            Some("1h"),
        ),
        AtMost::<Self>::OPTION,
    ];

    /// Ejects for `duration` at a response with one of `statuses`, for twice as long each time up to 5 minutes, and honours `Retry-After` up to an
    /// hour.
    ///
    /// # Panics
    ///
    /// Unless `0 < duration <= MAX_EJECTION`.
    pub fn new(statuses: StatusSet, duration: Duration) -> Self {
        assert!(
            is_ejection(duration),
            "ejections last {EJECTION}, not {duration:?}"
        );
        Self {
            statuses,
            after: 1,
            growth: Growth::new(duration, DEFAULT.max.max(duration)),
            max_retry_after: HOUR,
        }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `statuses` is missing or not a list of statuses, `after` is not a whole number above zero, `for` and `max` are not durations above zero
    /// and up to a year, `max` is shorter than `for`, `max_retry_after` is not a duration up to a year, `max_share` is not a fraction
    /// above 0, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<AtMost<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let statuses = options
            .status_set("statuses")?
            .ok_or_else(|| OptionsError::missing("statuses"))?;
        let after = options.number("after")?.unwrap_or(1);
        options.ensure("after", after > 0, "a whole number above zero")?;
        let growth = Growth::named(options, "for", DEFAULT)?;
        let max_retry_after = options.duration("max_retry_after")?.unwrap_or(HOUR);
        let sensible = max_retry_after.is_zero() || is_ejection(max_retry_after);
        options.ensure("max_retry_after", sensible, "a duration up to a year")?;
        let policy = Self {
            statuses,
            after,
            growth,
            max_retry_after,
        };
        AtMost::from_options(policy, options)
    }

    /// Sets how many responses in a row must have the same of the statuses.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn after(mut self, responses: u32) -> Self {
        assert!(responses > 0, "it takes at least one response to eject");
        self.after = responses;
        self
    }

    /// Sets how long an ejection may become by repetition.
    ///
    /// # Panics
    ///
    /// Unless it is at least the first duration and at most `MAX_EJECTION`.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.growth = Growth::new(self.growth.base, max);
        self
    }

    /// Sets how long a `Retry-After` is honoured at most. Zero ignores it.
    ///
    /// # Panics
    ///
    /// If it is longer than `MAX_EJECTION`.
    #[must_use]
    pub fn max_retry_after(mut self, max: Duration) -> Self {
        assert!(
            max.is_zero() || is_ejection(max),
            "ejections last {EJECTION}, not {max:?}"
        );
        self.max_retry_after = max;
        self
    }
}

impl OutlierPolicy for StatusEjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        let Outcome::Status(status) = cx.outcome else {
            return OutlierVerdict::Keep;
        };
        let repeated = self.after == 1 || cx.endpoint.same_status >= self.after;
        if !self.statuses.contains(status) || !repeated || cx.host.is_last() {
            return OutlierVerdict::Keep;
        }
        let asked = cx.retry_after.unwrap_or_default().min(self.max_retry_after);
        OutlierVerdict::Eject {
            duration: self.growth.duration(cx).max(asked),
            reason: EjectReason::Status(status),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DEFAULT: Growth = Growth {
    base: Duration::from_secs(60),
    max: Duration::from_secs(300),
};
