//! Two policies as one.

use crate::{
    EvictionContext, EvictionPolicy, OutlierContext, OutlierPolicy, OutlierVerdict, Verdict,
};

/// Acts if either policy would: made by [`EvictionPolicy::or`] and [`OutlierPolicy::or`].
///
/// Of two evictions the first policy's reason is given; of two ejections the longer one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Or<A, B> {
    first: A,
    second: B,
}

impl<A, B> Or<A, B> {
    pub(crate) const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: EvictionPolicy, B: EvictionPolicy> EvictionPolicy for Or<A, B> {
    fn name(&self) -> &'static str {
        "or"
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        match self.first.judge(cx) {
            Verdict::Keep => self.second.judge(cx),
            evict => evict,
        }
    }
}

impl<A: OutlierPolicy, B: OutlierPolicy> OutlierPolicy for Or<A, B> {
    fn name(&self) -> &'static str {
        "or"
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        let (first, second) = (self.first.judge(cx), self.second.judge(cx));
        if second.duration() > first.duration() {
            second
        } else {
            first
        }
    }

    fn failures_only(&self) -> bool {
        self.first.failures_only() && self.second.failures_only()
    }
}

/// Evicts only if both policies would: made by [`EvictionPolicy::and`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct And<A, B> {
    first: A,
    second: B,
}

impl<A, B> And<A, B> {
    pub(crate) const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: EvictionPolicy, B: EvictionPolicy> EvictionPolicy for And<A, B> {
    fn name(&self) -> &'static str {
        "and"
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        match self.second.judge(cx) {
            Verdict::Keep => Verdict::Keep,
            Verdict::Evict(_) => self.first.judge(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::conformance::any_instant;
    use crate::{
        ConnStats, EjectReason, EndpointStats, EvictReason, EvictionContext, EvictionPolicy,
        HostEndpoints, IdleTimeout, MaxUses, NeverEject, NeverEvict, Outcome, OutlierContext,
        OutlierPolicy, OutlierVerdict, StatusEjection, StatusSet, Verdict,
    };

    fn conn(uses: u64) -> ConnStats {
        let mut conn = ConnStats::new(any_instant());
        conn.uses = uses;
        conn
    }

    #[test]
    fn or_gives_the_first_reason_that_applies() {
        let policy = MaxUses(5).or(IdleTimeout(Duration::from_secs(60)));
        let judge = |uses, idle| {
            let conn = conn(uses);
            policy.judge(&EvictionContext::new(
                &conn,
                conn.created + Duration::from_secs(idle),
            ))
        };
        assert_eq!(judge(0, 0), Verdict::Keep);
        assert_eq!(judge(0, 60), Verdict::Evict(EvictReason::Idle));
        assert_eq!(judge(5, 0), Verdict::Evict(EvictReason::Uses));
        assert_eq!(judge(5, 60), Verdict::Evict(EvictReason::Uses));
    }

    #[test]
    fn and_needs_both() {
        let policy = MaxUses(5).and(IdleTimeout(Duration::from_secs(60)));
        let judge = |uses, idle| {
            let conn = conn(uses);
            policy.judge(&EvictionContext::new(
                &conn,
                conn.created + Duration::from_secs(idle),
            ))
        };
        assert_eq!(judge(5, 0), Verdict::Keep);
        assert_eq!(judge(0, 60), Verdict::Keep);
        assert_eq!(judge(5, 60), Verdict::Evict(EvictReason::Uses));
    }

    #[test]
    fn shared_and_boxed_policies_combine() {
        let shared: Arc<dyn EvictionPolicy> = Arc::new(NeverEvict);
        let boxed: Box<dyn EvictionPolicy> = Box::new(MaxUses(1));
        let policy = shared.or(boxed);
        let conn = conn(1);
        assert_eq!(
            policy.judge(&EvictionContext::new(&conn, conn.created)),
            Verdict::Evict(EvictReason::Uses)
        );
    }

    #[test]
    fn the_longer_ejection_wins_in_either_order() {
        let short = StatusEjection::new(StatusSet::range(400, 499), Duration::from_secs(1));
        let long = StatusEjection::new(StatusSet::range(403, 403), Duration::from_secs(9));
        let stats = EndpointStats::new();
        let host = HostEndpoints::new(3, 0);
        let cx = OutlierContext::new(Outcome::Status(403), &stats, &host, any_instant());
        let expected = OutlierVerdict::Eject {
            duration: Duration::from_secs(9),
            reason: EjectReason::Status(403),
        };
        assert_eq!(short.clone().or(long.clone()).judge(&cx), expected);
        assert_eq!(long.or(NeverEject).or(short).judge(&cx), expected);
    }
}
