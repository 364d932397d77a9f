//! The locks and the clock of the manager: std's, or loom's when a model is checked.

/// Numbers that only have to differ, and a driver that models replace whole: std's in both.
pub(crate) use std::sync::{Arc as StdArc, Weak as StdWeak, atomic::AtomicU64};

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

/// Locks. The time is when it began to wait, if the lock was not free.
#[cfg(not(pool_loom))]
#[inline]
pub(crate) fn lock_timed<T>(mutex: &Mutex<T>) -> (MutexGuard<'_, T>, Option<std::time::Instant>) {
    match mutex.try_lock() {
        Ok(guard) => (guard, None),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => (poisoned.into_inner(), None),
        Err(std::sync::TryLockError::WouldBlock) => {
            let began = now();
            (lock(mutex), Some(began))
        }
    }
}

#[cfg(pool_loom)]
pub(crate) fn lock_timed<T>(mutex: &Mutex<T>) -> (MutexGuard<'_, T>, Option<std::time::Instant>) {
    (lock(mutex), None)
}
