//! Opening connections before anybody asks: every address of a target from every source under every profile.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};
use http::Uri;
use pool_health::HealthCheck;
use pool_tls::ProfileId;
use tokio::time::sleep;

use super::ended_bans::admit;
use super::follow::follow;
use super::health;
use super::matrix::{Place, Size, Wanted};
use super::precedence;
use super::shortage::Throttle;
use crate::clock;
use crate::dial::{self, Answer};
use crate::error::{Error, ErrorKind};
use crate::http::HttpConn;
use crate::info::ConnId;
use crate::key::{Key, Scheme};
use crate::manager::HostHandle;
use crate::pool::{Inner, Live, RequestOptions, bad, keys_of, open_greeted, without_secrets};

/// Which connections to a target should be open: for each of its addresses, each source and each profile, so many.
#[derive(Clone)]
#[must_use = "a plan does nothing until it is given to `Pool::warm`"]
pub struct Warm {
    url: String,
    size: Size,
    concurrency: usize,
    sources: Option<Vec<IpAddr>>,
    profiles: Option<Vec<ProfileId>>,
    options: RequestOptions,
    check: Option<Arc<dyn HealthCheck>>,
    progress: Option<Arc<Progress>>,
}

impl Warm {
    /// One connection for each address of the URL's host, each source the allocator knows, and each profile that a request may travel
    /// under; one per address and profile if the operating system chooses the source.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            size: Size {
                per_cell: 1,
                at_least: 0,
                at_most: usize::MAX,
            },
            concurrency: 32,
            sources: None,
            profiles: None,
            options: RequestOptions::new(),
            check: None,
            progress: None,
        }
    }

    /// How many connections for each address, source and profile. Defaults to 1; zero opens none.
    pub fn per_cell(mut self, connections: usize) -> Self {
        self.size.per_cell = connections;
        self
    }

    /// No fewer than this in all: where addresses and sources are few, each cell gets more. Defaults to 0.
    pub fn at_least(mut self, connections: usize) -> Self {
        self.size.at_least = connections;
        self
    }

    /// No more than this in all, which goes before [`at_least`](Self::at_least): every address gets its first connection before any
    /// gets its second, by as many sources as fit. Defaults to `usize::MAX`.
    pub fn at_most(mut self, connections: usize) -> Self {
        self.size.at_most = connections;
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

    /// Only under these profiles, whatever the fingerprint source would choose. Each has the matrix for itself, and
    /// [`limits.per_host`](crate::config::Limits::per_host) too: connections under one never serve requests under another.
    pub fn profiles(mut self, profiles: impl IntoIterator<Item = ProfileId>) -> Self {
        self.profiles = Some(profiles.into_iter().collect());
        self
    }

    /// For requests with these options. Where several warm-ups run at once, those of a higher
    /// [`priority`](RequestOptions::priority) go first: the others begin no dial before these are done.
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// Runs this check on each fresh connection, after those of the configuration; one that does not pass is closed.
    ///
    /// It may send the request that makes a connection worth having, and keep what the answer said, such as a session's name: the
    /// probe's facts say between which addresses. Connections that are there already are not asked.
    pub fn check(mut self, check: Arc<dyn HealthCheck>) -> Self {
        self.check = Some(check);
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
            .field("size", &self.size)
            .field("concurrency", &self.concurrency)
            .field("sources", &self.sources)
            .field("profiles", &self.profiles)
            .field("check", &self.check)
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
    /// Dials at a time, now: fewer than planned while this machine has no file or memory for another socket.
    pub at_once: usize,
}

/// What a warm-up brought.
#[derive(Debug)]
#[non_exhaustive]
pub struct WarmReport {
    /// One for each wanted connection, by profile, then address, then source.
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
    /// The profile; `None` in plain text.
    pub profile: Option<ProfileId>,
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
        found,
        wanted,
    } = look_up(inner, plan).await?;
    // Only now: an empty host may be forgotten at any time.
    let host_of = |(key, answer): (Key, Answer)| {
        let host = inner.manager.host(&key);
        admit(&inner.env, &host, &answer.addrs);
        follow(&inner.env, &host, answer.end);
        host
    };
    let hosts: Vec<HostHandle<HttpConn>> = found.into_iter().map(host_of).collect();

    let limits = &live.config.limits;
    // No more than may dial: the time that the others wait for their turn is not the time their dial takes.
    let at_once = plan.concurrency.min(limits.dials_per_host);
    let at_once = at_once.min(limits.dials_total).max(1);
    let opener = Opener {
        inner,
        place: inner.env.precedence.enter(plan.options.priority),
        check: plan.check.as_ref(),
        throttle: Throttle::new(at_once),
    };
    let mut present: Vec<Present> = hosts.iter().map(Present::of).collect();
    let (total, done, ready) = (wanted.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    let open_cell = |(at, cell): (usize, Wanted)| {
        let Wanted { place, source, .. } = cell;
        let Place { profile, target } = place;
        let there = present[profile].take(target, source);
        let host = &hosts[profile];
        let (opener, done, ready) = (&opener, &done, &ready);
        async move {
            let outcome = if there {
                WarmOutcome::Present
            } else {
                opener.open_with_patience(host, target, source).await
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
                    at_once: opener.throttle.allowed(),
                };
                let _told: Option<()> = inner.env.plugins.contain(|| progress(&now));
            }
            let key = host.key();
            let secure = key.scheme() == Scheme::Https;
            let cell = WarmCell {
                target,
                source,
                profile: secure.then(|| key.profile_id().clone()),
                outcome,
            };
            (at, cell)
        }
    };
    let mut in_turn: Vec<_> = wanted.into_iter().enumerate().collect();
    // Source by source, so that an address that does not answer does not hold up all the others.
    in_turn.sort_by_key(|(_, cell)| cell.turn);
    let opening = stream::iter(in_turn).map(open_cell);
    let mut cells: Vec<(usize, WarmCell)> = opening.buffer_unordered(at_once).collect().await;
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
    /// What was found for each profile.
    found: Vec<(Key, Answer)>,
    wanted: Vec<Wanted>,
}

