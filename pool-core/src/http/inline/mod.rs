//! HTTP/1.1 in the caller's task: whoever waits for a response reads it from the socket.
//!
//! There is no dispatcher and no channel. The driver of a connection sleeps; it wakes when the connection is idle and the
//! peer closes or speaks out of turn, or when the connection is to end.

mod chunked;
mod encode;
mod exchange;
mod framing;
mod head;
#[cfg(any(test, pool_fuzzing))]
pub(super) mod splits;
mod upload;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::Sleep;

pub(super) use self::exchange::{Receiving, exchange};
use super::conn::{GOODBYE, HttpSettings, is_peer_gone};
use super::control::{Control, Wish};
use super::metered::{Meter, Metered};
use crate::manager::CloseReason;

/// The first read of a response; as much as hyper begins with.
const FIRST_READ: usize = 8 * 1024;

/// Room that is worth a read.
const LEAST_READ: usize = 1024;

/// Reads grow up to this while a body fills them.
const LARGEST_READ: usize = 64 * 1024;

pub(super) fn handshake(
    io: Metered,
    settings: &HttpSettings,
    control: &Arc<Control>,
    meter: &Arc<Meter>,
    runtime: &Handle,
) -> (Arc<Shared>, Machine) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            wire: Some(Wire {
                io,
                read: BytesMut::new(),
                next_read: FIRST_READ,
            }),
            exchanging: false,
            watcher: None,
            exchanger: None,
        }),
        control: control.clone(),
        meter: meter.clone(),
        runtime: runtime.clone(),
        head: settings.http1_buffer,
        fields: settings.http1_headers,
    });
    let machine = Machine {
        shared: shared.clone(),
        goodbye: None,
    };
    (shared, machine)
}

/// What exchanges and the driver of one connection share.
pub(super) struct Shared {
    state: Mutex<State>,
    control: Arc<Control>,
    meter: Arc<Meter>,
    runtime: Handle,
    /// Bytes of the head of a response.
    head: usize,
    /// Fields in it.
    fields: usize,
}

struct State {
    /// `None` once the socket is gone.
    wire: Option<Wire>,
    exchanging: bool,
    /// The driver: to be woken by what happens on an idle connection.
    watcher: Option<Waker>,
    /// Whoever waits for the exchange, to be woken if the driver ends the connection under it.
    exchanger: Option<Waker>,
}

/// The socket, and what has been read from it ahead of whoever wants it.
struct Wire {
    io: Metered,
    read: BytesMut,
    next_read: usize,
}

impl Wire {
    /// Reads more. Zero: the peer sends no more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.read.capacity() - self.read.len() < LEAST_READ {
            self.read.reserve(self.next_read);
        }
        let room = self.read.capacity() - self.read.len();
        let read = std::pin::pin!(self.io.read_buf(&mut self.read));
        let n = ready!(read.poll(cx))?;
        if n == room {
            self.next_read = (2 * self.next_read).min(LARGEST_READ);
        }
        Poll::Ready(Ok(n))
    }

    /// What is wrong with an idle connection, if anything is: there is nothing to read. Looks through TLS, where bytes may
    /// lie that the socket has no more. Whatever comes later wakes `waker`.
    fn look(&mut self, waker: &Waker) -> Option<CloseReason> {
        if !self.read.is_empty() {
            return Some(CloseReason::Error);
        }
        let mut byte = [0];
        let mut read = ReadBuf::new(&mut byte);
        match Pin::new(&mut self.io).poll_read(&mut Context::from_waker(waker), &mut read) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) if read.filled().is_empty() => Some(CloseReason::PeerClosed),
            // An answer that nobody asked for.
            Poll::Ready(Ok(())) => Some(CloseReason::Error),
            Poll::Ready(Err(error)) => Some(why(&error)),
        }
    }

    /// Why a connection ends after the last response that the peer wants to send.
    fn at_its_end(&self) -> CloseReason {
        if self.read.is_empty() {
            CloseReason::PeerClosed
        } else {
            CloseReason::Error
        }
    }

    /// An idle connection keeps no buffer.
    fn rest(&mut self) {
        self.read = BytesMut::new();
        self.next_read = FIRST_READ;
    }
}

fn why(error: &io::Error) -> CloseReason {
    if is_peer_gone(error) {
        CloseReason::PeerClosed
    } else {
        CloseReason::Error
    }
}

impl State {
    /// Looks at an idle connection; a bad one is taken out, to be dropped outside the lock.
    fn look(&mut self) -> Option<(CloseReason, Wire)> {
        let wire = self.wire.as_mut().filter(|_| !self.exchanging)?;
        let waker = self.watcher.as_ref().unwrap_or(Waker::noop());
        let reason = wire.look(waker)?;
        Some((reason, self.wire.take()?))
    }

    /// Remembers whom to wake if the connection ends under the exchange.
    fn remember(&mut self, waker: &Waker) -> Option<Waker> {
        let known = self.exchanger.as_ref();
        if known.is_some_and(|known| known.will_wake(waker)) {
            return None;
        }
        self.exchanger.replace(waker.clone())
    }
}

