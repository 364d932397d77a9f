//! Tests for policies of one's own: each function asks what every pool relies on, and panics with what is wrong.
//!
//! ```
//! use pool_health::{IdleTimeout, conformance};
//! use std::time::Duration;
//!
//! conformance::eviction(&IdleTimeout(Duration::from_secs(60)));
//! ```
//!
//! They need no pool, socket or runtime, take some milliseconds and ask the same questions each time. Passing means that none of the known
//! lies was found, not that the policy is a good one.

mod access;
mod eviction;
mod health_check;
mod outlier;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub use self::access::access;
pub use self::eviction::eviction;
pub use self::health_check::health_check;
pub use self::outlier::outlier;

/// Any moment: what the tests' timelines begin with.
pub(crate) fn any_instant() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no other way to an Instant, and nothing depends on which one it is"
    )]
    Instant::now()
}

/// Asks for the name twice.
fn assert_named(kind: &str, name: impl Fn() -> &'static str) -> &'static str {
    let first = name();
    assert!(
        !first.is_empty() && !first.contains(|c: char| c.is_whitespace() || c.is_uppercase()),
        "{kind} {first:?}: a name is a lower-case word without blanks"
    );
    let second = name();
    assert!(
        first == second,
        "{kind} {first:?} changes its name: now it is {second:?}"
    );
    first
}

/// Judges, and says on what it panicked if it did.
fn judged<V>(who: &str, cx: &dyn Debug, judge: impl FnOnce() -> V) -> V {
    catch_unwind(AssertUnwindSafe(judge))
        .unwrap_or_else(|_| panic!("{who} panics when it judges {cx:?}"))
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        // Knuth's MMIX multiplier; the low bits of such a sequence repeat soon, so the high ones are taken.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 16
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() as usize % from.len()]
    }

    /// Small, large or the largest.
    fn counter(&mut self) -> u64 {
        let small = self.next() % 1_000;
        self.pick(&[
            0,
            1,
            2,
            small,
            small,
            u32::MAX as u64,
            u64::MAX - 1,
            u64::MAX,
        ])
    }

    fn counter32(&mut self) -> u32 {
        self.counter().try_into().unwrap_or(u32::MAX)
    }

    fn count(&mut self) -> usize {
        self.counter().try_into().unwrap_or(usize::MAX)
    }

    /// From nothing to a century.
    fn span(&mut self) -> Duration {
        let some = Duration::from_millis(self.next() % 7_200_000);
        self.pick(&[
            Duration::ZERO,
            Duration::from_nanos(1),
            some,
            some,
            Duration::from_secs(30 * 24 * 3600),
            Duration::from_secs(100 * 365 * 24 * 3600),
        ])
    }
}

/// Where a clock's range ends, the moment itself.
fn later(moment: Instant, span: Duration) -> Instant {
    moment.checked_add(span).unwrap_or(moment)
}

fn earlier(moment: Instant, span: Duration) -> Instant {
    moment.checked_sub(span).unwrap_or(moment)
}

const ROUNDS: usize = 2_000;
