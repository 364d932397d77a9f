//! What a warm-up does while this machine has no file or no memory for one more socket: fewer dials at a time and a pause, and more again
//! as soon as some succeed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::debug;

/// How many dials there may be at a time: one less for each that met a shortage, one more for each that brought a connection.
#[derive(Debug)]
pub(super) struct Throttle {
    permits: Semaphore,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    /// Since when nothing but shortages was met.
    since: Option<Instant>,
}

/// The right to dial.
#[must_use]
pub(super) struct Turn<'a>(Option<SemaphorePermit<'a>>);

impl Throttle {
    /// At most so many at a time, and at least one.
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Semaphore::new(most),
            most,
            state: Mutex::new(State {
                allowed: most,
                since: None,
            }),
        }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // Never closed: an error cannot come, and would only mean that nobody counts.
        Turn(self.permits.acquire().await.ok())
    }

    /// A socket was there: one dial more at a time.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        state.since = None;
        if state.allowed < self.most {
            state.allowed += 1;
            self.permits.add_permits(1);
        }
    }

    /// There was none. Returns how long to wait before the next try, with the turn in hand: as long as the shortage has lasted, within
    /// bounds; `None` once it has lasted so long that nobody should wait for its end. The last turn is kept, so that nobody tries
    /// meanwhile.
    pub(super) fn ran_short(&self, turn: &mut Turn<'_>, now: Instant) -> Option<Duration> {
        const LEAST: Duration = Duration::from_millis(50);
        const MOST: Duration = Duration::from_secs(1);
        const PATIENCE: Duration = Duration::from_secs(10);
        let mut state = self.state();
        let lasted = now.saturating_duration_since(*state.since.get_or_insert(now));
        if lasted >= PATIENCE {
            return None;
        }
        if state.allowed > 1
            && let Some(permit) = turn.0.take()
        {
            state.allowed -= 1;
            permit.forget();
            debug!(at_a_time = state.allowed, "no file or memory for a socket");
        }
        Some(lasted.clamp(LEAST, MOST))
    }

    /// How many dials there may be at a time now.
    pub(super) fn allowed(&self) -> usize {
        self.state().allowed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn dials_at_a_time_sink_to_one_and_rise_to_the_most() {
        let throttle = Throttle::new(3);
        let now = crate::clock::now();
        for expected in [2, 1, 1] {
            let mut turn = throttle.turn().await;
            let pause = throttle.ran_short(&mut turn, now);
            assert_eq!(pause, Some(Duration::from_millis(50)));
            drop(turn);
            assert_eq!(throttle.allowed(), expected);
            assert_eq!(throttle.permits.available_permits(), expected);
        }
        for expected in [2, 3, 3] {
            throttle.succeeded();
            assert_eq!(throttle.allowed(), expected);
            assert_eq!(throttle.permits.available_permits(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_the_shortage_until_it_has_lasted_too_long() {
        let throttle = Throttle::new(1);
        let began = crate::clock::now();
        let mut pauses = Vec::new();
        let mut now = began;
        loop {
            let mut turn = throttle.turn().await;
            let Some(pause) = throttle.ran_short(&mut turn, now) else {
                break;
            };
            pauses.push(pause);
            now += pause;
        }
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&Duration::from_secs(1)));
        assert!(now - began >= Duration::from_secs(10));
        // The next success makes it patient again.
        throttle.succeeded();
        let mut turn = throttle.turn().await;
        assert!(throttle.ran_short(&mut turn, now).is_some());
    }
}
