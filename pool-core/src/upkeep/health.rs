//! Checking idle connections, and addresses that are out of rotation until a check succeeds.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use pool_health::{Change, HealthCheck, Outcome, Threshold, Unhealthy};
use tracing::{Instrument, debug, debug_span};

use super::probe;
use crate::http::HttpConn;
use crate::manager::{CloseReason, ConnRef, HostHandle, Lease, Standing};
use crate::observe::Event;
use crate::pool::{Inner, open_greeted};

/// Checks every idle connection, a few at a time, those of all hosts mixed. Returns how many failed.
pub(crate) async fn check_all(inner: &Arc<Inner>) -> usize {
    let live = inner.env.live();
    if live.health.is_empty() {
        return 0;
    }
    let mut idle: Vec<(u64, HostHandle<HttpConn>, ConnRef)> = Vec::new();
    for host in inner.manager.hosts() {
        let (views, _) = host.views();
        let of_host = views.into_iter().filter(|view| view.idle_rank.is_some());
        idle.extend(of_host.map(|view| (view.stats.seed, host.clone(), view.conn)));
    }
    // Scattered, or a host's connections would all be checked in one go.
    idle.sort_unstable_by_key(|(seed, ..)| *seed);
    let checks = stream::iter(idle).map(|(_, host, conn)| check_one(inner, host, conn));
    let at_once = live.config.upkeep.health_concurrency.max(1);
    checks
        .buffer_unordered(at_once)
        .filter(|failed| std::future::ready(*failed))
        .count()
        .await
}

/// Claims the connection if it is still idle, and checks it. Returns whether it failed.
async fn check_one(inner: &Arc<Inner>, host: HostHandle<HttpConn>, conn: ConnRef) -> bool {
    let Some(lease) = host.claim_for_check(conn) else {
        return false;
    };
    !passes(inner, lease).await
}

/// Checks a connection that was claimed for a request, in a task of the pool's, which ends with the pool.
pub(crate) fn check_claimed(inner: &Arc<Inner>, lease: Lease<HttpConn>) {
    let checking = inner.clone();
    inner.env.spawn_until_closed(async move {
        passes(&checking, lease).await;
    });
}

/// Runs the checks on a claimed connection and acts on the verdict. A status outside the accepted set speaks against
/// the address as well: after so many in a row it is out of rotation, until so many checks in a row have succeeded.
pub(super) async fn passes(inner: &Arc<Inner>, lease: Lease<HttpConn>) -> bool {
    verdict(inner, lease, None).await.is_ok()
}

/// As [`passes`], with one more check, and tells why.
pub(super) async fn verdict(
    inner: &Arc<Inner>,
    mut lease: Lease<HttpConn>,
    extra: Option<&Arc<dyn HealthCheck>>,
) -> Result<(), Unhealthy> {
    let env = &inner.env;
    let (host, target) = (lease.host(), lease.target());
    let span =
        debug_span!("health_check", key = %host.key(), peer.addr = %target, id = %lease.id());
    let checked = probe::check(env, &lease, extra).instrument(span).await;
    lease.checked(checked.is_ok());
    match &checked {
        Ok(()) => {
            host.note(env, target, Outcome::Ok);
            judge(inner, &host, target, true);
        }
        Err(unhealthy) => {
            debug!(key = %host.key(), peer.addr = %target, %unhealthy, "health check failed");
            lease.discard(CloseReason::Unhealthy);
            if unhealthy.status().is_some() {
                judge(inner, &host, target, false);
            } else {
                host.note(env, target, Outcome::TimedOut);
            }
        }
    }
    checked
}

/// A check of this address was answered, as it should be or not.
fn judge(inner: &Inner, host: &HostHandle<HttpConn>, target: SocketAddr, ok: bool) {
    let upkeep = &inner.env.live().config.upkeep;
    let threshold = Threshold::new(upkeep.health_rise, upkeep.health_fall);
    let Some(change) = host.observe_check(target, ok, threshold) else {
        return;
    };
    let key = host.key();
    match change {
        Change::Down => {
            host.judge(target, Standing::Ejected(None));
            inner.env.plugins.tell(&Event::Ejected {
                key,
                target,
                duration: None,
                policy: None,
            });
        }
        Change::Up => {
            host.judge(target, Standing::Active);
            let back = Event::Readmitted { key, target };
            inner.env.plugins.tell(&back);
        }
    }
}

/// Dials the addresses that are out until a check succeeds, and checks the fresh connections.
pub(super) async fn recover(inner: &Arc<Inner>) {
    let mut out: Vec<(HostHandle<HttpConn>, SocketAddr)> = Vec::new();
    for host in inner.manager.hosts() {
        out.extend(
            host.condemned()
                .into_iter()
                .map(|target| (host.clone(), target)),
        );
    }
    let at_once = inner.env.live().config.upkeep.health_concurrency.max(1);
    let tries = stream::iter(out).map(|(host, target)| recover_one(inner, host, target));
    tries.buffer_unordered(at_once).collect::<()>().await;
}

async fn recover_one(inner: &Arc<Inner>, host: HostHandle<HttpConn>, target: SocketAddr) {
    let Some(ticket) = host.dial(target, None) else {
        return;
    };
    let fresh = match open_greeted(&inner.env, ticket).await {
        Ok(fresh) => fresh,
        Err(failed) => {
            failed.end();
            return;
        }
    };
    let Some(lease) = fresh.serve_claimed(&inner.env) else {
        return;
    };
    passes(inner, lease).await;
}
