//! Noticing that the machine was suspended.
//!
//! The monotonic clock of Linux stands still while the machine sleeps, so that a connection looks as young after an hour's
//! sleep as before. Its peer, and everything between, have counted on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Compares two clocks, of which one counts on while the machine is suspended.
#[derive(Debug)]
pub(crate) struct SuspendWatch {
    /// How long the machine has been suspended since it started.
    asleep: fn() -> Duration,
    epoch: Instant,
    /// What `asleep` last said, in nanoseconds.
    seen: AtomicU64,
    /// When a suspension was last noticed, in nanoseconds since `epoch`, plus one; 0: never.
    noticed_at: AtomicU64,
    /// How long that one lasted, in nanoseconds.
    slept: AtomicU64,
}

/// Differences up to this are the time between two readings.
const NOISE: Duration = Duration::from_secs(1);

impl SuspendWatch {
    pub(crate) fn new(now: Instant) -> Self {
        Self::with(asleep, now)
    }

    fn with(asleep: fn() -> Duration, now: Instant) -> Self {
        Self {
            asleep,
            epoch: now,
            seen: AtomicU64::new(nanos(asleep())),
            noticed_at: AtomicU64::new(0),
            slept: AtomicU64::new(0),
        }
    }

    /// How much longer than the monotonic clock says it is since `then`: the length of the last suspension, if it was
    /// noticed after that. Reads both clocks, two calls without a change to the kernel.
    pub(crate) fn slept_since(&self, then: Instant, now: Instant) -> Duration {
        self.look(now);
        let Some(noticed_at) = self.noticed_at.load(Ordering::Acquire).checked_sub(1) else {
            return Duration::ZERO;
        };
        let since_epoch = nanos(then.saturating_duration_since(self.epoch));
        if since_epoch >= noticed_at {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.slept.load(Ordering::Relaxed))
    }

    fn look(&self, now: Instant) {
        let asleep = nanos((self.asleep)());
        let seen = self.seen.load(Ordering::Relaxed);
        let slept = asleep.saturating_sub(seen);
        if Duration::from_nanos(slept) <= NOISE {
            return;
        }
        // One of those who look at the same time notes it.
        let noted = self
            .seen
            .compare_exchange(seen, asleep, Ordering::Relaxed, Ordering::Relaxed);
        if noted.is_ok() {
            let at = nanos(now.saturating_duration_since(self.epoch)).saturating_add(1);
            self.slept.store(slept, Ordering::Relaxed);
            self.noticed_at.store(at, Ordering::Release);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn asleep() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    let read = |clock| clock_gettime(clock).map(Duration::from);
    let both = read(ClockId::CLOCK_MONOTONIC).and_then(|awake| {
        let all = read(ClockId::CLOCK_BOOTTIME)?;
        Ok(all.saturating_sub(awake))
    });
    // A kernel without that clock has nothing to tell.
    both.unwrap_or_default()
}

/// Elsewhere the monotonic clock is what there is.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn asleep() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static ASLEEP: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn suspend(time: Duration) {
        ASLEEP.set(ASLEEP.get() + time);
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_was_used_before_a_suspension_is_older_than_it_looks() {
        let start = crate::clock::now();
        let watch = SuspendWatch::with(|| ASLEEP.get(), start);
        let second = Duration::from_secs(1);
        let (before, after) = (start + second, start + 2 * second);
        assert_eq!(watch.slept_since(before, before), Duration::ZERO);

        suspend(HOUR);
        assert_eq!(watch.slept_since(before, after), HOUR);
        assert_eq!(
            watch.slept_since(after, after),
            Duration::ZERO,
            "used since"
        );
        assert_eq!(watch.slept_since(before, after + second), HOUR, "still");
    }

    #[test]
    fn the_time_between_two_readings_is_no_suspension() {
        let start = crate::clock::now();
        let watch = SuspendWatch::with(|| ASLEEP.get(), start);
        suspend(Duration::from_millis(900));
        let now = start + Duration::from_secs(1);
        assert_eq!(watch.slept_since(start, now), Duration::ZERO);
    }

    #[test]
    fn this_machine_tells() {
        let first = asleep();
        assert!(
            asleep().saturating_sub(first) < HOUR,
            "it stands while awake"
        );
    }
}
