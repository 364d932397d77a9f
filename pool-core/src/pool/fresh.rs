//! A connection opened for one request, because those that are open will not do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::acquire::{Acquired, Earlier, late, serving};
use super::dialler::open_greeted;
use super::env::Env;
use super::{Inner, RequestOptions, finite};
use crate::clock;
use crate::error::{Error, ErrorKind};
use crate::http::HttpConn;
use crate::key::Key;
use crate::manager::{Hint, HostHandle, Lease, Ticket};

/// What a request demands of its next connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    /// Opened after this.
    pub(super) since: Instant,
    /// To this address.
    pub(super) target: SocketAddr,
}

/// Waits for a connection that was opened after a certain moment: one that somebody else has opened meanwhile, or one of
/// its own as soon as the limits allow.
pub(super) async fn acquire_fresh(
    inner: &Arc<Inner>,
    host: &HostHandle<HttpConn>,
    options: &RequestOptions,
    earlier: Earlier,
    fresh: Fresh,
) -> Result<Acquired, Error> {
    inner.settle();
    let env = &inner.env;
    let host = serving(inner, host);
    let key = host.key();
    let began = clock::now();
    let wait = options
        .acquire_timeout
        .unwrap_or(env.live().config.timeouts.acquire);
    let deadline = finite(wait).and_then(|wait| began.checked_add(wait));
    let lease = loop {
        if let Some(lease) = host.try_acquire_hinted(&Hint::default(), clock::now())
            && lease.created() > fresh.since
        {
            break lease;
        }
        if let Some(ticket) = host.dial(fresh.target, None) {
            break open_in_a_task(env, ticket, deadline, key).await?;
        }
        if deadline.is_some_and(|at| at <= clock::now()) {
            return Err(late(key));
        }
        // Not until a permit comes back: a look that finds the host full takes one and returns it, which would wake all
        // who wait for that.
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    };
    Ok(Acquired::new(env, lease, began, clock::now(), earlier))
}

/// Opens the connection in a task of the pool's own: if the request is dropped meanwhile, the connection is not.
async fn open_in_a_task(
    env: &Arc<Env>,
    ticket: Ticket<HttpConn>,
    deadline: Option<Instant>,
    key: &Key,
) -> Result<Lease<HttpConn>, Error> {
    let (tell, told) = oneshot::channel();
    let task_env = env.clone();
    env.spawn_until_closed(async move {
        // Nobody may want to know any more; a lease then goes to whoever waits.
        let _unwanted = tell.send(open_claimed(&task_env, ticket).await);
    });
    let told = async {
        // Dropped untold, the task is gone: with the pool or with its runtime.
        told.await
            .unwrap_or_else(|_gone| Err(gone(env).with_host(key.to_string())))
    };
    match deadline {
        Some(deadline) => timeout_at(deadline.into(), told)
            .await
            .unwrap_or_else(|_elapsed| Err(late(key))),
        None => told.await,
    }
}

async fn open_claimed(env: &Arc<Env>, ticket: Ticket<HttpConn>) -> Result<Lease<HttpConn>, Error> {
    let (host, target) = (ticket.host(), ticket.target());
    match open_greeted(env, ticket).await {
        Ok(opened) => opened.serve_claimed(env).ok_or_else(|| gone(env)),
        Err(failed) => {
            let error = failed.error.clone();
            if failed.end() {
                note_failed_connect(&host, env, target);
            }
            Err(error)
        }
    }
}

fn note_failed_connect(host: &HostHandle<HttpConn>, env: &Env, target: SocketAddr) {
    host.note(env, target, pool_health::Outcome::ConnectFailed);
}

fn gone(env: &Env) -> Error {
    Error::new(if *env.closing.borrow() {
        ErrorKind::Closed
    } else {
        ErrorKind::RuntimeGone
    })
}

/// How long a request waits before it looks again whether a full host has room.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);
