//! The concurrent connection manager: who may use which connection, who waits, who dials.
//!
//! It is generic over what it holds and needs no network. A [`ConnectionManager`] maps each [`Key`] to a host; a host
//! is one short mutex around a pure state that owns the host's idle connections, permits, waiters and dials together.
//! What a step asks for (wake, dial, close) is done after the lock is released. Locks are never nested: a shard's, a
//! host's, the budget's and a mailbox's are each taken alone.

mod acquire;
mod budget;
mod conn_handle;
pub(crate) mod endpoints;
mod events;
mod handle;
mod host;
mod intake;
mod lease;
mod lessons;
mod list;
mod lookup;
#[cfg(test)]
#[cfg(pool_loom)]
mod loom_tests;
mod mailbox;
mod quarantine;
mod reason;
mod reclaim;
mod removal;
mod site;
mod snapshot;
mod state;
mod status;
mod sync;
#[cfg(test)]
#[cfg(not(pool_loom))]
mod tests;
mod ticket;
mod unasked;
mod waiters;

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use self::acquire::Acquire;
pub use self::budget::ConnPermit;
use self::budget::{Budget, TotalLimits};
pub use self::conn_handle::ConnHandle;
use self::endpoints::Endpoints;
pub(crate) use self::events::{Ejection, Seen};
pub use self::handle::HostHandle;
pub(crate) use self::host::Hint;
use self::host::Host;
pub use self::intake::{Added, NewConn, RejectReason, Rejected};
pub use self::lease::Lease;
pub use self::lookup::StateCounts;
pub use self::reason::CloseReason;
use self::site::Sites;
pub use self::snapshot::{EndpointSnapshot, HostSnapshot, Snapshot, Totals};
pub(crate) use self::state::{ConnRef, Standing};
use self::state::{HostLimits, HostState};
use self::status::StatusCell;
pub use self::status::{ConnPhase, ConnStatus, HealthHistory};
use self::sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, RwLock, StdArc, lock};
pub use self::ticket::{Registered, Ticket};
use crate::config::{Config, DialWhenBusy, Limits};
use crate::info::ConnId;
use crate::key::{Key, Protocols, Scheme};
use crate::observe::Histogram;

/// What the manager asks of the world. Called without any lock held, on whatever thread took the step, possibly from
/// a `Drop` outside any runtime: it must not block, and must not panic.
pub trait Driver<C: Send + Sync + 'static>: Send + Sync + 'static {
    /// Look up the host's addresses, then call [`HostHandle::set_addresses`] or [`HostHandle::lookup_failed`].
    fn resolve(&self, host: HostHandle<C>);

    /// Open a connection; the ticket says where and takes the result.
    fn dial(&self, ticket: Ticket<C>);

    /// Close this connection: it was taken out of the books and carries no lease. Its place still counts until
    /// [`Closing::Done`] is returned or [`Registered::closed`] is called.
    fn close(&self, entry: &Entry<C>, reason: CloseReason) -> Closing;

    /// Call [`HostHandle::tick`] at this time.
    fn wake_at(&self, host: HostHandle<C>, at: Instant);

    /// A permit came back: a connection's socket is gone, or a dial has ended.
    fn permit_returned(&self) {}

    /// Connections that take one lease at a time are out of reuse for so long, because of bytes on this one that belong
    /// to no response.
    fn quarantined(&self, _host: HostHandle<C>, _offender: ConnId, _duration: Duration) {}
}

/// Whether a connection is closed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is, as soon as the manager lets go of its value.
    Done,
    /// [`Registered::closed`] will be called when it is.
    Later,
}

/// The driver of a manager without a network: connections are added by hand, and nothing is dialled.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDriver;

impl<C: Send + Sync + 'static> Driver<C> for NoDriver {
    fn resolve(&self, _: HostHandle<C>) {}
    fn dial(&self, ticket: Ticket<C>) {
        ticket.abandon();
    }
    fn close(&self, _: &Entry<C>, _: CloseReason) -> Closing {
        Closing::Done
    }
    fn wake_at(&self, _: HostHandle<C>, _: Instant) {}
}

