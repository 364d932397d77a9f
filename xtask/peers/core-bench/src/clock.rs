//! The clocks that times are taken with.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// The time now.
#[expect(clippy::disallowed_methods, reason = "a benchmark is about real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What this thread has used of a processor so far: what others on the machine do meanwhile is not in it.
pub(crate) fn thread_cpu() -> Duration {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    Duration::from(spent.expect("a thread can read its own processor clock"))
}
