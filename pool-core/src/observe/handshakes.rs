//! How many TLS handshakes there were, and how many were short.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of TLS handshakes.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    full: AtomicU64,
    resumed: AtomicU64,
}

impl Handshakes {
    /// Counts one that is complete.
    pub(crate) fn note(&self, resumed: bool) {
        let count = if resumed { &self.resumed } else { &self.full };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them, and those that resumed a session.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let resumed = self.resumed.load(Ordering::Relaxed);
        (self.full.load(Ordering::Relaxed) + resumed, resumed)
    }
}
