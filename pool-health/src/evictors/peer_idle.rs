//! Before the server closes what has been idle for too long, we do.

use std::time::Duration;

use crate::{
    EvictReason, EvictionContext, EvictionPolicy, OptionDoc, Options, OptionsError, Verdict,
};

/// Evicts an idle connection shortly before its server would close it, where the pool knows when that is.
///
/// A request that meets the server's close half-way is lost, or at least sent again. The time comes from
/// [`HostStats::idle_limit`](crate::HostStats::idle_limit), which an [`IdleLimit`](crate::IdleLimit) learns from what the server did before; while
/// that is `None` nothing is evicted. A connection goes at exactly `margin` before the limit and after, or at half of a
/// limit that is less than two margins long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerIdle {
    margin: Duration,
}

impl PeerIdle {
    /// The name in configuration.
    pub const NAME: &'static str = "peer-idle";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "margin",
        "how long before the server's own limit, as far as it is known, an idle connection goes",
        Some("500ms"),
    )];

    /// Evicts `margin` before the server does: longer than a request takes to get there.
    pub const fn new(margin: Duration) -> Self {
        Self { margin }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `margin` is not a duration, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let margin = options.duration("margin")?;
        Ok(margin.map_or_else(Self::default, Self::new))
    }
}

impl Default for PeerIdle {
    /// Half a second: a round trip around the world, and some time for both sides to wake up.
    fn default() -> Self {
        Self::new(Duration::from_millis(500))
    }
}

impl EvictionPolicy for PeerIdle {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let (Some(idle), Some(limit)) = (cx.conn.idle(cx.now), cx.host.idle_limit) else {
            return Verdict::Keep;
        };
        let before = limit.saturating_sub(self.margin).max(limit / 2);
        // A limit of zero would be that of a server that keeps nothing; there is nothing to gain.
        Verdict::evict_if(!before.is_zero() && idle >= before, EvictReason::PeerIdle)
    }
}
