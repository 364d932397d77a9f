//! What the pool's tasks share: settings, plugins, the runtime they run on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::plugins::Plugins;
use crate::config::Config;
use crate::http::{HttpSettings, RetryBudget};
use crate::observe::Histogram;

#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) config: Config,
    pub(crate) plugins: Plugins,
    runtime: Mutex<Option<Handle>>,
    /// Told when a leased source address came back.
    pub(crate) source_freed: Arc<Notify>,
    /// Told when a socket's permit came back.
    pub(crate) permit_returned: Notify,
    /// `true` once the pool is closed.
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) retries: RetryBudget,
    pub(crate) acquire_wait: Histogram,
    pub(crate) connect_time: Histogram,
    pub(crate) handshake_time: Histogram,
}

impl Env {
    pub(crate) fn new(config: Config, plugins: Plugins) -> Self {
        Self {
            retries: RetryBudget::new(config.retry.budget_min),
            config,
            plugins,
            runtime: Mutex::new(None),
            source_freed: Arc::default(),
            permit_returned: Notify::new(),
            closing: watch::Sender::new(false),
            acquire_wait: Histogram::default(),
            connect_time: Histogram::default(),
            handshake_time: Histogram::default(),
        }
    }

    /// The runtime of dials, drivers and upkeep.
    pub(crate) fn runtime(&self) -> Option<Handle> {
        self.lock().clone()
    }

    /// Takes this runtime if there was none. Returns whether it did.
    pub(crate) fn settle(&self, on: impl FnOnce() -> Option<Handle>) -> Option<Handle> {
        let mut runtime = self.lock();
        if runtime.is_some() {
            return None;
        }
        *runtime = on();
        runtime.clone()
    }

    /// The runtime turned out to be gone: the next acquire from a live one settles there.
    pub(crate) fn unsettle(&self) {
        *self.lock() = None;
    }

    pub(crate) fn http_settings(&self) -> HttpSettings {
        let http2 = &self.config.http2;
        HttpSettings {
            ping_interval: finite(http2.ping_interval),
            ping_timeout: http2.ping_timeout,
            max_head_size: http2.header_list,
            stream_window: http2.stream_window,
            connection_window: http2.connection_window,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Handle>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `Duration::MAX` means never.
pub(crate) fn finite(duration: Duration) -> Option<Duration> {
    (duration != Duration::MAX && !duration.is_zero()).then_some(duration)
}