/// A connection in the books.
pub struct Entry<C: Send + Sync + 'static> {
    pub(crate) value: C,
    pub(crate) status: StdArc<StatusCell>,
    /// Returned when the last holder lets go of `value`, unless the socket carries it.
    _permit: Option<ConnPermit<C>>,
    /// Whose it is. The host has the entry in its books, and so each keeps the other until the connection is told to close.
    host: Arc<Host<C>>,
}

/// A shared [`Entry`]; what its pointer is depends on whether a model is checked.
pub(crate) type EntryRef<C> = Arc<Entry<C>>;

impl<C: Send + Sync + 'static> Entry<C> {
    fn new(
        host: Arc<Host<C>>,
        id: ConnId,
        target: SocketAddr,
        created: Instant,
        value: C,
        permit: Option<ConnPermit<C>>,
    ) -> Self {
        Self {
            host,
            value,
            status: StdArc::new(StatusCell::new(id, target, created)),
            _permit: permit,
        }
    }

    /// The connection's id.
    pub fn id(&self) -> ConnId {
        self.status.id()
    }

    /// The connection's remote address.
    pub fn target(&self) -> SocketAddr {
        self.status.target()
    }

    /// What the manager holds for it.
    pub fn value(&self) -> &C {
        &self.value
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for Entry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id())
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

/// What all hosts share.
pub(crate) struct Shared<C: Send + Sync + 'static> {
    shards: Box<[RwLock<Shard<C>>]>,
    hasher: Hasher,
    budget: Budget<C>,
    sites: Mutex<Sites>,
    driver: StdArc<dyn Driver<C>>,
    limits: Mutex<Limits>,
    host_limits: Mutex<HostLimits>,
    resolves: bool,
    selects: bool,
    ids: AtomicU64,
    closed: AtomicBool,
    handles: AtomicUsize,
    /// What hosts that were forgotten had counted.
    forgotten: Mutex<state::Counters>,
    /// Hosts in the map.
    known: AtomicU64,
    /// Above this many hosts, empty ones are forgotten; `u64::MAX` while somebody is at it.
    crowded: AtomicU64,
    /// Where the next scan for an idle connection to reclaim begins.
    scan_from: AtomicUsize,
    /// When the next scan of every host may begin.
    next_scan: Mutex<Option<Instant>>,
    pub(crate) lock_waits: Histogram,
    pub(crate) lock_holds: Histogram,
}

type Shard<C> = HashMap<Key, Arc<Host<C>>, Hasher>;

/// Seeded at random, and several times as quick as std's on a key of many small parts; what it protects are hosts that the
/// program itself names, and two keys are equal only if all of their parts are.
#[cfg(not(any(pool_loom, feature = "testing")))]
type Hasher = foldhash::quality::RandomState;
/// A model must take the same path each time, and so must a simulation: the order of the hosts is the map's.
#[cfg(any(pool_loom, feature = "testing"))]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

#[cfg(not(pool_loom))]
const SHARDS: usize = 32;
#[cfg(pool_loom)]
const SHARDS: usize = 1;

/// A concurrent map from keys to connections, with admission: limits, queues, hand-off.
///
/// Cloning gives another handle. When the last handle is dropped the manager closes: waiters get
/// [`ErrorKind::Closed`](crate::ErrorKind::Closed), idle connections close, leased ones close when they come back.
#[doc(alias = "PoolManager")]
pub struct ConnectionManager<C: Send + Sync + 'static> {
    shared: Arc<Shared<C>>,
}

