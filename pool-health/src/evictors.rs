//! The eviction policies that come with the crate.

mod certificate;
mod errors;
mod min_idle;
mod peer_idle;

use std::time::Duration;

use crate::{
    EvictReason, EvictionContext, EvictionPolicy, OptionDoc, Options, OptionsError, Verdict,
};

pub use self::certificate::CertificateEnd;
pub use self::errors::{ErrorCount, ErrorRate, MaxErrors};
pub use self::min_idle::MinIdle;
pub use self::peer_idle::PeerIdle;

/// Keeps every connection: the null policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NeverEvict;

impl NeverEvict {
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

impl EvictionPolicy for NeverEvict {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, _: &EvictionContext<'_>) -> Verdict {
        Verdict::Keep
    }
}

/// Evicts a connection that nobody has held for this long: at exactly this age and after, not before.
///
/// A connection in use is never idle. Zero evicts whatever is idle; [`Duration::MAX`] nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "CleanupIdleConnections")]
pub struct IdleTimeout(pub Duration);

impl IdleTimeout {
    /// The name in configuration.
    pub const NAME: &'static str = "idle";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new("after", "how long a connection may be idle", Some("90s")),
        OptionDoc::new(
            "min_idle",
            "how many idle connections a host keeps whatever their age",
            Some("0"),
        ),
    ];

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `after` is not a duration above zero, `min_idle` is not a whole number, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<MinIdle<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let after = options
            .duration("after")?
            .unwrap_or(Duration::from_secs(90));
        options.ensure("after", !after.is_zero(), "a duration above zero")?;
        let min_idle = options.number("min_idle")?.unwrap_or(0);
        Ok(Self(after).min_idle(min_idle))
    }
}

impl EvictionPolicy for IdleTimeout {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let idle = cx.conn.idle(cx.now);
        Verdict::evict_if(idle.is_some_and(|idle| idle >= self.0), EvictReason::Idle)
    }
}

/// Evicts a connection that is too old, whether used or not.
///
/// Each connection has a limit of its own, fixed by its seed and spread evenly over `max * (1 - jitter)` to `max`, so that connections
/// opened together do not close together. It goes at exactly its limit and after, not before. A `max` of [`Duration::MAX`] means
/// never.
#[derive(Debug, Clone, Copy, PartialEq)]
#[doc(alias = "CleanupExpiredConnections")]
pub struct Lifetime {
    max: Duration,
    jitter: f64,
}

impl Lifetime {
    /// The name in configuration.
    pub const NAME: &'static str = "lifetime";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new("max", "how old a connection may become", Some("1h")),
        OptionDoc::new(
            "jitter",
            "by how much a connection's own limit may be shorter, as a fraction from 0 to 1",
            Some("0.1"),
        ),
    ];

    /// No connection becomes older than `max`; the jitter is one tenth.
    pub const fn new(max: Duration) -> Self {
        Self { max, jitter: 0.1 }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `max` is not a duration above zero, `jitter` is not a number from 0 to 1, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let max = options
            .duration("max")?
            .unwrap_or(Duration::from_secs(3600));
        options.ensure("max", !max.is_zero(), "a duration above zero")?;
        let jitter = options.number("jitter")?.unwrap_or(0.1);
        options.ensure(
            "jitter",
            (0.0..=1.0).contains(&jitter),
            "a number from 0 to 1",
        )?;
        Ok(Self { max, jitter })
    }

    /// By how much a connection's own limit may be shorter, as a fraction of `max`. Zero gives all the same limit.
    ///
    /// # Panics
    ///
    /// Unless `0 <= fraction <= 1`.
    #[must_use]
    pub fn jitter(mut self, fraction: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "jitter is a fraction from 0 to 1, not {fraction}"
        );
        self.jitter = fraction;
        self
    }
}

impl EvictionPolicy for Lifetime {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        if self.max == Duration::MAX {
            return Verdict::Keep;
        }
        let (age, max) = (cx.conn.age(cx.now), self.max.as_secs_f64());
        // Asked at every claim: most connections are too young for any cut, give or take the rounding.
        if age.as_secs_f64() + 0.001 < max * (1.0 - self.jitter) {
            return Verdict::Keep;
        }
        let cut = max * self.jitter * cx.conn.fraction(Self::NAME);
        // Rounding may make the cut of a huge `max` unrepresentable or larger than `max` itself.
        let cut = Duration::try_from_secs_f64(cut).unwrap_or(self.max);
        let limit = self.max.saturating_sub(cut);
        Verdict::evict_if(age >= limit, EvictReason::Lifetime)
    }
}

/// Evicts a connection that has been leased this often: with exactly this many leases and more, not fewer.
///
/// Zero evicts every connection; [`u64::MAX`] practically none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxUses(pub u64);

impl MaxUses {
    /// The name in configuration.
    pub const NAME: &'static str = "uses";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "max",
        "how many leases a connection may serve",
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

impl EvictionPolicy for MaxUses {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(cx.conn.uses >= self.0, EvictReason::Uses)
    }
}

/// Evicts a connection that has carried this many bytes of bodies, both ways: with exactly this many and more, not fewer.
///
/// Zero evicts every connection; [`u64::MAX`] practically none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxBytes(pub u64);

impl MaxBytes {
    /// The name in configuration.
    pub const NAME: &'static str = "bytes";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "max",
        "how many bytes of bodies a connection may carry, both ways together",
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

impl EvictionPolicy for MaxBytes {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(cx.conn.bytes >= self.0, EvictReason::Bytes)
    }
}

/// Evicts what a host has idle beyond this many connections, those that have been idle longest first.
///
/// Exactly this many stay. Zero lets none be idle; what is in use is never surplus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus(pub usize);

impl Surplus {
    /// The name in configuration.
    pub const NAME: &'static str = "surplus";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "max",
        "how many connections of one host may be idle",
        None,
    )];

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `max` is missing or not a whole number, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let max = options.number("max")?;
        max.map(Self).ok_or_else(|| OptionsError::missing("max"))
    }
}

impl EvictionPolicy for Surplus {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let surplus = cx.host.idle.saturating_sub(self.0);
        let evict = cx.idle_rank.is_some_and(|rank| rank < surplus);
        Verdict::evict_if(evict, EvictReason::Surplus)
    }
}
