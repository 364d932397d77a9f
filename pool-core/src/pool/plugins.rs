//! The plugins of one pool, and the fences around their calls.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Instant;

use pool_health::{
    Access, AccessContext, AccessList, Denied, EjectReason, EvictionContext, EvictionPolicy,
    OutlierContext, OutlierPolicy, OutlierVerdict, Verdict,
};
use pool_localip::{AllocContext, Exhausted, LocalAddrAllocator};
use pool_tls::{FingerprintContext, FingerprintSource, ProfileId, TlsConfigId, TlsConnector};

use super::live::Live;
use super::profiles::Profiles;
use crate::clock;
use crate::dial::{self, Answer, Connect, DialRequest, Opened, Resolver};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::manager::CloseReason;
use crate::observe::{Event, Observer};
use crate::select::{SelectContext, Selector};

/// Everything that was plugged in. No lock is held while any of it runs, and a panic in it stays in the call.
#[derive(Debug)]
pub(crate) struct Plugins {
    pub(crate) tls: Arc<dyn TlsConnector>,
    /// The connector's identity as it was when the pool was built: whatever it says later, no key changes.
    pub(crate) tls_config: TlsConfigId,
    pub(crate) profiles: Profiles,
    pub(crate) fingerprints: Arc<dyn FingerprintSource>,
    pub(crate) local_addrs: Arc<dyn LocalAddrAllocator>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) selector: Arc<dyn Selector>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) panics: AtomicU64,
}

impl Plugins {
    /// The first eviction policy that wants the connection gone. A policy that panics keeps it.
    pub(crate) fn evicts(
        &self,
        policies: &[Arc<dyn EvictionPolicy>],
        cx: &EvictionContext<'_>,
    ) -> Option<CloseReason> {
        policies
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

    /// Until when the address is out of rotation and why, if a policy says so; never the last one.
    pub(crate) fn ejects(
        &self,
        policies: &[Arc<dyn OutlierPolicy>],
        cx: &OutlierContext<'_>,
    ) -> Option<(Instant, EjectReason)> {
        if cx.host.is_last() {
            return None;
        }
        policies
            .iter()
            .find_map(|policy| match self.contain(|| policy.judge(cx))? {
                OutlierVerdict::Eject { duration, reason } => {
                    let until = cx.now.checked_add(duration.min(pool_health::MAX_EJECTION));
                    until.map(|until| (until, reason))
                }
                OutlierVerdict::Keep => None,
            })
    }

    /// Why the address must not be dialled, if one of the lists says so. A list that panics denies it: a guard that cannot answer
    /// lets nobody pass.
    pub(crate) fn denies(
        &self,
        lists: &[Arc<dyn AccessList>],
        cx: &AccessContext<'_>,
    ) -> Option<Denied> {
        lists
            .iter()
            .find_map(|list| match self.contain(|| list.check(cx)) {
                Some(Access::Allow) => None,
                Some(Access::Deny(denied)) => Some(denied),
                None => Some(Denied::new("the access list panicked")),
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

    /// The address that a request prefers. A selector that panics has no preference.
    pub(crate) fn preferred(&self, cx: &SelectContext<'_>) -> Option<SocketAddr> {
        let at = self.contain(|| self.selector.select(cx)).flatten()?;
        cx.endpoints.get(at, cx.now).map(|endpoint| endpoint.target)
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers {
            let _told: Option<()> = self.contain(|| observer.on(event));
        }
    }

    /// Looks up the addresses of a host that may be dialled. A resolver that panics has failed.
    ///
    /// # Errors
    ///
    /// As [`dial::resolve`].
    pub(crate) async fn resolve(&self, key: &Key, live: &Live) -> Result<Answer, Error> {
        let (dial, timeouts) = (&live.config.dial, &live.config.timeouts);
        let denies = |target| {
            let cx = AccessContext::new(target, key.host(), clock::now());
            self.denies(&live.access, &cx)
        };
        let (max, deadline) = (dial.max_addresses, timeouts.resolve);
        let lookup = dial::resolve(self.resolver.as_ref(), key, max, deadline, denies);
        self.contain_future(lookup).await.unwrap_or_else(|| {
            let error = Error::new(ErrorKind::Resolve).with_detail("the resolver panicked");
            Err(error.with_host(key.host()))
        })
    }

    /// Opens a connection. A connector, of TCP or of TLS, that panics has failed.
    ///
    /// # Errors
    ///
    /// As [`dial::open`].
    pub(crate) async fn open<G: Send + 'static>(
        &self,
        request: DialRequest<'_>,
        lease: pool_localip::Lease,
        guard: G,
    ) -> Result<Opened, Error> {
        let (host, target) = (request.key.host(), request.target);
        let dial = dial::open(request, lease, guard);
        self.contain_future(dial).await.unwrap_or_else(|| {
            let error = Error::new(ErrorKind::Connect).with_detail("the connector panicked");
            Err(error.with_host(host).with_target(target))
        })
    }

    /// Runs a future with a plugin's code in it; `None` if it panicked.
    pub(crate) async fn contain_future<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match self.contain(|| future.as_mut().poll(cx)) {
            Some(polled) => polled.map(Some),
            None => Poll::Ready(None),
        })
        .await
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
