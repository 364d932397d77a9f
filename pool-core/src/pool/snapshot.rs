//! The pool at one moment.

use std::sync::atomic::Ordering;

use super::Inner;
use crate::manager;
use crate::observe::{Distribution, SourcesSnapshot};

/// What there is now, and what has happened so far. Consistent for each host, summed over all.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Connections, leases, dials, waiters: in all and for each host.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub connections: manager::Snapshot,
    /// How long requests waited for a connection.
    pub acquire_wait: Distribution,
    /// How long TCP connects took.
    pub connect_time: Distribution,
    /// How long TLS handshakes took.
    pub handshake_time: Distribution,
    /// TLS handshakes completed.
    pub handshakes: u64,
    /// Of these, those that resumed an earlier session.
    pub handshakes_resumed: u64,
    /// Requests begun, those on an acquired lease included.
    pub requests: u64,
    /// Tries repeated out of the retry budget; those that the peer had not looked at cost nothing and are not counted.
    pub retries: u64,
    /// Tries that the retry budget forbade.
    pub retries_refused: u64,
    /// Connections and dials by local address.
    pub sources: SourcesSnapshot,
    /// Calls of plugins that panicked.
    pub plugin_panics: u64,
}

pub(super) fn take(inner: &Inner) -> PoolSnapshot {
    let env = &inner.env;
    let (handshakes, handshakes_resumed) = env.handshakes.counts();
    let (requests, retries, retries_refused) = env.retries.counts();
    PoolSnapshot {
        connections: inner.manager.snapshot(),
        acquire_wait: env.acquire_wait.snapshot(),
        connect_time: env.connect_time.snapshot(),
        handshake_time: env.handshake_time.snapshot(),
        handshakes,
        handshakes_resumed,
        requests,
        retries,
        retries_refused,
        sources: env.source_book.snapshot(),
        plugin_panics: env.plugins.panics.load(Ordering::Relaxed),
    }
}
