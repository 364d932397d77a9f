//! What holds for any input.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pool_health::{
    CertificateEnd, Change, ConnStats, ConsecutiveFailures, EndpointStats, ErrorCount,
    EvictionContext, EvictionPolicy, HostEndpoints, HostStats, IdleTimeout, Lifetime, MaxBytes,
    MaxErrors, MaxUses, Options, Outcome, OutlierContext, OutlierPolicy, OutlierVerdict, PeerIdle,
    StatusSet, Surplus, Threshold, Tracker, Verdict,
};
use proptest::prelude::*;

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn any_instant() -> Instant {
    Instant::now()
}

fn verdict(policy: &dyn EvictionPolicy, seed: u64, age: Duration) -> Verdict {
    let mut conn = ConnStats::new(any_instant());
    conn.seed = seed;
    policy.judge(&EvictionContext::new(&conn, conn.created + age))
}

fn statuses() -> impl Strategy<Value = Vec<(u16, u16)>> {
    let range =
        (100_u16..=999, 0_u16..50).prop_map(|(first, more)| (first, (first + more).min(999)));
    prop::collection::vec(range, 1..8)
}

proptest! {
    #[test]
    fn a_lifetime_ends_between_its_bounds(seed: u64, secs in 1_u64..1_000_000, jitter in 0.0..=1.0_f64) {
        let max = Duration::from_secs(secs);
        let policy = Lifetime::new(max).jitter(jitter);
        prop_assert_ne!(verdict(&policy, seed, max), Verdict::Keep);
        // A microsecond for what an f64 cannot tell apart.
        let earliest = max.mul_f64(1.0 - jitter).saturating_sub(Duration::from_micros(1));
        if !earliest.is_zero() {
            prop_assert_eq!(verdict(&policy, seed, earliest - Duration::from_nanos(1)), Verdict::Keep);
        }
    }

    #[test]
    fn what_is_evicted_stays_evicted_as_time_goes_by(seed: u64, max in 1_u64..10_000, age in 0_u64..20_000, more in 0_u64..20_000) {
        let max = Duration::from_millis(max);
        let lifetime = Lifetime::new(max).jitter(0.7);
        let idle = IdleTimeout(max);
        let policies: [&dyn EvictionPolicy; 2] = [&lifetime, &idle];
        for policy in policies {
            if verdict(policy, seed, Duration::from_millis(age)) != Verdict::Keep {
                prop_assert_ne!(verdict(policy, seed, Duration::from_millis(age + more)), Verdict::Keep);
            }
        }
    }

    #[test]
    fn limits_that_are_known_in_time_are_met_to_the_nanosecond(limit in 2_u64..1_000_000_000_000, before in 0_u64..1_000_000_000_000) {
        let (limit, before) = (Duration::from_nanos(limit), Duration::from_nanos(before));
        let nano = Duration::from_nanos(1);
        let mut conn = ConnStats::new(any_instant());
        let mut host = HostStats::new(1, 1, 0);
        conn.certificate_ends = Some(conn.created + before + limit);
        host.idle_limit = Some(limit);
        let idle_until = limit.saturating_sub(before).max(limit / 2);
        let policies: [(&dyn EvictionPolicy, Duration); 4] = [
            (&IdleTimeout(limit), limit),
            (&Lifetime::new(limit).jitter(0.0), limit),
            (&PeerIdle::new(before), idle_until),
            (&CertificateEnd::new(before), limit),
        ];
        for (policy, goes) in policies {
            let judge = |age| policy.judge(&EvictionContext::new(&conn, conn.created + age).host(&host));
            // An f64 tells the lengths of lifetimes apart to about a microsecond only.
            let short = if policy.name() == "lifetime" { Duration::from_micros(1).min(goes) } else { nano };
            prop_assert_ne!(judge(goes), Verdict::Keep, "{}", policy.name());
            prop_assert_ne!(judge(goes + before), Verdict::Keep, "{}", policy.name());
            if short < goes {
                prop_assert_eq!(judge(goes - short), Verdict::Keep, "{}", policy.name());
            }
        }
    }

    #[test]
    fn counts_are_met_exactly(max in 1_u64..=u64::from(u32::MAX), bytes: u64) {
        let count = u32::try_from(max).expect("a u32");
        let bytes = bytes.max(1);
        let with = |policy: &dyn EvictionPolicy, less: u64| {
            let mut conn = ConnStats::new(any_instant());
            conn.uses = max - less;
            conn.errors = count - less as u32;
            conn.consecutive_errors = count - less as u32;
            conn.bytes = bytes - less;
            policy.judge(&EvictionContext::new(&conn, conn.created)) != Verdict::Keep
        };
        let policies: [&dyn EvictionPolicy; 4] = [&MaxUses(max), &MaxBytes(bytes), &MaxErrors(count), &ErrorCount(count)];
        for policy in policies {
            prop_assert!(with(policy, 0) && !with(policy, 1), "{}", policy.name());
        }
    }

    #[test]
    fn failures_eject_from_exactly_the_threshold_on_and_for_a_time_within_bounds(threshold in 1_u32..1_000, run in 0_u32..2_000, ejections in 0_u32..100, base in 1_u64..1_000, more in 0_u64..1_000_000, total in 1_usize..50, ejected in 0_usize..60) {
        let now = any_instant();
        let (base, max) = (Duration::from_secs(base), Duration::from_secs(base + more));
        let policy = ConsecutiveFailures::new(threshold).durations(base, max);
        let mut endpoint = EndpointStats::new();
        endpoint.consecutive_failures = run;
        endpoint.ejections = ejections;
        let host = HostEndpoints::new(total, ejected);
        let verdict = policy.judge(&OutlierContext::new(Outcome::Reset, &endpoint, &host, now));
        match verdict {
            OutlierVerdict::Eject { duration, .. } => {
                prop_assert!(run >= threshold && !host.is_last());
                let doubled = base.as_secs_f64() * 2_f64.powi(ejections as i32);
                prop_assert_eq!(duration, Duration::try_from_secs_f64(doubled).unwrap_or(max).min(max));
            }
            OutlierVerdict::Keep => prop_assert!(run < threshold || host.is_last()),
        }
    }

    #[test]
    fn no_more_than_the_share_goes_whoever_fails(total in 1_usize..200, percent in 1_u32..=100, failing in prop::collection::vec(any::<prop::sample::Index>(), 0..400)) {
        let share = f64::from(percent) / 100.0;
        let policy = ConsecutiveFailures::new(1).at_most(share);
        let mut endpoint = EndpointStats::new();
        endpoint.consecutive_failures = 1;
        let mut out = BTreeSet::new();
        for at in failing {
            let at = at.index(total);
            let host = HostEndpoints::new(total, out.len());
            let cx = OutlierContext::new(Outcome::Reset, &endpoint, &host, any_instant());
            if !out.contains(&at) && policy.judge(&cx) != OutlierVerdict::Keep {
                out.insert(at);
            }
        }
        let most = (total * percent as usize / 100).max(1).min(total - 1);
        prop_assert!(out.len() <= most, "{} of {total} at {percent} %", out.len());
    }

    #[test]
    fn no_duration_and_no_seed_makes_a_policy_panic(seed: u64, secs: u64, nanos in 0_u32..1_000_000_000, jitter in 0.0..=1.0_f64, age in 0_u64..1_000_000) {
        let max = Duration::new(secs, nanos);
        let age = Duration::from_secs(age);
        let _ = verdict(&Lifetime::new(max).jitter(jitter), seed, age);
        let _ = verdict(&IdleTimeout(max), seed, age);
    }

    #[test]
    fn a_status_set_holds_what_was_written_and_nothing_else(ranges in statuses()) {
        let text: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let set: StatusSet = text.join(", ").parse().unwrap();
        let expected: BTreeSet<u16> = ranges.iter().flat_map(|&(first, last)| first..=last).collect();
        let held: BTreeSet<u16> = (0..=u16::MAX).filter(|&status| set.contains(status)).collect();
        prop_assert_eq!(held, expected);
        prop_assert_eq!(set.to_string().parse::<StatusSet>().unwrap(), set);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".*") {
        let _ = text.parse::<StatusSet>();
        let options = Options::new().set("key", text.clone()).set(text, "value");
        let _ = (options.duration("key"), options.number::<u32>("key"), options.finish(&["key", "other*"]));
    }

    #[test]
    fn durations_written_out_are_read_back(h in 0_u64..100, m in 0_u64..100, s in 0_u64..100, ms in 0_u64..5_000) {
        let options = Options::from([("after", format!("{h}h{m}m{s}s{ms}ms"))]);
        let expected = Duration::from_millis(((h * 60 + m) * 60 + s) * 1_000 + ms);
        prop_assert_eq!(options.duration("after").unwrap(), Some(expected));
    }

    #[test]
    fn a_tracker_agrees_with_looking_back(rise in 1_u32..5, fall in 1_u32..5, results in prop::collection::vec(any::<bool>(), 0..60)) {
        let mut tracker = Tracker::up(Threshold::new(rise, fall));
        let mut up = true;
        for end in 1..=results.len() {
            let seen = &results[..end];
            let run = |ok: bool| seen.iter().rev().take_while(|&&result| result == ok).count() as u32;
            let change = match up {
                true if run(false) >= fall => Some(Change::Down),
                false if run(true) >= rise => Some(Change::Up),
                _ => None,
            };
            prop_assert_eq!(tracker.observe(seen[end - 1]), change);
            up = change.map_or(up, |change| change == Change::Up);
            prop_assert_eq!(tracker.is_up(), up);
        }
    }

    #[test]
    fn a_floor_never_fights_who_keeps_it(floor in 1_usize..5, after in 1_u64..10, burst in 0_usize..20, steps in prop::collection::vec((0_usize..20, 1_u64..30), 1..40)) {
        // A host is warmed to the floor, bursts of requests open more, and a reaper takes what is idle too long or too many.
        let policy = IdleTimeout(Duration::from_secs(after)).or(Surplus(7)).min_idle(floor);
        let mut now = any_instant();
        let mut idle_since = vec![now; floor.max(burst)];
        for (busy, secs) in steps {
            // The ones used last serve again; what is missing is opened by the requests themselves.
            idle_since.sort();
            let kept = idle_since.len().saturating_sub(busy);
            idle_since.truncate(kept);
            now += Duration::from_secs(secs);
            idle_since.resize(kept + busy, now);
            now += Duration::from_secs(secs);
            let host = HostStats::new(idle_since.len(), idle_since.len(), 0);
            let mut rank = 0;
            idle_since.retain(|&since| {
                let mut conn = ConnStats::new(since);
                conn.idle_since = Some(since);
                let cx = EvictionContext::new(&conn, now).host(&host).idle_rank(Some(rank));
                rank += 1;
                policy.judge(&cx) == Verdict::Keep
            });
            prop_assert!(idle_since.len() >= floor, "the warmer would have to open {} again", floor - idle_since.len());
        }
    }

    #[test]
    fn a_threshold_never_flaps(rise in 1_u32..6, fall in 1_u32..6, up: bool, results in prop::collection::vec(any::<bool>(), 0..200)) {
        let threshold = Threshold::new(rise, fall);
        let mut tracker = if up { Tracker::up(threshold) } else { Tracker::down(threshold) };
        let mut since_change = 0;
        let mut last = None;
        for &ok in &results {
            since_change += 1;
            if let Some(change) = tracker.observe(ok) {
                let needed = if change == Change::Up { rise } else { fall };
                prop_assert!(since_change >= needed, "{:?} after {}", change, since_change);
                prop_assert_ne!(Some(change), last, "the same change twice");
                (since_change, last) = (0, Some(change));
            }
        }
        // Where it takes two to change, taking turns changes nothing any more.
        if rise > 1 && fall > 1 {
            tracker.observe(tracker.is_up());
            for turn in 0..50 {
                prop_assert_eq!(tracker.observe(turn % 2 == 0), None);
            }
        }
    }
}
