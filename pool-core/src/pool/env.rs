//! What the pool's tasks share: settings, plugins, the runtime they run on.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select;
use pool_health::{AccessContext, Denied};
use pool_localip::Lease;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::live::{Live, Sources};
use super::plugins::Plugins;
use super::sources::Retirements;
use super::suspend::SuspendWatch;
use super::sweeper::Inbox;
use crate::clock;
use crate::dial::{DialRequest, Opened};
use crate::error::{Error, ErrorKind};
use crate::http::{HttpSettings, RetryBudget, Running};
use crate::key::{Key, Scheme};
use crate::observe::{Handshakes, Histogram, SourceBook};
use crate::upkeep::{EndedBans, Followed, Precedence};

#[derive(Debug)]
pub(crate) struct Env {
    /// The settings in force.
    live: watch::Sender<Arc<Live>>,
    pub(super) sources: Sources,
    pub(crate) plugins: Plugins,
    home: Mutex<Home>,
    /// Told when a leased source address came back.
    pub(crate) source_freed: Arc<Notify>,
    pub(crate) source_book: Arc<SourceBook>,
    pub(crate) retirements: Arc<Retirements>,
    /// Told when a socket's permit came back, and when the books have heard that a connection is closed.
    pub(crate) less_is_open: Notify,
    /// Who waits for the answers of lookups to end.
    pub(crate) followed: Followed,
    pub(crate) ended_bans: EndedBans,
    /// Which warm-ups are under way.
    pub(crate) precedence: Precedence,
    /// `true` once the pool is closed.
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) retries: RetryBudget,
    pub(crate) suspend: SuspendWatch,
    pub(crate) acquire_wait: Histogram,
    pub(crate) connect_time: Histogram,
    pub(crate) handshake_time: Histogram,
    pub(crate) handshakes: Handshakes,
}

impl Env {
    pub(crate) fn new(live: Live, sources: Sources, plugins: Plugins) -> Self {
        let retry = &live.config.retry;
        Self {
            retries: RetryBudget::new(retry.budget_min, retry.budget_percent),
            suspend: SuspendWatch::new(clock::now()),
            live: watch::Sender::new(Arc::new(live)),
            sources,
            plugins,
            home: Mutex::default(),
            source_freed: Arc::default(),
            source_book: Arc::default(),
            retirements: Arc::default(),
            less_is_open: Notify::new(),
            followed: Followed::default(),
            ended_bans: EndedBans::default(),
            precedence: Precedence::default(),
            closing: watch::Sender::new(false),
            acquire_wait: Histogram::default(),
            connect_time: Histogram::default(),
            handshake_time: Histogram::default(),
            handshakes: Handshakes::default(),
        }
    }

