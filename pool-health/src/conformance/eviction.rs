//! What every pool relies on in an eviction policy.

use std::time::{Duration, Instant};

use super::{Numbers, ROUNDS, any_instant, assert_named, earlier, judged, later};
use crate::{ConnStats, EndpointStats, EvictionContext, EvictionPolicy, HostStats, Verdict};

/// Checks that an eviction policy keeps its promises.
///
/// # Panics
///
/// If its name is empty, changes, or is no lower-case word; if it panics on some context, judges the same context differently the second
/// time, reads a clock instead of `now`, or evicts a connection that was opened this moment and never used.
pub fn eviction(policy: &dyn EvictionPolicy) {
    let name = assert_named("eviction policy", || policy.name());
    let who = format!("eviction policy {name:?}");
    let start = any_instant();

    assert_keeps_the_new(policy, &who, start);
    let mut numbers = Numbers(1);
    let cases: Vec<Case> = (0..ROUNDS)
        .map(|_| Case::any(&mut numbers, start))
        .collect();
    let first: Vec<Verdict> = cases.iter().map(|case| case.judge(policy, &who)).collect();
    // Backwards, so that what a policy remembers of the calls before is something else this time.
    for (case, &first) in cases.iter().zip(&first).rev() {
        for _ in 0..2 {
            let again = case.judge(policy, &who);
            assert!(
                first == again,
                "{who} is not pure: {:?} was judged {first:?} first and {again:?} later",
                case.context()
            );
        }
    }
    for (case, &verdict) in cases.iter().zip(&first) {
        let moved = case.days_earlier(30).judge(policy, &who);
        assert!(
            verdict == moved,
            "{who} reads a clock of its own: {:?} is judged {verdict:?}, and {moved:?} if all of it happened 30 days earlier",
            case.context()
        );
    }
}

fn assert_keeps_the_new(policy: &dyn EvictionPolicy, who: &str, start: Instant) {
    for born in [start, earlier(start, DAY * 30)] {
        let conn = ConnStats::new(born);
        let cx = EvictionContext::new(&conn, born);
        let verdict = judged(who, &cx, || policy.judge(&cx));
        assert!(
            verdict == Verdict::Keep,
            "{who} evicts a connection that is new and unused: the pool would open and close for ever"
        );
    }
}

/// A context that owns what it shows.
#[derive(Debug, Clone)]
struct Case {
    conn: ConnStats,
    now: Instant,
    endpoint: EndpointStats,
    host: HostStats,
    idle_rank: Option<usize>,
}

impl Case {
    fn any(numbers: &mut Numbers, start: Instant) -> Self {
        let created = start;
        let last_used = later(created, numbers.span());
        // Now and then before everything else: clocks of different cores disagree.
        let now = if numbers.next().is_multiple_of(8) {
            earlier(created, numbers.span())
        } else {
            later(created, numbers.span())
        };
        let mut conn = ConnStats::new(created);
        conn.last_used = last_used;
        conn.idle_since = numbers.pick(&[None, Some(created), Some(last_used)]);
        conn.uses = numbers.counter();
        conn.in_flight = numbers.counter32();
        conn.errors = numbers.counter32();
        conn.consecutive_errors = numbers.counter32();
        conn.bytes = numbers.counter();
        conn.multiplexed = numbers.pick(&[false, true]);
        conn.seed = numbers.next();
        conn.certificate_ends = numbers.pick(&[None, Some(created), Some(later(now, DAY))]);

        let mut endpoint = EndpointStats::new();
        endpoint.consecutive_failures = numbers.counter32();
        endpoint.consecutive_local = numbers.counter32();
        endpoint.consecutive_remote = numbers.counter32();
        endpoint.successes = numbers.counter();
        endpoint.failures = numbers.counter();
        endpoint.ejections = numbers.counter32();
        endpoint.last_status = numbers.pick(&[None, Some(0), Some(200), Some(503), Some(u16::MAX)]);

        let rank = numbers.count();
        let mut host = HostStats::new(numbers.count(), numbers.count(), numbers.count());
        host.idle_limit = numbers.pick(&[None, Some(Duration::from_secs(5))]);
        Self {
            conn,
            now,
            endpoint,
            host,
            idle_rank: numbers.pick(&[None, Some(0), Some(rank)]),
        }
    }

    /// The same, in the past. Where the clock's range ends before that, the same.
    fn days_earlier(&self, days: u32) -> Self {
        let span = DAY * days;
        let moved = (
            self.now.checked_sub(span),
            self.conn.created.checked_sub(span),
            self.conn.last_used.checked_sub(span),
            self.conn.idle_since.map(|since| since.checked_sub(span)),
            self.conn
                .certificate_ends
                .map(|ends| ends.checked_sub(span)),
        );
        let mut case = self.clone();
        if let (
            Some(now),
            Some(created),
            Some(last_used),
            None | Some(Some(_)),
            None | Some(Some(_)),
        ) = moved
        {
            case.now = now;
            case.conn.created = created;
            case.conn.last_used = last_used;
            case.conn.idle_since = moved.3.flatten();
            case.conn.certificate_ends = moved.4.flatten();
        }
        case
    }

