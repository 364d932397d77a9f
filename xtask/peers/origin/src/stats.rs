//! What the server has seen.

use std::sync::atomic::{AtomicU64, Ordering};

use rustls::HandshakeKind;
use serde_json::{Value, json};

/// Connections since the start.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    accepted: AtomicU64,
    resumed: AtomicU64,
}

impl Stats {
    /// A handshake is done.
    pub(crate) fn accepted(&self, kind: Option<HandshakeKind>) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if kind == Some(HandshakeKind::Resumed) {
            self.resumed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "accepted": self.accepted.load(Ordering::Relaxed),
            "resumed": self.resumed.load(Ordering::Relaxed),
        })
    }
}
