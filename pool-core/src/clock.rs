//! The one place where this crate reads the clock.

use std::time::{Duration, Instant, SystemTime};

/// The time now, by the clock of the runtime: paused time in a test is paused for the pool and its policies too.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// When the calendar will show this moment, as far as it can be said now; now if it has gone by, `None` if it is too far away to say.
pub(crate) fn when(moment: SystemTime) -> Option<Instant> {
    let left = moment.duration_since(SystemTime::now());
    now().checked_add(left.unwrap_or(Duration::ZERO))
}
