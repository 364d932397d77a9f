//! Where exactly each eviction policy draws its line.

use std::time::{Duration, Instant};

use pool_health::{
    ConnStats, EvictReason, EvictionContext, EvictionPolicy, HostStats, IdleTimeout, Lifetime,
    MaxErrors, MaxUses, NeverEvict, Surplus, Verdict,
};

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn any_instant() -> Instant {
    Instant::now()
}

/// The verdict on a connection that `arrange` has had its hands on, `after` its birth.
fn judge(
    policy: &dyn EvictionPolicy,
    after: Duration,
    arrange: impl FnOnce(&mut ConnStats),
) -> Verdict {
    let mut conn = ConnStats::new(any_instant());
    arrange(&mut conn);
    policy.judge(&EvictionContext::new(&conn, conn.created + after))
}

const MINUTE: Duration = Duration::from_secs(60);
const NANO: Duration = Duration::from_nanos(1);

#[test]
fn never_evict_keeps_the_oldest_most_used_and_most_broken() {
    let verdict = judge(&NeverEvict, MINUTE * 1_000_000, |conn| {
        conn.uses = u64::MAX;
        conn.consecutive_errors = u32::MAX;
    });
    assert_eq!(verdict, Verdict::Keep);
}

#[test]
fn idle_goes_at_exactly_the_timeout() {
    let policy = IdleTimeout(MINUTE);
    let idle = Verdict::Evict(EvictReason::Idle);
    assert_eq!(judge(&policy, MINUTE - NANO, |_| ()), Verdict::Keep);
    assert_eq!(judge(&policy, MINUTE, |_| ()), idle);
}

#[test]
fn idle_is_counted_from_the_last_return_and_never_while_in_use() {
    let policy = IdleTimeout(MINUTE);
    let returned = judge(&policy, MINUTE * 10, |conn| {
        conn.idle_since = Some(conn.created + MINUTE * 10 - NANO);
    });
    assert_eq!(returned, Verdict::Keep);
    let in_use = judge(&policy, MINUTE * 10, |conn| conn.idle_since = None);
    assert_eq!(in_use, Verdict::Keep);
}

#[test]
fn a_lifetime_without_jitter_ends_at_exactly_its_maximum() {
    let policy = Lifetime::new(MINUTE).jitter(0.0);
    let old = Verdict::Evict(EvictReason::Lifetime);
    assert_eq!(judge(&policy, MINUTE - NANO, |_| ()), Verdict::Keep);
    assert_eq!(judge(&policy, MINUTE, |conn| conn.idle_since = None), old);
}

#[test]
fn a_thousand_connections_born_together_do_not_die_together() {
    let policy = Lifetime::new(MINUTE).jitter(0.5);
    let dead_after = |after: Duration| {
        (0..1_000)
            .filter(|&seed| {
                judge(&policy, after, |conn| conn.seed = seed)
                    == Verdict::Evict(EvictReason::Lifetime)
            })
            .count()
    };
    assert_eq!(dead_after(MINUTE / 2 - NANO), 0, "none before the earliest");
    assert_eq!(dead_after(MINUTE), 1_000, "none after the latest");
    let mut before = 0;
    for tenth in 1..=10 {
        let dead = dead_after(MINUTE / 2 + MINUTE / 20 * tenth);
        // 100 are expected in each tenth; a hundred and fifty would be five standard deviations off.
        let died = dead - before;
        assert!((50..150).contains(&died), "{died} died in tenth {tenth}");
        before = dead;
    }
}

#[test]
fn a_duration_without_end_never_evicts() {
    let century = MINUTE * 60 * 24 * 36_525;
    for seed in 0..100 {
        let lifetime = Lifetime::new(Duration::MAX).jitter(1.0);
        let verdict = judge(&lifetime, century, |conn| conn.seed = seed);
        assert_eq!(verdict, Verdict::Keep);
    }
    let idle = IdleTimeout(Duration::MAX);
    assert_eq!(judge(&idle, century, |_| ()), Verdict::Keep);
}

#[test]
fn a_connection_from_the_future_is_kept() {
    let now = any_instant();
    let conn = ConnStats::new(now + MINUTE * 60);
    let cx = EvictionContext::new(&conn, now);
    assert_eq!(IdleTimeout(NANO).judge(&cx), Verdict::Keep);
    assert_eq!(Lifetime::new(NANO).jitter(0.0).judge(&cx), Verdict::Keep);
}

#[test]
#[should_panic(expected = "a fraction from 0 to 1")]
fn a_jitter_that_is_no_number_is_refused() {
    let _ = Lifetime::new(MINUTE).jitter(f64::NAN);
}

#[test]
fn uses_go_at_exactly_the_maximum() {
    let policy = MaxUses(7);
    let uses = |uses| judge(&policy, Duration::ZERO, |conn| conn.uses = uses);
    assert_eq!(uses(6), Verdict::Keep);
    assert_eq!(uses(7), Verdict::Evict(EvictReason::Uses));
    assert_eq!(uses(u64::MAX), Verdict::Evict(EvictReason::Uses));
}

#[test]
fn only_errors_in_a_row_count() {
    let policy = MaxErrors(3);
    let errors = |total, in_a_row| {
        judge(&policy, Duration::ZERO, |conn| {
            conn.errors = total;
            conn.consecutive_errors = in_a_row;
        })
    };
    assert_eq!(errors(1_000, 2), Verdict::Keep);
    assert_eq!(errors(3, 3), Verdict::Evict(EvictReason::Errors));
}

#[test]
fn surplus_takes_the_longest_idle_and_leaves_exactly_the_maximum() {
    let conn = ConnStats::new(any_instant());
    let host = HostStats::new(9, 5, 0);
    let evicted = |max: usize| -> Vec<usize> {
        let judge = |rank| {
            let cx = EvictionContext::new(&conn, conn.created).host(&host);
            Surplus(max).judge(&cx.idle_rank(Some(rank)))
        };
        let surplus = Verdict::Evict(EvictReason::Surplus);
        (0..5).filter(|&rank| judge(rank) == surplus).collect()
    };
    assert_eq!(evicted(3), [0, 1]);
    assert_eq!(evicted(0), [0, 1, 2, 3, 4]);
    assert!(evicted(5).is_empty() && evicted(usize::MAX).is_empty());
}

#[test]
fn what_is_in_use_is_never_surplus() {
    let conn = ConnStats::new(any_instant());
    let host = HostStats::new(9, 5, 0);
    let cx = EvictionContext::new(&conn, conn.created).host(&host);
    assert_eq!(Surplus(0).judge(&cx), Verdict::Keep);
}
