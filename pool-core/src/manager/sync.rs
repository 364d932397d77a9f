//! The locks and the clock of the manager: std's, or loom's when a model is checked.

/// Numbers that only have to differ, and a driver that models replace whole: std's in both.
pub(crate) use std::sync::{Arc as StdArc, atomic::AtomicU64};

#[cfg(not(pool_loom))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[cfg(pool_loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[cfg(not(pool_loom))]
pub(crate) use crate::clock::now;

/// In a model time stands still: what is checked is the order of events.
#[cfg(pool_loom)]
pub(crate) fn now() -> std::time::Instant {
    static NOW: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "read once, only in models")]
    *NOW.get_or_init(std::time::Instant::now)
}

/// Locks; a panic under an earlier lock does not spread, because no plugin runs under one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Locks, and reports how long that took if the lock was not free.
#[cfg(not(pool_loom))]
pub(crate) fn lock_timed<'a, T>(
    mutex: &'a Mutex<T>,
    waits: &crate::observe::Histogram,
) -> MutexGuard<'a, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => {
            let started = now();
            let guard = lock(mutex);
            waits.record(now().saturating_duration_since(started));
            guard
        }
    }
}

#[cfg(pool_loom)]
pub(crate) fn lock_timed<'a, T>(
    mutex: &'a Mutex<T>,
    _: &crate::observe::Histogram,
) -> MutexGuard<'a, T> {
    lock(mutex)
}