impl<C: Send + Sync + 'static> ConnectionManager<C> {
    /// A manager without a network: connections come in by [`add`](Self::add).
    pub fn new(limits: &Limits) -> Self {
        let config = Config {
            limits: limits.clone(),
            ..Config::default()
        };
        Self::build(&config, StdArc::new(NoDriver), false, false)
    }

    /// A manager that asks `driver` to look up names and to dial.
    pub fn with_driver(config: &Config, driver: StdArc<dyn Driver<C>>) -> Self {
        Self::build(config, driver, true, false)
    }

    /// As [`with_driver`](Self::with_driver), with [`Endpoints`] kept up to date for a selector.
    pub(crate) fn selecting(config: &Config, driver: StdArc<dyn Driver<C>>, selects: bool) -> Self {
        Self::build(config, driver, true, selects)
    }

    fn build(
        config: &Config,
        driver: StdArc<dyn Driver<C>>,
        resolves: bool,
        selects: bool,
    ) -> Self {
        let hasher = Hasher::default();
        let shards = (0..SHARDS)
            .map(|_| RwLock::new(Shard::with_hasher(hasher.clone())))
            .collect();
        Self {
            shared: Arc::new(Shared {
                shards,
                hasher,
                budget: Budget::new(total_limits(&config.limits)),
                sites: Mutex::default(),
                driver,
                limits: Mutex::new(config.limits.clone()),
                host_limits: Mutex::new(host_limits(config, selects)),
                resolves,
                selects,
                ids: AtomicU64::new(1),
                closed: AtomicBool::new(false),
                handles: AtomicUsize::new(1),
                forgotten: Mutex::default(),
                known: AtomicU64::new(0),
                crowded: AtomicU64::new(crowded(&config.limits, 0)),
                scan_from: AtomicUsize::new(0),
                next_scan: Mutex::new(None),
                lock_waits: Histogram::default(),
                lock_holds: Histogram::default(),
            }),
        }
    }

    /// Whether [`Endpoints`] are kept up to date for a selector.
    pub(crate) fn selects(&self) -> bool {
        self.shared.selects
    }

    /// The host of this key, made if it is new. Keep the handle to skip the lookup.
    pub fn host(&self, key: &Key) -> HostHandle<C> {
        HostHandle(Shared::host(&self.shared, key))
    }

    /// Waits for a lease on a connection for `key`; see [`HostHandle::acquire`].
    #[doc(alias = "WaitForAvailable")]
    pub fn acquire(&self, key: &Key) -> Acquire<C> {
        self.host(key).acquire()
    }

    /// Claims a connection if one has room now and nobody queues for it.
    #[doc(alias("getExistingConnection", "TryAcquire"))]
    pub fn try_acquire(&self, key: &Key) -> Option<Lease<C>> {
        let host = self.shared.find(key)?;
        HostHandle(host).try_acquire()
    }

    /// Forgets hosts that hold nothing, until at most `keep` hosts are left. Returns how many were forgotten.
    pub fn forget_empty_hosts(&self, keep: usize) -> usize {
        self.shared.forget_empty(keep, None)
    }

    /// New limits. Raising serves waiters; lowering closes idle connections and lets busy ones finish.
    #[doc(alias = "UpdateConfig")]
    pub fn set_limits(&self, config: &Config) {
        *lock(&self.shared.limits) = config.limits.clone();
        let limits = {
            let mut current = lock(&self.shared.host_limits);
            *current = host_limits(config, self.shared.selects);
            *current
        };
        let crowded = crowded(&config.limits, 0);
        self.shared.crowded.store(crowded, Ordering::Relaxed);
        let total = total_limits(&config.limits);
        // What is lowered in all comes before the hosts hear of it, what is raised after: a dial that starts meanwhile keeps
        // the limits in all, and those of its host that the host knows of.
        Budget::lower_limits(&self.shared, total);
        let hosts = self.shared.hosts();
        for host in &hosts {
            Host::event(host, |state, at, out| state.set_limits(limits, at, out));
        }
        Budget::set_limits(&self.shared, total);
        self.shared.shed_surplus(&hosts);
        for host in &hosts {
            // What had not been idle for long enough to be reclaimed for it may have been by now.
            if host.enrolled.load(Ordering::SeqCst) {
                Host::tick(host);
            }
        }
    }

    /// Refuses new leases and those who wait, closes idle connections, lets leased ones finish. Idempotent.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// Connections and dials that hold a permit: what is left to wait for after a close.
    pub fn permits_in_use(&self) -> (usize, usize) {
        self.shared.budget.in_use()
    }

    /// What there is now, and what has happened so far.
    #[doc(alias = "GetStats")]
    pub fn snapshot(&self) -> Snapshot {
        snapshot::take(&self.shared)
    }
}

