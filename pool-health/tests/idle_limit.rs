//! What is learned about a server's own idle timeout, and what takes it back.

use std::time::{Duration, Instant};

use pool_health::IdleLimit;
use proptest::prelude::*;

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn any_instant() -> Instant {
    Instant::now()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn learned(closings: &[u64]) -> Option<Duration> {
    let now = any_instant();
    let mut limit = IdleLimit::new();
    for &millis in closings {
        limit.closed(ms(millis), now);
    }
    limit.limit(now)
}

#[test]
fn three_closings_alike_are_a_limit_and_the_shortest_counts() {
    for (closings, limit) in [
        (&[][..], None),
        (&[2_000, 2_000], None),
        (&[2_010, 2_000, 2_005], Some(2_000)),
        // An eighth of the shortest, exactly, and a bit more.
        (&[8_000, 8_500, 9_000], Some(8_000)),
        (&[8_000, 8_500, 9_001], None),
        // A quarter of a second for short ones.
        (&[1_000, 1_100, 1_250], Some(1_000)),
        (&[1_000, 1_100, 1_251], None),
        // The end of a response is no limit.
        (&[249, 249, 249], None),
        (&[250, 250, 250], Some(250)),
        // Other reasons than a timeout: three of six are half.
        (&[5_000, 90_000, 5_000, 40_000, 5_000, 20_000], Some(5_000)),
        (&[5_000, 90_000, 5_000, 40_000, 5_000, 20_000, 30_000], None),
        // The last eight count.
        (
            &[
                500, 500, 500, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000,
            ],
            Some(9_000),
        ),
    ] {
        assert_eq!(learned(closings), limit.map(ms), "{closings:?}");
    }
}

#[test]
fn a_survivor_refutes_what_is_notably_shorter_and_nothing_else() {
    let now = any_instant();
    let mut limit = IdleLimit::new();
    for _ in 0..3 {
        limit.closed(ms(8_000), now);
    }
    limit.survived(ms(9_000));
    assert_eq!(limit.limit(now), Some(ms(8_000)), "within the spread");
    limit.survived(ms(9_001));
    assert_eq!(limit.limit(now), None);
    for _ in 0..3 {
        limit.closed(ms(12_000), now);
    }
    assert_eq!(limit.limit(now), Some(ms(12_000)), "it learns again");
}

#[test]
fn what_the_server_says_counts_until_it_lives_longer() {
    let now = any_instant();
    let mut limit = IdleLimit::new();
    limit.said(Duration::ZERO, now);
    assert_eq!(limit.limit(now), None);
    limit.said(ms(5_000), now);
    assert_eq!(limit.limit(now), Some(ms(5_000)));
    for _ in 0..3 {
        limit.closed(ms(2_000), now);
    }
    assert_eq!(limit.limit(now), Some(ms(2_000)), "what it does is shorter");
    limit.survived(ms(6_000));
    assert_eq!(limit.limit(now), None);
}

#[test]
fn what_was_learned_is_forgotten_after_an_hour_without_news() {
    let now = any_instant();
    let hour = Duration::from_secs(3600);
    let mut limit = IdleLimit::new();
    for _ in 0..3 {
        limit.closed(ms(2_000), now);
    }
    assert_eq!(
        limit.limit(now + hour - Duration::from_nanos(1)),
        Some(ms(2_000))
    );
    assert_eq!(limit.limit(now + hour), None);
    limit.closed(ms(2_000), now + hour);
    assert_eq!(
        limit.limit(now + hour),
        None,
        "the old ones do not count with it"
    );
}

proptest! {
    #[test]
    fn a_server_with_a_timeout_is_learned_from_three_closings_and_never_unlearned(timeout in 300_u64..600_000, late in prop::collection::vec(0_u64..30, 3..30), alive in prop::collection::vec(0.0..1.0_f64, 30)) {
        let now = any_instant();
        let mut limit = IdleLimit::new();
        for (n, (&late, &alive)) in late.iter().zip(&alive).enumerate() {
            limit.closed(ms(timeout + late), now);
            limit.survived(ms(timeout).mul_f64(alive));
            let known = limit.limit(now);
            prop_assert_eq!(known.is_some(), n >= 2);
            prop_assert!(known.is_none_or(|known| (ms(timeout)..ms(timeout + 30)).contains(&known)));
        }
    }

    #[test]
    fn no_history_makes_it_panic_and_a_limit_is_always_something_seen(history in prop::collection::vec((0..3_u8, any::<u64>(), 0..10_000_u64), 0..60)) {
        let start = any_instant();
        let mut limit = IdleLimit::new();
        let mut seen = Vec::new();
        for (what, idle, secs) in history {
            let now = start + Duration::from_secs(secs);
            let idle = ms(idle >> (idle % 64));
            match what {
                0 => limit.closed(idle, now),
                1 => limit.said(idle, now),
                _ => limit.survived(idle),
            }
            seen.push(idle);
            prop_assert!(limit.limit(now).is_none_or(|known| seen.contains(&known)));
        }
    }
}