    fn context(&self) -> EvictionContext<'_> {
        EvictionContext::new(&self.conn, self.now)
            .endpoint(&self.endpoint)
            .host(&self.host)
            .idle_rank(self.idle_rank)
    }

    fn judge(&self, policy: &dyn EvictionPolicy, who: &str) -> Verdict {
        let cx = self.context();
        judged(who, &cx, || policy.judge(&cx))
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{
        CertificateEnd, ErrorCount, ErrorRate, EvictReason, IdleTimeout, Lifetime, MaxBytes,
        MaxErrors, MaxUses, NeverEvict, PeerIdle, Surplus,
    };

    /// A policy made of a function, so that each lie below is one line.
    struct Liar<F>(&'static str, F);

    impl<F> fmt::Debug for Liar<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl<F: Fn(&EvictionContext<'_>) -> bool + Send + Sync> EvictionPolicy for Liar<F> {
        fn name(&self) -> &'static str {
            self.0
        }

        fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
            Verdict::evict_if(self.1(cx), EvictReason::Policy(self.0))
        }
    }

    #[test]
    fn every_built_in_policy_conforms() {
        let minute = Duration::from_secs(60);
        eviction(&NeverEvict);
        eviction(&IdleTimeout(minute));
        eviction(&IdleTimeout(Duration::MAX));
        eviction(&Lifetime::new(minute).jitter(1.0));
        eviction(&Lifetime::new(Duration::MAX).jitter(0.0));
        eviction(&Lifetime::new(Duration::MAX - Duration::from_nanos(1)).jitter(1.0));
        eviction(&MaxUses(1));
        eviction(&MaxErrors(u32::MAX));
        eviction(&MaxBytes(1));
        eviction(&ErrorCount(1));
        eviction(&ErrorRate::new(f64::MIN_POSITIVE).min_uses(1));
        eviction(&ErrorRate::new(1.0).min_uses(u64::MAX));
        eviction(&PeerIdle::default());
        eviction(&CertificateEnd::default());
        eviction(&CertificateEnd::new(Duration::MAX));
        eviction(&PeerIdle::new(Duration::MAX));
        eviction(&Surplus(0));
        eviction(&Surplus(0).min_idle(usize::MAX));
        eviction(&MaxUses(7).or(IdleTimeout(minute)).and(MaxErrors(1)));
    }

    #[test]
    #[should_panic(expected = "is not pure")]
    fn a_policy_that_counts_its_calls_is_found() {
        let calls = AtomicU64::new(0);
        eviction(&Liar("counts", move |_: &EvictionContext<'_>| {
            calls.fetch_add(1, Ordering::Relaxed) % 7 == 6
        }));
    }

    #[test]
    #[should_panic(expected = "is not pure")]
    fn a_policy_that_remembers_the_busiest_connection_is_found() {
        let most = AtomicU64::new(0);
        eviction(&Liar("remembers", move |cx: &EvictionContext<'_>| {
            most.fetch_max(cx.conn.uses, Ordering::Relaxed) > cx.conn.uses
        }));
    }

    #[test]
    #[should_panic(expected = "panics when it judges")]
    fn a_policy_that_trusts_the_clock_to_ascend_is_found() {
        eviction(&Liar("ascends", |cx: &EvictionContext<'_>| {
            let age = cx.now.checked_duration_since(cx.conn.created);
            age.expect("born before now") > DAY
        }));
    }

    #[test]
    #[should_panic(expected = "panics when it judges")]
    fn a_policy_that_overflows_on_huge_counters_is_found() {
        eviction(&Liar("overflows", |cx: &EvictionContext<'_>| {
            cx.conn.uses.checked_mul(2).expect("few uses") > 100
        }));
    }

    #[test]
    #[should_panic(expected = "reads a clock of its own")]
    fn a_policy_that_reads_the_wall_clock_is_found() {
        eviction(&Liar("wall-clock", |cx: &EvictionContext<'_>| {
            cx.conn.uses > 0 && cx.conn.created.elapsed() > DAY
        }));
    }

    #[test]
    #[should_panic(expected = "new and unused")]
    fn a_policy_that_evicts_the_newborn_is_found() {
        eviction(&Liar("newborn", |cx: &EvictionContext<'_>| {
            cx.conn.uses < 10
        }));
    }

    #[test]
    #[should_panic(expected = "a name is a lower-case word")]
    fn a_policy_without_a_name_is_found() {
        eviction(&Liar("", |_: &EvictionContext<'_>| false));
    }

    #[test]
    #[should_panic(expected = "changes its name")]
    fn a_policy_with_two_names_is_found() {
        #[derive(Debug)]
        struct TwoNames(AtomicU64);
        impl EvictionPolicy for TwoNames {
            fn name(&self) -> &'static str {
                ["one", "two"][self.0.fetch_add(1, Ordering::Relaxed) as usize % 2]
            }
            fn judge(&self, _: &EvictionContext<'_>) -> Verdict {
                Verdict::Keep
            }
        }
        eviction(&TwoNames(AtomicU64::new(0)));
    }
}
