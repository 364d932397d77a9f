//! A connection to a peer in memory, polled by hand: no runtime turns, no time passes, and a lost wake-up is a stall.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use crate::config::{Http1Engine, Limits};
use crate::http::conn::Running;
use crate::http::{ConnEvents, HttpConn, HttpSettings};
use crate::info::{ConnFacts, Protocol};
use crate::key::{Key, Scheme};
use crate::manager::{CloseReason, ConnectionManager, Entry, Lease, NewConn};

/// What a peer writes, and how it ends. Each piece arrives when nobody has anything to do but wait for it.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) pieces: VecDeque<Bytes>,
    pub(super) end: End,
}

/// What a peer does when it has written everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Silence,
    Close,
    Reset,
}

/// One HTTP/1.1 connection, its driver, and whoever uses it.
pub(super) struct Rig {
    peer: Arc<Mutex<Peer>>,
    driver: Running,
    /// Whether the driver has been woken.
    woken: Arc<Flag>,
    entry: Arc<Entry<HttpConn>>,
    manager: ConnectionManager<HttpConn>,
    key: Key,
}

/// Where timers would live. Nobody drives it, so that none ever fires.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build();
    runtime.expect("a runtime without I/O needs nothing that could be missing")
});

impl Rig {
    pub(super) fn new(engine: Http1Engine, script: Script) -> Self {
        let peer = Arc::new(Mutex::new(Peer::new(script)));
        let settings = HttpSettings {
            http1_engine: engine,
            ..HttpSettings::default()
        };
        let (protocol, facts) = (Protocol::Http1, facts());
        let target = facts.target;
        let io = Box::new(Wire(peer.clone()));
        let (conn, driver) = HttpConn::handshake(io, protocol, &settings, facts, RUNTIME.handle())
            .now_or_never()
            .and_then(Result::ok)
            .expect("HTTP/1.1 begins without a word");
        let key = Key::new(Scheme::Https, "a.test", 443);
        let manager = ConnectionManager::new(&Limits::default());
        let added = manager.add(&key, NewConn::exclusive(target, conn));
        let _id = added.expect("the first connection is below every limit");
        let mut entries = manager.host(&key).entries();
        Self {
            peer,
            driver: driver.run(Arc::new(Deaf)),
            woken: Flag::raised(),
            entry: entries.remove(0),
            manager,
            key,
        }
    }

    /// The right to an exchange, if the connection may have another one.
    pub(super) fn lease(&self) -> Option<Lease<HttpConn>> {
        let lease = self.manager.try_acquire(&self.key)?;
        lease.conn().is_open().then_some(lease)
    }

    pub(super) fn facts(&self) -> &Arc<ConnFacts> {
        self.entry.value().facts()
    }

    /// Has the peer write this as well.
    pub(super) fn hear(&self, piece: &'static [u8]) {
        let piece = Bytes::from_static(piece);
        self.lock().script.pieces.push_back(piece);
    }

    /// All that the peer has received.
    pub(super) fn written(&self) -> Vec<u8> {
        self.lock().written.clone()
    }

    /// Runs `future`, the driver and the peer. `None`: nobody will ever move again, and `future` is dropped.
    pub(super) fn run<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let _context = RUNTIME.enter();
        let mut future = pin!(future);
        let woken = Flag::raised();
        let waker = Waker::from(woken.clone());
        loop {
            let turn = woken.take();
            if turn
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return Some(output);
            }
            if !self.turn() && !turn && !Peer::step(&self.peer) {
                return None;
            }
        }
    }

    /// Lets everything happen that still will.
    pub(super) fn settle(&mut self) {
        let never: Option<()> = self.run(std::future::pending());
        debug_assert!(never.is_none());
    }

    /// Polls the driver, if it has been woken.
    fn turn(&mut self) -> bool {
        let turn = self.woken.take();
        if turn {
            let waker = Waker::from(self.woken.clone());
            let _ended = Pin::new(&mut self.driver).poll(&mut Context::from_waker(&waker));
        }
        turn
    }

    fn lock(&self) -> MutexGuard<'_, Peer> {
        lock(&self.peer)
    }
}

fn facts() -> Arc<ConnFacts> {
    Arc::new(ConnFacts {
        target: ([192, 0, 2, 1], 443).into(),
        source: None,
        leased: None,
        protocol: Protocol::Http1,
        profile: None,
        fidelity: None,
        resumed: false,
        certificate_expires: None,
    })
}

/// Nobody listens: what became of the connection is asked when everything has happened.
struct Deaf;

impl ConnEvents for Deaf {
    fn stream_limit(&self, _: usize) {}
    fn draining(&self, _: CloseReason) {}
    fn closed(&self, _: CloseReason) {}
}

/// Whether a future is to be polled.
struct Flag(AtomicBool);

impl Flag {
    fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Peer {
    script: Script,
    /// On its way to the client.
    here: Bytes,
    /// How the peer ended, once it has.
    ended: Option<End>,
    reader: Option<Waker>,
    written: Vec<u8>,
}

impl Peer {
    fn new(script: Script) -> Self {
        Self {
            script,
            here: Bytes::new(),
            ended: None,
            reader: None,
            written: Vec::new(),
        }
    }

    /// Does the next thing of the script. `false`: it has come to its end.
    fn step(peer: &Mutex<Self>) -> bool {
        let mut peer = lock(peer);
        if let Some(piece) = peer.script.pieces.pop_front() {
            // What is still here is on its way to a client that does not read now.
            peer.here = if peer.here.is_empty() {
                piece
            } else {
                [&peer.here[..], &piece].concat().into()
            };
        } else if peer.ended.is_none() && peer.script.end != End::Silence {
            peer.ended = Some(peer.script.end);
        } else {
            return false;
        }
        let reader = peer.reader.take();
        drop(peer);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }
}

fn lock(peer: &Mutex<Peer>) -> MutexGuard<'_, Peer> {
    peer.lock().expect("nothing panics under this lock")
}

/// The client's end of the connection.
struct Wire(Arc<Mutex<Peer>>);

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut peer = lock(&self.0);
        if peer.here.is_empty() {
            return match peer.ended {
                Some(End::Close) => Poll::Ready(Ok(())),
                Some(End::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(End::Silence) | None => {
                    peer.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let n = peer.here.len().min(buf.remaining());
        buf.put_slice(&peer.here[..n]);
        peer.here.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
