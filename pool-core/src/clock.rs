//! The one place where this crate reads the clock.

use std::time::Instant;

/// The time now, by the clock of the runtime: paused time in a test is paused for the pool and its policies too.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
