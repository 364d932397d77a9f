//! From a key to a lease on a connection that is worth using.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_health::EvictionContext;
use tokio::time::timeout_at;

use super::env::Env;
use super::{Inner, Live, RequestOptions, finite};
use crate::clock;
use crate::error::{Error, ErrorKind, Phase};
use crate::http::HttpConn;
use crate::info::ConnInfo;
use crate::key::{Key, Protocols};
use crate::manager::{CloseReason, Hint, HostHandle, Lease};
use crate::select::SelectContext;
use crate::upkeep;

/// A lease with what the request is told about its connection.
#[derive(Debug)]
pub(crate) struct Acquired {
    pub(crate) lease: Lease<HttpConn>,
    pub(crate) info: ConnInfo,
    /// The connection was opened while this request waited, and this is its first use.
    pub(crate) fresh: bool,
    /// Whether it has been looked at, and nobody has waited for anything since.
    pub(crate) looked_at: bool,
}

impl Acquired {
    /// A lease that was waited for since `began`, on a connection that has not been looked at.
    pub(super) fn new(
        env: &Env,
        lease: Lease<HttpConn>,
        began: Instant,
        now: Instant,
        earlier: Earlier,
    ) -> Self {
        let wait = now.saturating_duration_since(began);
        env.acquire_wait.record(wait);
        let reused = lease.uses_before() > 0;
        let info = ConnInfo {
            id: lease.id(),
            facts: lease.conn().facts().clone(),
            reused,
            age: now.saturating_duration_since(lease.created()),
            wait: earlier.waited.saturating_add(wait),
            attempts: earlier.attempts + 1,
        };
        Self {
            lease,
            info,
            fresh: !reused,
            looked_at: false,
        }
    }
}

/// What a try needs to know of the earlier ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier {
    /// How many there were.
    pub(super) attempts: u32,
    /// How long they waited for connections.
    pub(super) waited: Duration,
    /// Where the last one failed: another address is taken, if another will do.
    pub(super) avoid: Option<SocketAddr>,
}

impl Earlier {
    pub(super) const NONE: Self = Self {
        attempts: 0,
        waited: Duration::ZERO,
        avoid: None,
    };
}

/// Waits for a usable connection.
pub(super) async fn acquire(
    inner: &Arc<Inner>,
    host: &HostHandle<HttpConn>,
    options: &RequestOptions,
    earlier: Earlier,
) -> Result<Acquired, Error> {
    inner.settle();
    let env = &inner.env;
    let live = env.live();
    let host = serving(inner, host);
    let began = clock::now();
    let hint = hint(inner, &host, options, earlier.avoid, began);
    let wait = options
        .acquire_timeout
        .unwrap_or(live.config.timeouts.acquire);
    let deadline = finite(wait).and_then(|wait| began.checked_add(wait));
    let mut at_the_front = false;
    let mut now = began;
    loop {
        let lease = match host.try_acquire_hinted(&hint, now) {
            Some(lease) => lease,
            None => {
                let acquire = match deadline {
                    Some(deadline) => host.acquire_until(deadline),
                    None => host.acquire(),
                };
                // What it was given turned out dead: that must not cost it its place.
                let acquire = if at_the_front {
                    acquire.at_the_front()
                } else {
                    acquire.priority(options.priority)
                };
                let waited = within(deadline, acquire).await;
                now = clock::now();
                waited.unwrap_or_else(|| Err(late(host.key())))?
            }
        };
        let fresh = lease.uses_before() == 0 && lease.created() >= began;
        // As the peer has counted, which was not suspended with this machine.
        let slept = env.suspend.slept_since(lease.alive_at(), now);
        let for_the_peer = now.checked_add(slept).unwrap_or(now);
        // One opened meanwhile is used as it is: another in its place would be no better, and no worse judged, and so on
        // without end.
        if !fresh && let Some(reason) = unfit(inner, &live, &lease, for_the_peer) {
            let mut lease = lease;
            lease.discard(reason);
            at_the_front = true;
            continue;
        }
        if !fresh && may_be_dead(&live, &lease, began, for_the_peer) && lease.check_instead() {
            // The pool's task, not this request's: the check goes on if the request is dropped, and its verdict serves
            // whoever is at the head of the queue by then.
            upkeep::check_claimed(inner, lease);
            at_the_front = true;
            continue;
        }
        let acquired = Acquired::new(env, lease, began, now, earlier);
        return Ok(Acquired {
            fresh,
            looked_at: !fresh,
            ..acquired
        });
    }
}

/// The host that serves instead, if another does: one that took its place, or that of the HTTP/1.1 connections if the origin
/// wants no others.
pub(super) fn serving<'a>(
    inner: &Inner,
    host: &'a HostHandle<HttpConn>,
) -> Cow<'a, HostHandle<HttpConn>> {
    let host = if host.is_retired() {
        Cow::Owned(inner.manager.host(host.key()))
    } else {
        Cow::Borrowed(host)
    };
    if !host.requires_http1() {
        return host;
    }
    let key = host.key().clone().protocols(Protocols::Http1);
    Cow::Owned(inner.manager.host(&key))
}

/// Why the connection must not be used, if so. Judged after the claim, so that nobody else uses it meanwhile either.
fn unfit(inner: &Inner, live: &Live, lease: &Lease<HttpConn>, now: Instant) -> Option<CloseReason> {
    if !lease.conn().is_open() {
        let ended = lease.conn().ended();
        return Some(ended.unwrap_or(CloseReason::PeerClosed));
    }
    if live.eviction.is_empty() {
        return None;
    }
    let mut stats = lease.stats_before();
    stats.bytes = lease.conn().bytes();
    stats.certificate_ends = lease.conn().certificate_ends();
    let host = lease.host_stats_before();
    let cx = EvictionContext::new(&stats, now).host(&host);
    inner.env.plugins.evicts(&live.eviction, &cx)
}

/// Whether the connection was idle for so long that it is to be checked before it is used. One that turned out alive
/// since the request `began` is used as it is, however short that time is.
fn may_be_dead(live: &Live, lease: &Lease<HttpConn>, began: Instant, now: Instant) -> bool {
    let Some(bypass) = finite(live.config.upkeep.alive_bypass) else {
        return false;
    };
    let alive_at = lease.alive_at();
    let idle = now.saturating_duration_since(alive_at);
    !live.health.is_empty() && idle > bypass && alive_at < began
}

/// Where the request is to go, if there is room.
fn hint(
    inner: &Inner,
    host: &HostHandle<HttpConn>,
    options: &RequestOptions,
    avoid: Option<SocketAddr>,
    now: Instant,
) -> Hint {
    let endpoints = inner.manager.selects().then(|| host.endpoints());
    let prefer = endpoints.and_then(|endpoints| {
        let cx = SelectContext::new(host.key(), &endpoints, now)
            .affinity(options.affinity)
            .avoid(avoid);
        inner.env.plugins.preferred(&cx)
    });
    Hint { prefer, avoid }
}

async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => timeout_at(deadline.into(), future).await.ok(),
        None => Some(future.await),
    }
}

pub(super) fn late(key: &Key) -> Error {
    Error::new(ErrorKind::Timeout(Phase::Acquire)).with_host(key.to_string())
}