impl<C: Send + Sync + 'static> Clone for ConnectionManager<C> {
    fn clone(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::SeqCst);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<C: Send + Sync + 'static> Drop for ConnectionManager<C> {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.close();
            // Hosts hold what all hosts share, and the map holds the hosts: emptied, so that both go.
            for shard in &self.shared.shards {
                let emptied = std::mem::take(&mut *write(shard));
                drop(emptied);
            }
        }
    }
}

impl<C: Send + Sync + 'static> fmt::Debug for ConnectionManager<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionManager")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<C: Send + Sync + 'static> Shared<C> {
    fn shard(&self, key: &Key) -> &RwLock<Shard<C>> {
        let hash = self.hasher.hash_one(key);
        &self.shards[hash as usize % self.shards.len()]
    }

    fn find(&self, key: &Key) -> Option<Arc<Host<C>>> {
        read(self.shard(key)).get(key).cloned()
    }

    /// The host of this key. A forgotten host may still be in the map for a moment: it is replaced.
    fn host(shared: &Arc<Self>, key: &Key) -> Arc<Host<C>> {
        if let Some(host) = shared.find(key)
            && !host.is_retired()
        {
            return host;
        }
        let fresh = Arc::new(Host::new(
            shared.clone(),
            key.clone(),
            lock(&shared.sites).join(key),
            shared.new_state(key),
        ));
        let (host, is_new, replaced) = {
            let mut shard = write(shared.shard(key));
            match shard.get(key) {
                Some(host) if !host.is_retired() => (host.clone(), false, None),
                _ => {
                    let replaced = shard.insert(key.clone(), fresh.clone());
                    (fresh, replaced.is_none(), replaced)
                }
            }
        };
        // Outside the lock: what it held last may be somebody else's error.
        drop(replaced);
        if is_new {
            let known = shared.known.fetch_add(1, Ordering::Relaxed) + 1;
            shared.make_room(known, &host);
        }
        // After the insertion, so that a close, or a change of limits, either finds the host in the map or is seen
        // here.
        if shared.closed.load(Ordering::SeqCst) {
            Host::event(&host, |state, _, out| state.close(out));
            // The last handle may have emptied the map already: a host in it would keep itself alive.
            shared.unmap(&host);
        } else {
            let limits = *lock(&shared.host_limits);
            Host::event(&host, |state, at, out| {
                if *state.limits() != limits {
                    state.set_limits(limits, at, out);
                }
            });
        }
        host
    }

