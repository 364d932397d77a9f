//! The local addresses of dials: leased, waited for, passed over when they fail, given up when they go.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_localip::{AllocContext, Lease, Retired, SourceListener};
use tokio::sync::Notify;
use tokio::time::timeout_at;
use tracing::debug;

use super::Inner;
use super::env::{Env, finite};
use crate::clock;
use crate::error::{BoxError, Error, ErrorKind};
use crate::http::HttpConn;
use crate::key::SourceClass;
use crate::manager::{CloseReason, Entry, EntryRef, Ticket};

/// Addresses that one dial is tried from. Each of them costs three system calls and no packet; the last of these looks through
/// all ports, which takes 0.5 ms where 16,000 are taken (docs/benchmarks.md, bind).
///
/// Enough to get past a few that are out of ports; a dial that found so many in that state has a machine against it, and
/// the next one begins elsewhere.
pub(super) const MAX_TRIES: usize = 16;

/// The shortest wait before an allocator is asked again, unless an address came back meanwhile.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How long requests on connections from an address that left the machine may still hope: it may be back at once, as
/// when a network is configured anew, and nothing sent meanwhile is lost to TCP.
const GRACE: Duration = Duration::from_secs(1);

/// Leases a source address that is none of `failed`; while all are busy, waits for one to come back.
pub(super) async fn lease(
    env: &Env,
    ticket: &Ticket<HttpConn>,
    failed: &[IpAddr],
) -> Result<Lease, Error> {
    let host = ticket.host();
    let key = host.key();
    let class = match key.source_class() {
        SourceClass::Named(name) => Some(&**name),
        SourceClass::Any | SourceClass::Exact(_) => None,
    };
    let want = only_source(ticket);
    let refused = |source: BoxError| {
        let error = Error::new(ErrorKind::LocalAddr)
            .with_host(key.to_string())
            .with_target(ticket.target());
        match want {
            Some(addr) => error.with_local(addr).with_source(source),
            None => error.with_source(source),
        }
    };
    let give_up =
        finite(env.live().config.timeouts.acquire).and_then(|wait| clock::now().checked_add(wait));
    let tried = failed.len() as u32;
    for attempt in tried.. {
        // Before asking, so that an address that comes back between the answer and the wait is not missed.
        let mut freed = pin!(env.source_freed.notified());
        freed.as_mut().enable();
        let now = clock::now();
        let cx = AllocContext::new(ticket.target(), now)
            .with_host(key.host())
            .with_class(class)
            .with_want(want)
            .with_avoid(failed)
            .with_attempt(attempt);
        match env.plugins.lease(&cx) {
            Ok(lease) if want.is_some() && lease.addr() != want => {
                return Err(refused(
                    "the allocator gave another address than the one wanted".into(),
                ));
            }
            Ok(lease) if lease.addr().is_some_and(|addr| failed.contains(&addr)) => {
                return Err(refused(
                    "the allocator has no other address than those that failed".into(),
                ));
            }
            Ok(lease) => return Ok(env.source_book.dialling(lease)),
            Err(exhausted) => {
                let in_vain = ticket.spreads() || give_up.is_some_and(|at| at <= now);
                if !exhausted.is_temporary() || in_vain {
                    return Err(refused(Box::new(exhausted)));
                }
                // Whatever the allocator says: one that names the past would be asked without pause.
                let soonest = now.checked_add(ASK_AGAIN_AFTER);
                let retry_at = exhausted.retry_at.max(exhausted.retry_at.and(soonest));
                let until = [retry_at, give_up].into_iter().flatten().min();
                match until {
                    // Either way the allocator is asked again.
                    Some(at) => drop(timeout_at(at.into(), freed).await),
                    None => freed.await,
                }
            }
        }
    }
    unreachable!("the loop above ends by returning")
}

/// The one address that the dial must come from, if there is only one.
pub(super) fn only_source(ticket: &Ticket<HttpConn>) -> Option<IpAddr> {
    let exact = match ticket.host().key().source_class() {
        SourceClass::Exact(addr) => Some(*addr),
        SourceClass::Any | SourceClass::Named(_) => None,
    };
    ticket.source().or(exact)
}

/// Dropped after a lease: the news that a source is free.
pub(super) struct Freed(pub(super) Arc<Notify>);

impl Drop for Freed {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

impl std::fmt::Debug for Freed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Freed")
    }
}

/// Which addresses were given up while dials were under way: what such a dial brings is given up as well.
#[derive(Debug, Default)]
pub(crate) struct Retirements {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the times that addresses were given up.
    round: u64,
    /// The last round of each address and why, as long as any dial is under way that may have begun before.
    last: HashMap<IpAddr, (u64, Retired)>,
    dials: usize,
}

/// A dial under way; kept until its connection is in the books.
#[derive(Debug)]
pub(super) struct Departure {
    retirements: Arc<Retirements>,
    round: u64,
}

impl Retirements {
    /// A dial begins: before it leases an address.
    pub(super) fn depart(self: &Arc<Self>) -> Departure {
        let mut state = self.lock();
        state.dials += 1;
        Departure {
            retirements: self.clone(),
            round: state.round,
        }
    }

    fn note(&self, addrs: &[IpAddr], why: Retired) {
        let mut state = self.lock();
        if state.dials > 0 {
            state.round += 1;
            let round = state.round;
            state
                .last
                .extend(addrs.iter().map(|&addr| (addr, (round, why))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Departure {
    /// Why the address was given up last, if it was since the dial began.
    pub(super) fn retired(&self, addr: IpAddr) -> Option<Retired> {
        let state = self.retirements.lock();
        let &(last, why) = state.last.get(&addr)?;
        (last > self.round).then_some(why)
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let mut state = self.retirements.lock();
        state.dials -= 1;
        if state.dials == 0 {
            state.last = HashMap::new();
        }
    }
}

impl SourceListener for Inner {
    fn available(&self) {
        self.env.source_freed.notify_waiters();
    }

    /// Connections from there take no new request. Idle ones close at once; those in use with their last request, or, if
    /// the address is gone, a moment later.
    fn retired(&self, addrs: &[IpAddr], why: Retired) {
        // First, so that a dial that misses this round below is told when it registers.
        self.env.retirements.note(addrs, why);
        let addrs: HashSet<IpAddr> = addrs.iter().copied().collect();
        let mut busy = Vec::new();
        for host in self.manager.hosts() {
            let entries = host.entries();
            let from = |entry: &Entry<HttpConn>| entry.value().facts().leased;
            let leaving: Vec<_> = entries
                .into_iter()
                .filter(|entry| from(entry).is_some_and(|addr| addrs.contains(&addr)))
                .collect();
            let ids: Vec<_> = leaving.iter().map(|entry| entry.id()).collect();
            host.drain_many(&ids, CloseReason::SourceGone);
            busy.extend(
                leaving
                    .into_iter()
                    .filter(|entry| entry.value().ended().is_none()),
            );
        }
        debug!(
            addresses = addrs.len(),
            connections = busy.len(),
            ?why,
            "local addresses are given up"
        );
        if why == Retired::Gone && !busy.is_empty() {
            cut_after_grace(&self.env, busy);
        }
    }
}

/// Connections whose local address has left the machine: nothing arrives on them any more.
pub(super) fn cut_after_grace(env: &Arc<Env>, gone: Vec<EntryRef<HttpConn>>) {
    env.spawn_until_closed(async move {
        tokio::time::sleep(GRACE).await;
        for entry in gone {
            entry.value().abort(CloseReason::SourceGone);
        }
    });
}
