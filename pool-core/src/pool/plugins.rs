//! The plugins of one pool, and the fences around their calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pool_health::{
    EvictionContext, EvictionPolicy, HealthCheck, OutlierContext, OutlierPolicy, OutlierVerdict,
    Verdict,
};
use pool_localip::{AllocContext, Exhausted, LocalAddrAllocator};
use pool_tls::{FingerprintContext, FingerprintSource, ProfileId, TlsConnector};

use crate::dial::{Connect, Resolver};
use crate::manager::CloseReason;
use crate::observe::{Event, Observer};

/// Everything that was plugged in. No lock is held while any of it runs, and a panic in it stays in the call.
#[derive(Debug)]
pub(crate) struct Plugins {
    pub(crate) tls: Arc<dyn TlsConnector>,
    pub(crate) fingerprints: Arc<dyn FingerprintSource>,
    pub(crate) local_addrs: Arc<dyn LocalAddrAllocator>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) eviction: Vec<Arc<dyn EvictionPolicy>>,
    pub(crate) health: Vec<Arc<dyn HealthCheck>>,
    pub(crate) outlier: Vec<Arc<dyn OutlierPolicy>>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) panics: AtomicU64,
}

impl Plugins {
    /// The first eviction policy that wants the connection gone. A policy that panics keeps it.
    pub(crate) fn evicts(&self, cx: &EvictionContext<'_>) -> Option<CloseReason> {
        self.eviction
            .iter()
            .find_map(|policy| self.evicted_by(policy.as_ref(), cx))
    }

    /// Whether this one policy wants the connection gone.
    pub(crate) fn evicted_by(
        &self,
        policy: &dyn EvictionPolicy,
        cx: &EvictionContext<'_>,
    ) -> Option<CloseReason> {
        match self.contain(|| policy.judge(cx))? {
            Verdict::Evict(reason) => Some(reason.into()),
            Verdict::Keep => None,
        }
    }

    /// Until when the address is out of rotation, if a policy says so; never the last one.
    pub(crate) fn ejects(&self, cx: &OutlierContext<'_>) -> Option<Instant> {
        if cx.host.is_last() {
            return None;
        }
        self.outlier
            .iter()
            .find_map(|policy| match self.contain(|| policy.judge(cx))? {
                OutlierVerdict::Eject { duration, .. } => {
                    cx.now.checked_add(duration.min(pool_health::MAX_EJECTION))
                }
                OutlierVerdict::Keep => None,
            })
    }

    /// Leases a source address. An allocator that panics has none.
    pub(crate) fn lease(&self, cx: &AllocContext<'_>) -> Result<pool_localip::Lease, Exhausted> {
        self.contain(|| self.local_addrs.allocate(cx))
            .unwrap_or_else(|| Err(Exhausted::new(pool_localip::ExhaustedReason::Empty)))
    }

    /// The fingerprint for a request. A source that panics chooses the backend's own.
    pub(crate) fn profile(&self, cx: &FingerprintContext<'_>) -> ProfileId {
        self.contain(|| self.fingerprints.choose(cx))
            .unwrap_or_default()
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers {
            let _told: Option<()> = self.contain(|| observer.on(event));
        }
    }

    /// Runs a plugin's code; `None` if it panicked.
    pub(crate) fn contain<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => Some(result),
            Err(_) => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a plugin panicked");
                None
            }
        }
    }
}
