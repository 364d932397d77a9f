//! A listener that opens and shuts at a word, and keeps its address meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;

/// One listening address.
///
/// Shutting and opening take effect before they return: the listener lives here and not in the task that accepts.
#[derive(Debug)]
pub(super) struct Door {
    addr: SocketAddr,
    runtime: Handle,
    leaf: Mutex<Leaf>,
}

/// A connection that came in.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// For [`Door::was_killed_since`].
    pub(super) kills: u64,
}

#[derive(Debug)]
struct Leaf {
    state: State,
    // How often it was killed: tells a connection of an earlier life, accepted and not yet served, from later ones.
    kills: u64,
    // The accepting task: a dropped listener forgets it, and a new one does not know it yet.
    waker: Option<Waker>,
}

#[derive(Debug)]
enum State {
    Open(TcpListener),
    /// Bound and not listening, so that connecting is refused and nobody else takes the port. `None` if the
    /// address could not be bound again at once.
    Shut(Option<TcpSocket>),
    /// For good.
    Gone,
}

impl Door {
    /// Listens on `addr`; port zero takes a free one. Needs a runtime.
    pub(super) fn open_at(addr: SocketAddr) -> io::Result<Self> {
        let listener = bind(addr)?.listen(BACKLOG)?;
        Ok(Self {
            addr: listener.local_addr()?,
            runtime: Handle::current(),
            leaf: Mutex::new(Leaf {
                state: State::Open(listener),
                kills: 0,
                waker: None,
            }),
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next connection; `None` once the door is gone. After an error the caller waits a little and asks again:
    /// nothing else will wake it.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Accepted>>> {
        let mut leaf = self.leaf();
        leaf.waker = Some(cx.waker().clone());
        match &leaf.state {
            State::Open(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(Some(Ok(Accepted {
                    stream,
                    peer,
                    kills: leaf.kills,
                })))
            }
            State::Shut(_) => Poll::Pending,
            State::Gone => Poll::Ready(None),
        }
    }

    /// Whether it was killed since it accepted this.
    pub(super) fn was_killed_since(&self, kills: u64) -> bool {
        self.leaf().kills != kills
    }

    /// Refuses connections from now on, and disowns those accepted before.
    pub(super) fn kill(&self) {
        let mut leaf = self.leaf();
        leaf.kills += 1;
        self.shut_leaf(&mut leaf);
    }

    /// Refuses connections from now on.
    pub(super) fn shut(&self) {
        self.shut_leaf(&mut self.leaf());
    }

    /// Listens again, on the same address and port.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut leaf = self.leaf();
        let State::Shut(reserved) = &mut leaf.state else {
            return Ok(());
        };
        let socket = match reserved.take() {
            Some(socket) => socket,
            None => bind(self.addr)?,
        };
        let _runtime = self.runtime.enter();
        leaf.state = State::Open(socket.listen(BACKLOG)?);
        let waker = leaf.waker.take();
        drop(leaf);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Closes for good and gives up the port; the accepting task ends.
    pub(super) fn remove(&self) {
        let mut leaf = self.leaf();
        leaf.state = State::Gone;
        let waker = leaf.waker.take();
        drop(leaf);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn shut_leaf(&self, leaf: &mut Leaf) {
        if let State::Open(_) = leaf.state {
            // The listener first: its address cannot be bound beside it.
            leaf.state = State::Shut(None);
            leaf.state = State::Shut(bind(self.addr).ok());
        }
    }

    fn leaf(&self) -> MutexGuard<'_, Leaf> {
        self.leaf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of an earlier listener may still hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Connections that wait to be accepted: more than any burst of a scenario.
const BACKLOG: u32 = 4096;