    /// The settings in force. What a request or a round began with stays true for it.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// The settings in force, and those that come after.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Live>> {
        self.live.subscribe()
    }

    pub(super) fn put(&self, live: Live) {
        self.live.send_replace(Arc::new(live));
    }

    /// The runtime of dials, drivers and upkeep.
    pub(crate) fn runtime(&self) -> Option<Handle> {
        self.home().runtime.clone()
    }

    /// Takes this runtime if there was none. Returns whether it did.
    pub(crate) fn settle(&self, on: impl FnOnce() -> Option<Handle>) -> bool {
        let mut home = self.home();
        if home.runtime.is_some() {
            return false;
        }
        home.runtime = on();
        home.moves += 1;
        home.inbox = None;
        home.runtime.is_some()
    }

    /// Spawns a task of the pool's own. Without a runtime it is dropped here, which tells those who wait for it.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let (runtime, moves) = {
            let home = self.home();
            (home.runtime.clone(), home.moves)
        };
        let mut resident = Resident {
            env: self.clone(),
            moves,
            ended: false,
        };
        let task = async move {
            task.await;
            resident.end();
        };
        if let Some(runtime) = runtime {
            runtime.spawn(task);
        }
    }

    /// As [`spawn`](Self::spawn), and the task ends with the pool, wherever it waits. Dropped unfinished, by that or for want
    /// of a runtime, it tells those who wait for it.
    pub(crate) fn spawn_until_closed(
        self: &Arc<Self>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut closing = self.closing.subscribe();
        self.spawn(async move {
            let closed = pin!(closing.wait_for(|closed| *closed));
            // Whichever comes first: nobody waits for a dial, a timer or a check of a closed pool.
            let _first = select(closed, pin!(task)).await;
        });
    }

    /// Has a connection watched by the one task for all that need none of their own.
    pub(crate) fn watch(self: &Arc<Self>, mut conn: Running) {
        let sweeper = loop {
            let known = self.home().inbox.clone();
            if let Some(inbox) = &known {
                match inbox.put(conn) {
                    Ok(()) => return,
                    Err(back) => conn = back,
                }
            }
            let mut home = self.home();
            if home.inbox.as_ref().map(Arc::as_ptr) == known.as_ref().map(Arc::as_ptr) {
                let (inbox, sweeper) = Inbox::open(conn);
                home.inbox = Some(inbox);
                break sweeper;
            }
        };
        self.spawn(sweeper);
    }

    /// The runtime turned out to be gone: the next acquire from a live one settles there.
    fn unsettle(&self, moves: u64) {
        let mut home = self.home();
        if home.moves == moves {
            home.runtime = None;
        }
    }

    /// Opens a connection if the access lists allow its address, and counts its handshake.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] if they do not; else as [`Plugins::open`].
    pub(crate) async fn open<G: Send + 'static>(
        &self,
        request: DialRequest<'_>,
        lease: Lease,
        guard: G,
    ) -> Result<Opened, Error> {
        // Asked at the lookup too; since then a list may have changed, or somebody else may have named the address.
        let (key, target) = (request.key, request.target);
        if let Some(denied) = self.denies(key, target) {
            let error = Error::new(ErrorKind::Denied).with_host(key.host());
            return Err(error.with_target(target).with_source(denied));
        }
        let opened = self.plugins.open(request, lease, guard).await?;
        if opened.times.handshake.is_some() {
            self.handshakes.note(opened.facts.resumed);
        }
        Ok(opened)
    }

    /// Why this address of the host must not be dialled now, if so.
    pub(crate) fn denies(&self, key: &Key, target: SocketAddr) -> Option<Denied> {
        let live = self.live();
        let cx = AccessContext::new(target, key.host(), clock::now());
        self.plugins.denies(&live.access, &cx)
    }

    /// How connections under this key are spoken to.
    pub(crate) fn http_settings(&self, key: &Key) -> HttpSettings {
        let live = self.live();
        let (http1, http2) = (&live.config.http1, &live.config.http2);
        let planned = match key.scheme() {
            Scheme::Https => self.plugins.profiles.get(key.profile_id()),
            Scheme::Http => None,
        };
        HttpSettings {
            ping_interval: finite(http2.ping_interval),
            ping_timeout: http2.ping_timeout,
            http1_engine: http1.engine,
            http1_buffer: http1.buffer,
            http1_headers: http1.headers,
            max_frame: http2.frame,
            max_head_size: http2.header_list,
            stream_window: http2.stream_window,
            connection_window: http2.connection_window,
            greeting_timeout: finite(live.config.timeouts.handshake),
            default_headers: planned.and_then(|planned| planned.headers.clone()),
            dress: planned.and_then(|planned| planned.dress.clone()),
        }
    }

    fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the pool's tasks run.
#[derive(Debug, Default)]
struct Home {
    runtime: Option<Handle>,
    /// Tells a task of an earlier runtime that the pool has moved on.
    moves: u64,
    /// Of the task that watches connections, as long as it lives.
    inbox: Option<Arc<Inbox>>,
}

/// Notices a task that is dropped before its end: nobody cancels the pool's tasks, so its runtime is gone.
struct Resident {
    env: Arc<Env>,
    moves: u64,
    ended: bool,
}

impl Resident {
    /// A method, so that the task captures the whole and not one field of it.
    fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        if !self.ended && !std::thread::panicking() {
            self.env.unsettle(self.moves);
        }
    }
}

/// `Duration::MAX` means never. Zero means at once; a configuration that has one is refused.
pub(crate) fn finite(duration: Duration) -> Option<Duration> {
    (duration != Duration::MAX).then_some(duration)
}
