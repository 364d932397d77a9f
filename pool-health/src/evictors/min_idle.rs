//! A floor under what is evicted for want of use.

use crate::{EvictReason, EvictionContext, EvictionPolicy, Verdict};

/// Keeps so many idle connections of a host from being evicted for want of use: made by [`EvictionPolicy::min_idle`].
///
/// Of a host's idle connections the ones used last stay, exactly as many as said, whatever the policy says for
/// [`EvictReason::Idle`] and [`EvictReason::Surplus`]. Other reasons are about the connection itself: one that is too old or broken
/// goes, and whoever keeps the host warm puts a new one in its place, once. Who keeps a host warm must not want more than this floor,
/// or connections are closed and opened in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinIdle<P> {
    policy: P,
    min: usize,
}

impl<P> MinIdle<P> {
    pub(crate) const fn new(policy: P, min: usize) -> Self {
        Self { policy, min }
    }
}

impl<P: EvictionPolicy> EvictionPolicy for MinIdle<P> {
    /// That of the policy: this is an option of it.
    fn name(&self) -> &'static str {
        self.policy.name()
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let verdict = self.policy.judge(cx);
        let for_want_of_use = matches!(
            verdict,
            Verdict::Evict(EvictReason::Idle | EvictReason::Surplus)
        );
        // Ranks count from the longest idle, so the last `min` of them are the floor. Without a rank there is no telling.
        let above = cx.host.idle.saturating_sub(self.min);
        let floor = self.min > 0 && cx.idle_rank.is_none_or(|rank| rank >= above);
        if for_want_of_use && floor {
            return Verdict::Keep;
        }
        verdict
    }
}
