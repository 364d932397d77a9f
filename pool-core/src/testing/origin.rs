//! One address of a fleet.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use h2::Reason;
use tokio::sync::mpsc::{self, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinHandle, JoinSet, yield_now};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::book::Book;
use super::cert::Alpn;
use super::conn::{Command, Conn};
use super::door::{Accepted, Door};
use super::ledger::Ledger;
use super::script::{Close, Script};
use super::wire::Socket;

/// One address of a [`Fleet`](super::Fleet): a listener, its connections, and the [`Script`] they follow.
///
/// Its methods may be called from any thread. What they ask of connections is done by the connections' own tasks, soon;
/// what they do themselves says so.
pub struct Origin {
    core: Arc<Core>,
    // Taken by `ended`.
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Origin {
    /// Where it listens, or would.
    pub fn addr(&self) -> SocketAddr {
        self.core.addr()
    }

    /// What it saw; the same book as the fleet's.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::clone(&self.core.book), Some(self.core.index))
    }

    /// Changes how it behaves from the next connection and the next request on.
    ///
    /// `change` runs under a lock: it must not call this origin.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.core.lock_script();
        change(Arc::make_mut(&mut script));
        let refuse = script.refuse;
        drop(script);
        if refuse {
            self.core.door.shut();
        } else if !self.is_killed() {
            // An address that somebody took meanwhile stays shut; `restart` reports it.
            let _ = self.core.door.open();
        }
        self.tell(Command::Look);
    }

    /// Dies: when this returns, the listener is closed and every connection was cut with RST.
    ///
    /// What the kernel had accepted for it is reset too. The port stays reserved.
    pub fn kill(&self) {
        *self.core.lock_killed() = true;
        self.core.door.kill();
        self.core.cut_all();
    }

    /// Comes back after [`kill`](Self::kill), on the same address and port, with the script it had.
    ///
    /// A script that refuses keeps it closed.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn restart(&self) -> io::Result<()> {
        *self.core.lock_killed() = false;
        if self.core.script().refuse {
            return Ok(());
        }
        let mut tries = 0;
        loop {
            match self.core.door.open() {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < 100 => {}
                result => return result,
            }
            tries += 1;
            yield_now().await;
        }
    }

    /// Whether it was killed and not restarted.
    pub fn is_killed(&self) -> bool {
        *self.core.lock_killed()
    }

    /// Ends every connection gracefully: HTTP/2 says GOAWAY, lets the streams it has end and closes; HTTP/1.1 closes
    /// now if idle, and else after an answer with `connection: close`.
    pub fn goaway(&self) {
        self.tell(Command::Goaway);
    }

    /// Ends every connection at once: HTTP/2 with a GOAWAY of this reason that names the streams seen so far, all of
    /// which die; HTTP/1.1 with FIN.
    pub fn abrupt_goaway(&self, reason: Reason) {
        self.tell(Command::AbruptGoaway(reason));
    }

    /// Closes every connection that carries no request, with FIN and nothing above it.
    pub fn close_idle(&self) {
        self.tell(Command::CloseIfIdle);
    }

    /// Ends every connection this way, whatever it carries.
    pub fn close_all(&self, how: Close) {
        self.tell(Command::End(how));
    }

    /// Makes every open connection a half-open one: the socket stays, nothing on it is read or answered any more.
    /// New connections are served.
    pub fn silence(&self) {
        self.tell(Command::Silence);
    }

    pub(super) fn start(core: Core) -> Self {
        let core = Arc::new(core);
        let accepting = tokio::spawn(accept(Arc::clone(&core)));
        Self {
            core,
            accepting: Mutex::new(Some(accepting)),
        }
    }

    /// Cuts everything for good.
    pub(super) fn remove(&self) {
        self.core.door.remove();
        self.core.cut_all();
    }

    /// Waits until no task of it is left, after [`remove`](Self::remove).
    pub(super) async fn ended(&self) {
        let accepting = self.accepting.lock();
        let accepting = accepting.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            // Cancelled: its runtime is going, and the connections with it.
            let _ = accepting.await;
        }
    }

    fn tell(&self, command: Command) {
        for entry in self.core.conns().values() {
            // A connection that is just ending hears nothing any more.
            let _ = entry.commands.send(command);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("addr", &self.addr())
            .field("killed", &self.is_killed())
            .finish_non_exhaustive()
    }
}

