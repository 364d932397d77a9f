//! Opening connections before anybody asks: every address of a target from every source.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};
use http::Uri;
use tokio::time::sleep;

use super::health;
use crate::config::Limits;
use crate::error::{Error, ErrorKind};
use crate::http::HttpConn;
use crate::info::ConnId;
use crate::key::Key;
use crate::manager::HostHandle;
use crate::pool::{Inner, Live, RequestOptions, bad, key_of, open_greeted, without_secrets};

/// Which connections to a target should be open: for each of its addresses and each source, so many.
#[derive(Clone)]
#[must_use = "a plan does nothing until it is given to `Pool::warm`"]
pub struct Warm {
    url: String,
    per_cell: usize,
    concurrency: usize,
    sources: Option<Vec<IpAddr>>,
    options: RequestOptions,
    progress: Option<Arc<Progress>>,
}

impl Warm {
    /// One connection for each address of the URL's host and each source the allocator knows; one per address if the
    /// operating system chooses the source.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            per_cell: 1,
            concurrency: 32,
            sources: None,
            options: RequestOptions::new(),
            progress: None,
        }
    }

    /// How many connections for each address and source. Defaults to 1; zero opens none.
    pub fn per_cell(mut self, connections: usize) -> Self {
        self.per_cell = connections;
        self
    }

    /// How many dials at a time; at least one, and no more than the limits on dials. Defaults to 32.
    pub fn concurrency(mut self, dials: usize) -> Self {
        self.concurrency = dials.max(1);
        self
    }

    /// Only these sources.
    pub fn sources(mut self, sources: impl IntoIterator<Item = IpAddr>) -> Self {
        self.sources = Some(sources.into_iter().collect());
        self
    }

    /// For requests with these options.
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// Calls this after each cell. It must not block.
    pub fn progress(mut self, progress: Arc<dyn Fn(&WarmProgress) + Send + Sync>) -> Self {
        self.progress = Some(progress);
        self
    }
}

impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("url", &without_secrets(&self.url))
            .field("per_cell", &self.per_cell)
            .field("concurrency", &self.concurrency)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// Is told how far a warm-up is.
type Progress = dyn Fn(&WarmProgress) + Send + Sync;

/// How far a warm-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Connections tried so far.
    pub done: usize,
    /// Connections to try in all.
    pub total: usize,
    /// Of those tried, how many are ready.
    pub ready: usize,
    /// Of those tried, how many are not.
    pub failed: usize,
}

/// What a warm-up brought.
#[derive(Debug)]
#[non_exhaustive]
pub struct WarmReport {
    /// One for each wanted connection, by address, then source.
    pub cells: Vec<WarmCell>,
}

impl WarmReport {
    /// How many of the wanted connections are ready.
    pub fn ready(&self) -> usize {
        let ready =
            |cell: &&WarmCell| matches!(cell.outcome, WarmOutcome::Ready(_) | WarmOutcome::Present);
        self.cells.iter().filter(ready).count()
    }

    /// How many are not.
    pub fn failed(&self) -> usize {
        self.cells.len() - self.ready()
    }
}

/// One wanted connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct WarmCell {
    /// The remote address.
    pub target: SocketAddr,
    /// The local address; `None` where the operating system chooses.
    pub source: Option<IpAddr>,
    /// What became of it.
    pub outcome: WarmOutcome,
}

/// What became of one wanted connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum WarmOutcome {
    /// Opened and, if there are checks, checked.
    Ready(ConnId),
    /// There already; left alone.
    Present,
    /// Opened, but a check got this status, which it does not accept: the address is out of rotation.
    Rejected {
        /// The status.
        status: u16,
    },
    /// Opened, but a check failed otherwise.
    Unhealthy(pool_health::Unhealthy),
    /// Not opened.
    Failed(Error),
}

/// How often a dial that a limit forbids for the moment is tried again, and after how long.
const PATIENCE: (u32, Duration) = (400, Duration::from_millis(25));

