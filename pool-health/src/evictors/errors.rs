//! Connections on which requests fail: in a row, in all, or too large a part of them.

use crate::{
    EvictReason, EvictionContext, EvictionPolicy, OptionDoc, Options, OptionsError, Verdict,
};

/// Evicts a connection whose latest leases all failed: with exactly this many failures in a row and more, not fewer.
///
/// Zero evicts every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxErrors(pub u32);

impl MaxErrors {
    /// The name in configuration.
    pub const NAME: &'static str = "errors";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "max",
        "how many leases in a row may fail",
        Some("3"),
    )];

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `max` is not a whole number above zero, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let max = options.number("max")?.unwrap_or(3);
        options.ensure("max", max > 0, "a whole number above zero")?;
        Ok(Self(max))
    }
}

impl EvictionPolicy for MaxErrors {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(cx.conn.consecutive_errors >= self.0, EvictReason::Errors)
    }
}

/// Evicts a connection on which this many leases have failed in all, however many went well between them: with exactly this many and
/// more, not fewer.
///
/// Zero evicts every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCount(pub u32);

impl ErrorCount {
    /// The name in configuration.
    pub const NAME: &'static str = "error-count";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "max",
        "how many leases of a connection may fail in all",
        None,
    )];

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `max` is missing or not a whole number above zero, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let max = options.number("max")?;
        options.ensure("max", max != Some(0), "a whole number above zero")?;
        max.map(Self).ok_or_else(|| OptionsError::missing("max"))
    }
}

impl EvictionPolicy for ErrorCount {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(cx.conn.errors >= self.0, EvictReason::Errors)
    }
}

/// Evicts a connection of whose leases too large a part has failed, once enough of them have ended to tell.
///
/// It goes when at least `min_uses` leases have ended and the failed ones are at least `max` of them. Leases under way are not
/// counted: how they end is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorRate {
    max: f64,
    min_uses: u64,
}

impl ErrorRate {
    /// The name in configuration.
    pub const NAME: &'static str = "error-rate";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new(
            "max",
            "the part of a connection's leases that evicts if it fails, as a fraction above 0 and up to 1",
            Some("0.5"),
        ),
        OptionDoc::new(
            "min_uses",
            "how many leases must have ended before the part says anything",
            Some("10"),
        ),
    ];

    /// A connection goes when `max` of its leases have failed, and at least 10 have ended.
    ///
    /// # Panics
    ///
    /// Unless `0 < max <= 1`.
    pub const fn new(max: f64) -> Self {
        assert!(
            max > 0.0 && max <= 1.0,
            "a rate is a fraction above 0 and up to 1"
        );
        Self { max, min_uses: 10 }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `max` is not a number above 0 and up to 1, `min_uses` is not a whole number above zero, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let max = options.number("max")?.unwrap_or(0.5);
        options.ensure(
            "max",
            max > 0.0 && max <= 1.0,
            "a number above 0 and up to 1",
        )?;
        let min_uses = options.number("min_uses")?.unwrap_or(10);
        options.ensure("min_uses", min_uses > 0, "a whole number above zero")?;
        Ok(Self { max, min_uses })
    }

    /// How many leases must have ended before the rate says anything.
    ///
    /// # Panics
    ///
    /// If it is zero: a connection that has done nothing has no rate.
    #[must_use]
    pub const fn min_uses(mut self, uses: u64) -> Self {
        assert!(uses > 0, "a rate needs at least one lease that has ended");
        self.min_uses = uses;
        self
    }
}

impl EvictionPolicy for ErrorRate {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let ended = cx.conn.uses.saturating_sub(cx.conn.in_flight.into());
        let failed = f64::from(cx.conn.errors) >= ended as f64 * self.max;
        Verdict::evict_if(ended >= self.min_uses && failed, EvictReason::Errors)
    }
}