/// What an origin's tasks share.
pub(super) struct Core {
    pub(super) index: usize,
    pub(super) door: Door,
    pub(super) book: Arc<Book>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) alpn: Alpn,
    pub(super) timing: Timing,
    pub(super) max_streams: Option<u32>,
    pub(super) state: State,
    /// Tells the fleet, by being dropped, that the last task is gone.
    pub(super) _held: mpsc::Sender<()>,
}

/// What takes the place of distance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    /// From accepting a connection to reading its first byte.
    pub(super) handshake: Duration,
    /// From reading a request to answering it.
    pub(super) rtt: Duration,
}

/// What changes while an origin runs. No two of its locks are held together.
#[derive(Default)]
pub(super) struct State {
    script: Mutex<Arc<Script>>,
    killed: Mutex<bool>,
    conns: Mutex<HashMap<u64, Entry>>,
}

struct Entry {
    socket: Socket,
    commands: UnboundedSender<Command>,
    // None while the task is being spawned.
    task: Option<AbortHandle>,
}

impl Core {
    pub(super) fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    pub(super) fn script(&self) -> Arc<Script> {
        Arc::clone(&self.lock_script())
    }

    /// A connection has ended.
    pub(super) fn forget(&self, conn: u64) {
        self.conns().remove(&conn);
        self.book.enter_closed(conn);
    }

    fn cut_all(&self) {
        let ids: Vec<u64> = self.conns().keys().copied().collect();
        for id in ids {
            self.cut(id);
        }
    }

    fn cut(&self, id: u64) {
        let Some(entry) = self.conns().remove(&id) else {
            return;
        };
        entry.socket.cut();
        if let Some(task) = entry.task {
            task.abort();
        }
        self.book.enter_closed(id);
    }

    fn lock_script(&self) -> MutexGuard<'_, Arc<Script>> {
        let script = self.state.script.lock();
        script.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_killed(&self) -> MutexGuard<'_, bool> {
        let killed = self.state.killed.lock();
        killed.unwrap_or_else(PoisonError::into_inner)
    }

    fn conns(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        let conns = self.state.conns.lock();
        conns.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(core: Arc<Core>) {
    let mut tasks = JoinSet::new();
    loop {
        let accepted = poll_fn(|cx| {
            while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
            core.door.poll_accept(cx)
        });
        match accepted.await {
            Some(Ok(accepted)) => admit(&core, &mut tasks, accepted),
            // Out of files, most likely: they come back when something closes, which nothing here would notice.
            Some(Err(_)) => sleep(Duration::from_millis(10)).await,
            None => break,
        }
    }
    // What was accepted while the door was being removed.
    core.cut_all();
    tasks.shutdown().await;
}

fn admit(core: &Arc<Core>, tasks: &mut JoinSet<()>, accepted: Accepted) {
    let Accepted {
        stream,
        peer,
        kills,
    } = accepted;
    // Without it an answer may wait for the acknowledgement of the one before; if it fails, it only is slower.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream);
    let id = core.book.enter_accepted(core.index, core.addr(), peer);
    let (commands, inbox) = unbounded_channel();
    let entry = Entry {
        socket: socket.clone(),
        commands: commands.clone(),
        task: None,
    };
    core.conns().insert(id, entry);
    let conn = Arc::new(Conn::new(id, peer, Arc::clone(core), socket, commands));
    let task = tasks.spawn(conn.run(inbox));
    let entry = |entry: &mut Entry| entry.task = Some(task.clone());
    let is_entered = core.conns().get_mut(&id).map(entry).is_some();
    if !is_entered {
        // Cut in between, or over already.
        task.abort();
    }
    if core.door.was_killed_since(kills) {
        // Accepted just before, entered just after the others were cut.
        core.cut(id);
    }
}