pub(crate) async fn warm(inner: &Arc<Inner>, plan: &Warm) -> Result<WarmReport, Error> {
    let Wish {
        live,
        key,
        targets,
        wanted,
    } = look_up(inner, plan).await?;
    // Only now: an empty host may be forgotten at any time.
    let host = inner.manager.host(&key);
    host.set_addresses(&targets);

    let mut present = host.present();
    let (total, done, ready) = (wanted.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    let open_cell = |(at, cell): (usize, Wanted)| {
        let Wanted { target, source, .. } = cell;
        let there = take_present(&mut present, target, source);
        let (host, done, ready) = (&host, &done, &ready);
        async move {
            let outcome = if there {
                WarmOutcome::Present
            } else {
                open_one(inner, host, target, source).await
            };
            let is_ready = matches!(outcome, WarmOutcome::Ready(_) | WarmOutcome::Present);
            let ready =
                ready.fetch_add(usize::from(is_ready), Ordering::Relaxed) + usize::from(is_ready);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = &plan.progress {
                let now = WarmProgress {
                    done,
                    total,
                    ready,
                    failed: done.saturating_sub(ready),
                };
                let _told: Option<()> = inner.env.plugins.contain(|| progress(&now));
            }
            (
                at,
                WarmCell {
                    target,
                    source,
                    outcome,
                },
            )
        }
    };
    let mut in_turn: Vec<_> = wanted.into_iter().enumerate().collect();
    // Source by source, so that an address that does not answer does not hold up all the others.
    in_turn.sort_by_key(|(_, cell)| cell.turn);
    // No more than may dial: the time that the others wait for their turn is not the time their dial takes.
    let limits = &live.config.limits;
    let at_once = plan.concurrency.min(limits.dials_per_host);
    let opening = stream::iter(in_turn).map(open_cell);
    let mut cells: Vec<(usize, WarmCell)> = opening
        .buffer_unordered(at_once.min(limits.dials_total))
        .collect()
        .await;
    cells.sort_by_key(|(at, _)| *at);
    Ok(WarmReport {
        cells: cells.into_iter().map(|(_, cell)| cell).collect(),
    })
}

/// How many connections the plan wants now.
pub(crate) async fn size(inner: &Arc<Inner>, plan: &Warm) -> Result<usize, Error> {
    Ok(look_up(inner, plan).await?.wanted.len())
}

/// A plan with the addresses and sources of the moment, which fits into the limits.
struct Wish {
    live: Arc<Live>,
    key: Key,
    targets: Vec<SocketAddr>,
    wanted: Vec<Wanted>,
}

async fn look_up(inner: &Arc<Inner>, plan: &Warm) -> Result<Wish, Error> {
    inner.settle();
    let uri: Uri = plan
        .url
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad(&plan.url, error))?;
    let key = key_of(inner, &uri, &plan.options)?;
    if inner.manager.is_closed() {
        return Err(Error::new(ErrorKind::Closed).with_host(key.to_string()));
    }
    let live = inner.env.live();
    let plugins = &inner.env.plugins;
    let targets = plugins.resolve(&key, &live).await?;
    let sources = match &plan.sources {
        Some(sources) => sources.clone(),
        None => plugins
            .contain(|| plugins.local_addrs.sources())
            .unwrap_or_default(),
    };
    check_limits(plan, &live.config.limits, &targets, &sources)?;
    let wanted = cells(&targets, &sources, plan.per_cell);
    Ok(Wish {
        live,
        key,
        targets,
        wanted,
    })
}

/// One connection that should be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    target: SocketAddr,
    source: Option<IpAddr>,
    /// Its place among those of its address.
    turn: usize,
}

