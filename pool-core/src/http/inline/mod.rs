//! HTTP/1.1 in the caller's task: whoever waits for a response reads it from the socket.
//!
//! There is no dispatcher and no channel. The driver of a connection sleeps; it wakes when the connection is idle and the
//! peer closes or speaks out of turn, or when the connection is to end.

mod chunked;
mod encode;
mod exchange;
mod framing;
mod head;
mod upload;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
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
        self.read.reserve(self.next_read);
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
        if !self.is_open() {
            return false;
        }
        let mut state = self.lock();
        let idle = state.wire.is_some() && !state.exchanging;
        state.exchanging |= idle;
        idle
    }

    /// Whether an exchange may begin, or is under way.
    pub(super) fn is_open(&self) -> bool {
        if self.control.wish() != Wish::Stay {
            return false;
        }
        let (bad, open) = {
            let mut state = self.lock();
            (state.look(), state.wire.is_some())
        };
        if let Some((reason, wire)) = bad {
            drop(wire);
            self.over(reason);
        }
        open
    }

    /// The exchange has ended and left the connection in order, if `keeps_alive`. Returns why it cannot be used again, if it
    /// cannot.
    fn check_in(&self, keeps_alive: bool) -> Option<CloseReason> {
        let wish = self.control.wish().reason();
        let (bad, known) = {
            let mut state = self.lock();
            state.exchanging = false;
            let known = state.exchanger.take();
            let bad = if keeps_alive {
                state.look()
            } else {
                let rest = state
                    .wire
                    .as_ref()
                    .is_some_and(|wire| !wire.read.is_empty());
                let reason = if rest {
                    CloseReason::Error
                } else {
                    CloseReason::PeerClosed
                };
                state.wire.take().map(|wire| (reason, wire))
            };
            if let Some(wire) = &mut state.wire {
                wire.rest();
            }
            let gone = bad.is_none() && state.wire.is_none();
            (
                bad.map(|(reason, wire)| (reason, Some(wire)))
                    .or(gone.then_some((CloseReason::Error, None))),
                known,
            )
        };
        drop(known);
        match bad {
            Some((reason, wire)) => {
                drop(wire);
                Some(self.over(reason))
            }
            None => {
                if wish.is_some() {
                    // The driver was told while the exchange went on, and has its goodbye to say.
                    self.control.wake();
                }
                wish
            }
        }
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
        let mut state = self.lock();
        let _known = state.remember(cx.waker());
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
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
        // Cloned before the lock, and the last one dropped after: a waker is the executor's code.
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        let _known = state.watcher.replace(waker);
        let bad = state.look();
        let State {
            wire, exchanging, ..
        } = &mut *state;
        let reason = match (bad, wire) {
            (Some((reason, _wire)), _) => reason,
            (None, None) => self
                .shared
                .control
                .ended()
                .unwrap_or(CloseReason::PeerClosed),
            (None, Some(wire)) => match wish {
                Wish::Close(reason) if !*exchanging => {
                    let goodbye = self
                        .goodbye
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(GOODBYE)));
                    let told = Pin::new(&mut wire.io).poll_shutdown(cx);
                    if told.is_pending() {
                        ready!(goodbye.as_mut().poll(cx));
                    }
                    reason
                }
                _ => return Poll::Pending,
            },
        };
        Poll::Ready(reason)
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
