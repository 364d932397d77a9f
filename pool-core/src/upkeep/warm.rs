//! Opening connections before anybody asks: every address of a target from every source.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http::Uri;
use tokio::time::sleep;

use super::health;
use crate::error::{Error, ErrorKind};
use crate::http::HttpConn;
use crate::info::ConnId;
use crate::manager::HostHandle;
use crate::pool::{Inner, RequestOptions, bad, key_of, open_greeted, without_secrets};

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

    /// How many connections for each address and source.
    pub fn per_cell(mut self, connections: usize) -> Self {
        self.per_cell = connections;
        self
    }

    /// How many dials at a time; at least one. The limits of the pool hold as well.
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
    inner.settle();
    let uri: Uri = plan
        .url
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad(&plan.url, error))?;
    let key = key_of(inner, &uri, &plan.options)?;
    let host = inner.manager.host(&key);
    let config = &inner.env.config;
    let targets = inner.env.plugins.resolve(&key, config).await?;
    host.set_addresses(&targets);

    let sources = match &plan.sources {
        Some(sources) => sources.clone(),
        None => {
            let plugins = &inner.env.plugins;
            plugins
                .contain(|| plugins.local_addrs.sources())
                .unwrap_or_default()
        }
    };
    let wanted = cells(&targets, &sources, plan.per_cell);
    let limit = config.limits.per_host.min(config.limits.total);
    if wanted.len() > limit {
        let (name, limit) = if config.limits.per_host <= config.limits.total {
            ("limits.per_host", config.limits.per_host)
        } else {
            ("limits.total", config.limits.total)
        };
        let why = format!(
            "the plan wants {} connections, {name} is {limit}",
            wanted.len()
        );
        return Err(bad(&plan.url, why));
    }

    let mut present = host.present();
    let (total, done, ready) = (wanted.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    let open_cell = |(at, (target, source)): (usize, (SocketAddr, Option<IpAddr>))| {
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
    let opening = stream::iter(wanted.into_iter().enumerate()).map(open_cell);
    let mut cells: Vec<(usize, WarmCell)> =
        opening.buffer_unordered(plan.concurrency).collect().await;
    cells.sort_by_key(|(at, _)| *at);
    Ok(WarmReport {
        cells: cells.into_iter().map(|(_, cell)| cell).collect(),
    })
}

/// The wanted connections. They are tried source by source, so that no address is dialled by all sources at once.
fn cells(
    targets: &[SocketAddr],
    sources: &[IpAddr],
    per_cell: usize,
) -> Vec<(SocketAddr, Option<IpAddr>)> {
    let mut cells = Vec::new();
    for &target in targets {
        let fitting = sources
            .iter()
            .filter(|source| source.is_ipv4() == target.is_ipv4());
        let mut of_target: Vec<Option<IpAddr>> = fitting.copied().map(Some).collect();
        if sources.is_empty() {
            of_target.push(None);
        }
        for source in of_target {
            cells.extend(std::iter::repeat_n((target, source), per_cell));
        }
    }
    cells
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
    let fresh = match open_greeted(&inner.env, ticket).await {
        Ok(fresh) => fresh,
        Err(failed) => {
            let error = failed.error.clone();
            failed.end();
            return WarmOutcome::Failed(error);
        }
    };
    let Some(lease) = fresh.serve_claimed(&inner.env) else {
        return WarmOutcome::Failed(
            Error::new(ErrorKind::Closed).with_host(host.key().to_string()),
        );
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