    fn unmap(&self, host: &Arc<Host<C>>) {
        let mut shard = write(self.shard(&host.key));
        let found = shard.get(&host.key);
        if found.is_some_and(|found| Arc::ptr_eq(found, host)) {
            shard.remove(&host.key);
            self.known.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Forgets empty hosts if there are too many: upkeep does too, but between two rounds of it there may come any
    /// number, or there may be no rounds.
    fn make_room(&self, known: u64, newcomer: &Arc<Host<C>>) {
        if known <= self.crowded.load(Ordering::Relaxed)
            || self.crowded.swap(u64::MAX, Ordering::Relaxed) == u64::MAX
        {
            return;
        }
        let keep = lock(&self.limits).hosts;
        self.forget_empty(keep, Some(newcomer));
        let left = self.known.load(Ordering::Relaxed);
        let crowded = crowded(&lock(&self.limits), left);
        self.crowded.store(crowded, Ordering::Relaxed);
    }

    fn new_state(&self, key: &Key) -> HostState {
        let limits = *lock(&self.host_limits);
        let multiplexes = match (key.allowed_protocols(), key.scheme()) {
            (Protocols::Http1, _) | (Protocols::Auto, Scheme::Http) => false,
            (Protocols::Http2, _) | (Protocols::Auto, Scheme::Https) => true,
        };
        HostState::new(
            limits,
            self.resolves,
            if multiplexes { limits.streams } else { 1 },
        )
    }

    pub(crate) fn next_id(&self) -> ConnId {
        ConnId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn hosts(&self) -> Vec<Arc<Host<C>>> {
        let mut hosts = Vec::new();
        for shard in &self.shards {
            hosts.extend(read(shard).values().cloned());
        }
        hosts
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for host in self.hosts() {
            Host::event(&host, |state, _, out| state.close(out));
        }
        self.budget.close();
    }

    /// Forgets all but `keep` hosts, as far as they are empty and not the one to spare.
    fn forget_empty(&self, keep: usize, spare: Option<&Arc<Host<C>>>) -> usize {
        let hosts = self.hosts();
        let excess = hosts.len().saturating_sub(keep);
        let mut forgotten = 0;
        for host in hosts {
            if forgotten == excess {
                break;
            }
            if spare.is_some_and(|spare| Arc::ptr_eq(spare, &host)) {
                continue;
            }
            // Marked under its own lock, then unmapped: whoever holds it sees the mark and looks again.
            let Some(counters) = Host::step(&host, |core| {
                core.state.retire_host().then(|| {
                    host.mark_retired();
                    core.state.counters().clone()
                })
            }) else {
                continue;
            };
            lock(&self.forgotten).absorb(&counters);
            self.unmap(&host);
            forgotten += 1;
        }
        forgotten
    }
}

fn read<T>(lock: &RwLock<T>) -> impl std::ops::Deref<Target = T> + '_ {
    lock.read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> impl std::ops::DerefMut<Target = T> + '_ {
    lock.write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How many hosts are too many, when `left` could not be forgotten: an eighth more, so that the look at each of them is
/// shared by many newcomers.
fn crowded(limits: &Limits, left: u64) -> u64 {
    let most = limits.hosts as u64;
    left.max(most).saturating_add(most / 8).saturating_add(1)
}

fn total_limits(limits: &Limits) -> TotalLimits {
    TotalLimits {
        site: limits.per_site.unwrap_or(limits.per_host),
        conns: limits.total,
        dials: limits.dials_total,
        waiters: limits.waiters_total,
        idle: limits.idle_total,
    }
}

fn host_limits(config: &Config, selects: bool) -> HostLimits {
    let limits = &config.limits;
    HostLimits {
        conns: limits.per_host,
        per_endpoint: limits.per_endpoint,
        dials: limits.dials_per_host,
        waiters: limits.waiters_per_host,
        idle: limits.idle_per_host,
        streams: limits.streams_per_conn,
        fair_turn: limits.fair_turn,
        heavy: HEAVY,
        spread: match config.dial.when_busy {
            // Whoever is busy makes do with what is open.
            DialWhenBusy::Never => 1,
            _ => config.http2.connections,
        },
        spread_after: SPREAD_AFTER,
        attempt_delay: config.dial.attempt_delay,
        backoff_base: config.dial.backoff_base,
        backoff_max: config.dial.backoff_max,
        jitter: config.dial.jitter,
        when_busy: config.dial.when_busy,
        selects,
    }
}

/// Requests at a time that are many for one HTTP/2 connection.
///
/// Of 16 on one connection, 8 on each of two were 1.28 times as fast (two processors, TLS, small bodies).
const HEAVY: usize = 8;

/// How long a host's connections must have carried many before there is one more: what lasts that long pays for a handshake,
/// and is no burst.
const SPREAD_AFTER: Duration = Duration::from_millis(500);