impl Shared {
    /// Takes an idle connection for an exchange. `false`: it is gone.
    fn begin(&self) -> bool {
        self.if_open(|state| !std::mem::replace(&mut state.exchanging, true))
    }

    /// Whether an exchange may begin, or is under way.
    pub(super) fn is_open(&self) -> bool {
        self.if_open(|_| true)
    }

    /// Asks `then`, under the lock, if the connection is not to end and has been looked at.
    fn if_open(&self, then: impl FnOnce(&mut State) -> bool) -> bool {
        if self.control.wish() != Wish::Stay {
            return false;
        }
        let (bad, answer) = {
            let mut state = self.lock();
            let bad = state.look();
            let answer = state.wire.is_some() && then(&mut state);
            (bad, answer)
        };
        if let Some((reason, wire)) = bad {
            drop(wire);
            self.over(reason);
        }
        answer
    }

    /// The exchange has ended, and left the connection in order if `keeps_alive`. Returns why it cannot be used again, if
    /// it cannot.
    fn check_in(&self, keeps_alive: bool) -> Option<CloseReason> {
        let (bad, known) = {
            let mut state = self.lock();
            state.exchanging = false;
            let bad = if keeps_alive {
                state.look()
            } else {
                state.wire.take().map(|wire| (wire.at_its_end(), wire))
            };
            if let Some(wire) = &mut state.wire {
                wire.rest();
            }
            (bad, state.exchanger.take())
        };
        drop(known);
        if let Some((reason, wire)) = bad {
            drop(wire);
            return Some(self.over(reason));
        }
        // Looked at only now: who wishes something later wakes a driver that finds the connection idle.
        let reason = self.control.ended().or(self.control.wish().reason());
        if reason.is_some() {
            self.control.wake();
        }
        reason
    }

    /// Drops the socket, if it is still there, in the midst of an exchange.
    fn cut(&self) {
        let (wire, known) = {
            let mut state = self.lock();
            (state.wire.take(), state.exchanger.take())
        };
        drop((wire, known));
    }

    /// The socket is gone for this reason, unless there was one before: the driver has to know.
    fn over(&self, reason: CloseReason) -> CloseReason {
        let reason = self.control.end(reason);
        self.control.wake();
        reason
    }

    /// Writes all of `unsent` and flushes it. The error is `None` if the connection is gone.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        unsent: &mut BytesMut,
    ) -> Poll<Result<(), Option<io::Error>>> {
        // Dropped after the lock: the last waker of a task may drop the task.
        let _known;
        let mut state = self.lock();
        _known = state.remember(cx.waker());
        let Some(wire) = &mut state.wire else {
            return Poll::Ready(Err(None));
        };
        while !unsent.is_empty() {
            let n = ready!(Pin::new(&mut wire.io).poll_write(cx, unsent)).map_err(Some)?;
            if n == 0 {
                return Poll::Ready(Err(Some(io::ErrorKind::WriteZero.into())));
            }
            unsent.advance(n);
        }
        Pin::new(&mut wire.io).poll_flush(cx).map_err(Some)
    }

    /// The stream under this lock may be a plugin's. If it panics, whoever unwinds still has to take it out.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives one connection: sleeps, while nothing is wrong.
pub(super) struct Machine {
    shared: Arc<Shared>,
    goodbye: Option<Pin<Box<Sleep>>>,
}

impl Machine {
    /// Ready, once, when the socket should be dropped.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let wish = self.shared.control.listen(cx);
        if let Wish::Abort(reason) = wish {
            return Poll::Ready(reason);
        }
        // Declared before the lock, so that they are dropped after it: a waker and a socket are somebody else's code.
        let (_known, bad);
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        _known = state.watcher.replace(waker);
        bad = state.look();
        if let Some((reason, _)) = &bad {
            return Poll::Ready(*reason);
        }
        let idle = !state.exchanging;
        let Some(wire) = &mut state.wire else {
            // Whoever took it out says why in a moment, and wakes this task then.
            return match self.shared.control.ended() {
                Some(reason) => Poll::Ready(reason),
                None => Poll::Pending,
            };
        };
        match wish {
            Wish::Close(reason) if idle => {
                if Pin::new(&mut wire.io).poll_shutdown(cx).is_pending() {
                    let goodbye = || Box::pin(tokio::time::sleep(GOODBYE));
                    ready!(self.goodbye.get_or_insert_with(goodbye).as_mut().poll(cx));
                }
                Poll::Ready(reason)
            }
            _ => Poll::Pending,
        }
    }

    /// Drops the socket, and lets whoever waits on it know.
    pub(super) fn end(self) {
        let (wire, exchanger) = {
            let mut state = self.shared.lock();
            (state.wire.take(), state.exchanger.take())
        };
        drop(wire);
        if let Some(exchanger) = exchanger {
            exchanger.wake();
        }
    }
}