/// Refuses a plan that does not fit into the limits, before anything is made for it.
fn check_limits(
    plan: &Warm,
    limits: &Limits,
    targets: &[SocketAddr],
    sources: &[IpAddr],
) -> Result<(), Error> {
    let mut total = 0_usize;
    for &target in targets {
        let to_target = rows(target, sources).count().saturating_mul(plan.per_cell);
        if to_target > limits.per_endpoint {
            let limit = limits.per_endpoint;
            let why = format!(
                "the plan wants {to_target} connections to {target}, limits.per_endpoint is {limit}"
            );
            return Err(bad(&plan.url, why));
        }
        total = total.saturating_add(to_target);
    }
    let bounds = [
        ("limits.per_host", limits.per_host),
        ("limits.total", limits.total),
        // More idle ones than are kept would be closed as soon as they are open.
        ("limits.idle_per_host", limits.idle_per_host),
        ("limits.idle_total", limits.idle_total),
    ];
    match bounds.into_iter().min_by_key(|(_, limit)| *limit) {
        Some((name, limit)) if total > limit => {
            let why = format!("the plan wants {total} connections, {name} is {limit}");
            Err(bad(&plan.url, why))
        }
        _ => Ok(()),
    }
}

/// The sources of an address's cells: those of its family, or the operating system's choice if there are none at all.
fn rows(target: SocketAddr, sources: &[IpAddr]) -> impl Iterator<Item = Option<IpAddr>> {
    let fitting = sources
        .iter()
        .filter(move |source| source.is_ipv4() == target.is_ipv4());
    let any = sources.is_empty().then_some(None);
    fitting.copied().map(Some).chain(any)
}

/// The wanted connections, by address, then source.
fn cells(targets: &[SocketAddr], sources: &[IpAddr], per_cell: usize) -> Vec<Wanted> {
    let of_target = |&target: &SocketAddr| {
        let each = rows(target, sources)
            .flat_map(move |source| std::iter::repeat_n(source, per_cell))
            .enumerate();
        each.map(move |(turn, source)| Wanted {
            target,
            source,
            turn,
        })
    };
    targets.iter().flat_map(of_target).collect()
}

/// Takes one connection of this cell out of those there already.
fn take_present(
    present: &mut Vec<(SocketAddr, Option<IpAddr>)>,
    target: SocketAddr,
    source: Option<IpAddr>,
) -> bool {
    let fits = |&(there, from): &(SocketAddr, Option<IpAddr>)| {
        there == target && (source.is_none() || from == source)
    };
    match present.iter().position(fits) {
        Some(at) => {
            present.swap_remove(at);
            true
        }
        None => false,
    }
}

async fn open_one(
    inner: &Arc<Inner>,
    host: &HostHandle<HttpConn>,
    target: SocketAddr,
    source: Option<IpAddr>,
) -> WarmOutcome {
    let (tries, pause) = PATIENCE;
    let mut ticket = host.dial(target, source);
    for _ in 0..tries {
        if ticket.is_some() || inner.manager.is_closed() {
            break;
        }
        sleep(pause).await;
        ticket = host.dial(target, source);
    }
    let Some(ticket) = ticket else {
        let kind = if inner.manager.is_closed() {
            ErrorKind::Closed
        } else {
            ErrorKind::Saturated
        };
        return WarmOutcome::Failed(
            Error::new(kind)
                .with_host(host.key().to_string())
                .with_target(target),
        );
    };
    let mut closing = inner.env.closing.subscribe();
    let closed = pin!(closing.wait_for(|closed| *closed));
    let opening = pin!(open_greeted(&inner.env, ticket));
    // A dial that nobody needs any more must not hold up the close.
    let opened = match select(closed, opening).await {
        Either::Left(_) => return WarmOutcome::Failed(closed_error(host)),
        Either::Right((opened, _)) => opened,
    };
    let fresh = match opened {
        Ok(fresh) => fresh,
        Err(failed) => {
            let error = failed.error.clone();
            failed.end();
            return WarmOutcome::Failed(error);
        }
    };
    let Some(lease) = fresh.serve_claimed(&inner.env) else {
        return WarmOutcome::Failed(closed_error(host));
    };
    let id = lease.id();
    match health::verdict(inner, lease).await {
        Ok(()) => WarmOutcome::Ready(id),
        Err(unhealthy) => match unhealthy.status() {
            Some(status) => WarmOutcome::Rejected { status },
            None => WarmOutcome::Unhealthy(unhealthy),
        },
    }
}

fn closed_error(host: &HostHandle<HttpConn>) -> Error {
    Error::new(ErrorKind::Closed).with_host(host.key().to_string())
}
