//! The one place where simulated time is waited for.

use std::time::Duration;

use tokio::time::Instant;

/// Lets time pass: how long things take is part of the world, and no real time goes by.
pub(crate) async fn pass(time: Duration) {
    pass_until(Instant::now() + time).await;
}

/// Lets time pass until then.
pub(crate) async fn pass_until(then: Instant) {
    tokio::time::sleep_until(then).await; // fault: time itself, which is paused
}