async fn look_up(inner: &Arc<Inner>, plan: &Warm) -> Result<Wish, Error> {
    inner.settle();
    let uri: Uri = plan
        .url
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad(&plan.url, error))?;
    let keys = keys_of(inner, &uri, &plan.options, plan.profiles.as_deref())?;
    if inner.manager.is_closed() {
        let host = keys.first().map(Key::to_string).unwrap_or_default();
        return Err(Error::new(ErrorKind::Closed).with_host(host));
    }
    let live = inner.env.live();
    let plugins = &inner.env.plugins;
    let profiles = keys.len();
    let (mut found, mut places) = (Vec::new(), Vec::new());
    for (profile, key) in keys.into_iter().enumerate() {
        let answer = plugins.resolve(&key, &live).await?;
        let targets = answer.addrs.iter();
        places.extend(targets.map(|&target| Place { profile, target }));
        found.push((key, answer));
    }
    let sources = match &plan.sources {
        Some(sources) => sources.clone(),
        None => plugins
            .contain(|| plugins.local_addrs.sources())
            .unwrap_or_default(),
    };
    let limits = &live.config.limits;
    let wanted = plan.size.cells(&places, profiles, &sources, limits);
    let wanted = wanted.map_err(|why| bad(&plan.url, why))?;
    Ok(Wish {
        live,
        found,
        wanted,
    })
}

/// The connections that are there already and were not yet counted for a cell.
struct Present(HashMap<SocketAddr, Vec<Option<IpAddr>>>);

impl Present {
    fn of(host: &HostHandle<HttpConn>) -> Self {
        let mut by_target: HashMap<_, Vec<_>> = HashMap::new();
        for (target, source) in host.present() {
            by_target.entry(target).or_default().push(source);
        }
        Self(by_target)
    }

    /// Takes one of this cell out; `false` if there is none.
    fn take(&mut self, target: SocketAddr, source: Option<IpAddr>) -> bool {
        let Some(sources) = self.0.get_mut(&target) else {
            return false;
        };
        let fits = |from: &Option<IpAddr>| source.is_none() || *from == source;
        match sources.iter().position(fits) {
            Some(at) => {
                sources.swap_remove(at);
                true
            }
            None => false,
        }
    }
}

/// Opens the connections of one plan.
struct Opener<'a> {
    inner: &'a Arc<Inner>,
    place: precedence::Place<'a>,
    check: Option<&'a Arc<dyn HealthCheck>>,
    throttle: Throttle,
}

impl Opener<'_> {
    /// Tries again while this machine has no file or no memory for a socket, but not for ever.
    async fn open_with_patience(
        &self,
        host: &HostHandle<HttpConn>,
        target: SocketAddr,
        source: Option<IpAddr>,
    ) -> WarmOutcome {
        loop {
            let mut turn = self.throttle.turn().await;
            self.place.turn().await;
            let outcome = self.open(host, target, source).await;
            match &outcome {
                WarmOutcome::Failed(error) if dial::is_shortage(error) => {
                    let Some(pause) = self.throttle.ran_short(&mut turn, clock::now()) else {
                        return outcome;
                    };
                    sleep(pause).await;
                }
                WarmOutcome::Failed(_) => return outcome,
                _ => {
                    self.throttle.succeeded();
                    return outcome;
                }
            }
        }
    }

    async fn open(
        &self,
        host: &HostHandle<HttpConn>,
        target: SocketAddr,
        source: Option<IpAddr>,
    ) -> WarmOutcome {
        let Self { inner, .. } = *self;
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
        match health::verdict(inner, lease, self.check).await {
            Ok(()) => WarmOutcome::Ready(id),
            Err(unhealthy) => match unhealthy.status() {
                Some(status) => WarmOutcome::Rejected { status },
                None => WarmOutcome::Unhealthy(unhealthy),
            },
        }
    }
}

fn closed_error(host: &HostHandle<HttpConn>) -> Error {
    Error::new(ErrorKind::Closed).with_host(host.key().to_string())
}
