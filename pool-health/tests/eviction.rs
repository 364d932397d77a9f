//! Where exactly each eviction policy draws its line.

use std::time::{Duration, Instant};

use pool_health::{
    CertificateEnd, ConnStats, ErrorCount, ErrorRate, EvictReason, EvictionContext, EvictionPolicy,
    HostStats, IdleTimeout, Lifetime, MaxBytes, MaxErrors, MaxUses, NeverEvict, PeerIdle, Surplus,
    Verdict,
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

#[test]
fn bytes_go_at_exactly_the_maximum() {
    let bytes = |bytes| judge(&MaxBytes(1_000), Duration::ZERO, |conn| conn.bytes = bytes);
    assert_eq!(bytes(999), Verdict::Keep);
    assert_eq!(bytes(1_000), Verdict::Evict(EvictReason::Bytes));
    assert_eq!(bytes(u64::MAX), Verdict::Evict(EvictReason::Bytes));
}

#[test]
fn errors_in_all_count_whatever_went_well_between_them() {
    let errors = |total| {
        judge(&ErrorCount(3), Duration::ZERO, |conn| {
            conn.errors = total;
            conn.consecutive_errors = 0;
            conn.uses = 1_000;
        })
    };
    assert_eq!(errors(2), Verdict::Keep);
    assert_eq!(errors(3), Verdict::Evict(EvictReason::Errors));
}

#[test]
fn a_rate_of_errors_counts_what_has_ended_once_there_is_enough_of_it() {
    let policy = ErrorRate::new(0.25).min_uses(8);
    for (uses, in_flight, errors, goes) in [
        (7, 0, 7, false),
        (8, 0, 2, true),
        (8, 0, 1, false),
        (8, 1, 8, false),
        (12, 4, 2, true),
        (100, 0, 24, false),
        (100, 0, 25, true),
        (0, 0, u32::MAX, false),
        (1, u32::MAX, 1, false),
    ] {
        let verdict = judge(&policy, Duration::ZERO, |conn| {
            (conn.uses, conn.in_flight, conn.errors) = (uses, in_flight, errors);
        });
        let expected = Verdict::evict_if(goes, EvictReason::Errors);
        assert_eq!(
            verdict, expected,
            "{errors} of {uses}, {in_flight} under way"
        );
    }
}

#[test]
#[should_panic(expected = "a fraction above 0")]
fn a_rate_of_zero_is_refused() {
    let _ = ErrorRate::new(0.0);
}

#[test]
fn an_idle_connection_goes_a_margin_before_its_server_would_close_it() {
    let judge = |limit: Option<Duration>, idle: Duration| {
        let conn = ConnStats::new(any_instant());
        let mut host = HostStats::new(1, 1, 0);
        host.idle_limit = limit;
        let cx = EvictionContext::new(&conn, conn.created + idle).host(&host);
        PeerIdle::new(MINUTE / 60).judge(&cx)
    };
    let goes = Verdict::Evict(EvictReason::PeerIdle);
    let second = MINUTE / 60;
    for (limit, exactly) in [
        (10 * second, 9 * second),
        (2 * second, second),
        (second, second / 2),
        (NANO * 2, NANO),
    ] {
        assert_eq!(
            judge(Some(limit), exactly - NANO),
            Verdict::Keep,
            "{limit:?}"
        );
        assert_eq!(judge(Some(limit), exactly), goes, "{limit:?}");
    }
    assert_eq!(judge(None, MINUTE * 1_000), Verdict::Keep);
    assert_eq!(judge(Some(Duration::ZERO), MINUTE), Verdict::Keep);
    assert_eq!(judge(Some(Duration::MAX), MINUTE), Verdict::Keep);
}

#[test]
fn a_floor_of_idle_connections_keeps_the_ones_used_last_unless_they_are_old() {
    let conn = ConnStats::new(any_instant());
    let host = HostStats::new(9, 5, 0);
    let evicted = |policy: &dyn EvictionPolicy| -> Vec<usize> {
        let judge = |rank| {
            let cx = EvictionContext::new(&conn, conn.created + MINUTE).host(&host);
            policy.judge(&cx.idle_rank(Some(rank)))
        };
        (0..5)
            .filter(|&rank| judge(rank) != Verdict::Keep)
            .collect()
    };
    let idle = IdleTimeout(MINUTE);
    assert_eq!(evicted(&idle.min_idle(0)), [0, 1, 2, 3, 4]);
    assert_eq!(evicted(&idle.min_idle(2)), [0, 1, 2]);
    assert_eq!(evicted(&Surplus(1).min_idle(3)), [0, 1]);
    assert_eq!(evicted(&idle.min_idle(5)), []);
    assert_eq!(evicted(&idle.min_idle(usize::MAX)), []);
    let old = Lifetime::new(MINUTE).jitter(0.0);
    assert_eq!(evicted(&old.or(idle).min_idle(5)), [0, 1, 2, 3, 4]);
}

#[test]
fn a_connection_goes_at_exactly_its_time_before_the_end_of_the_certificate() {
    let goes = Verdict::Evict(EvictReason::Certificate);
    let policy = CertificateEnd::new(MINUTE);
    let hour = MINUTE * 60;
    let ends = |conn: &mut ConnStats| conn.certificate_ends = Some(conn.created + hour);
    for in_use in [false, true] {
        let judge = |after| {
            judge(&policy, after, |conn| {
                ends(conn);
                if in_use {
                    conn.idle_since = None;
                }
            })
        };
        assert_eq!(judge(hour - MINUTE - NANO), Verdict::Keep);
        assert_eq!(judge(hour - MINUTE), goes);
        assert_eq!(judge(hour * 2), goes);
    }
    let at_the_end = CertificateEnd::default();
    assert_eq!(judge(&at_the_end, hour - NANO, ends), Verdict::Keep);
    assert_eq!(judge(&at_the_end, hour, ends), goes);
    assert_eq!(judge(&policy, hour * 2, |_| ()), Verdict::Keep, "not known");
}

#[test]
fn a_connection_opened_just_before_the_end_of_the_certificate_stays_until_the_end() {
    let goes = Verdict::Evict(EvictReason::Certificate);
    let policy = CertificateEnd::new(MINUTE * 60);
    let ends = |conn: &mut ConnStats| conn.certificate_ends = Some(conn.created + MINUTE);
    assert_eq!(judge(&policy, Duration::ZERO, ends), Verdict::Keep);
    assert_eq!(judge(&policy, MINUTE - NANO, ends), Verdict::Keep);
    assert_eq!(judge(&policy, MINUTE, ends), goes);
}
