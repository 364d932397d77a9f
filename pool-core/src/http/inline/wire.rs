//! The socket of a connection, and what has been read from it ahead of whoever wants it.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;

use super::buffers;
use crate::http::conn::{STATUS_LINE, is_peer_gone, is_tired};
use crate::http::metered::Metered;
use crate::manager::CloseReason;

/// Room that is worth a read.
const LEAST_READ: usize = 1024;

/// What TLS hands out at a time: room for less costs a read more.
const RECORD: usize = 16 * 1024;

/// Reads grow up to this while a body fills them.
const LARGEST_READ: usize = 64 * 1024;

pub(super) struct Wire {
    io: Metered,
    pub(super) read: BytesMut,
    next_read: usize,
}

impl Wire {
    pub(super) fn new(io: Metered) -> Self {
        Self {
            io,
            read: BytesMut::new(),
            next_read: buffers::SIZE,
        }
    }

    /// Reads more; so many bytes, or none, are known to come. Zero: the peer sends no more.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        to_come: u64,
    ) -> Poll<io::Result<usize>> {
        if self.read.capacity() == 0 {
            self.read = buffers::take();
        }
        let to_come = usize::try_from(to_come).unwrap_or(usize::MAX);
        let room = self.read.capacity() - self.read.len();
        if room < to_come.clamp(LEAST_READ, RECORD) {
            self.next_read = self.next_read.max(to_come.min(LARGEST_READ));
            self.read.reserve(self.next_read);
        }
        let room = (self.read.capacity() - self.read.len()).min(RECORD);
        // No more than comes at a time: whoever reads may write zeros to all of the room first.
        let mut here = (&mut self.read).limit(room);
        let read = pin!(self.io.read_buf(&mut here));
        let n = ready!(read.poll(cx))?;
        if n == room {
            self.next_read = (2 * self.next_read).min(LARGEST_READ);
        }
        Poll::Ready(Ok(n))
    }

    /// Reads what has been read ahead, then from the socket.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            self.read = BytesMut::new();
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let n = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read.split_to(n));
        Poll::Ready(Ok(()))
    }

    /// Writes all of `unsent` and flushes it.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        unsent: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        while !unsent.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, unsent))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            unsent.advance(n);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// What is wrong with an idle connection, if anything is: there is nothing to read. Looks through TLS, where bytes may
    /// lie that the socket has no more. Whatever comes later wakes `waker`.
    pub(super) fn look(&mut self, waker: &Waker) -> Option<CloseReason> {
        if !self.read.is_empty() {
            return Some(unasked(&self.read));
        }
        let mut bytes = [0; STATUS_LINE];
        let mut read = ReadBuf::new(&mut bytes);
        // A task that has used up its turn is told "nothing yet" by every socket, whatever there is.
        let polled = {
            let io = &mut self.io;
            let look = unconstrained(poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut read)));
            pin!(look).poll(&mut Context::from_waker(waker))
        };
        match polled {
            Poll::Pending => None,
            Poll::Ready(Ok(())) if read.filled().is_empty() => Some(CloseReason::PeerClosed),
            Poll::Ready(Ok(())) => Some(unasked(read.filled())),
            Poll::Ready(Err(error)) => Some(why(&error)),
        }
    }

    /// Why a connection ends after the last response that the peer wants to send.
    pub(super) fn at_its_end(&self) -> CloseReason {
        if self.read.is_empty() {
            CloseReason::PeerClosed
        } else {
            unasked(&self.read)
        }
    }

    /// An idle connection keeps no buffer.
    pub(super) fn rest(&mut self) {
        let spare = std::mem::take(&mut self.read);
        // One that has grown is not worth keeping.
        if self.next_read == buffers::SIZE {
            buffers::put(spare);
        }
        self.next_read = buffers::SIZE;
    }

    pub(super) fn io(&mut self) -> Pin<&mut Metered> {
        Pin::new(&mut self.io)
    }
}

/// What a connection ends of whose peer says something that nobody asked for.
fn unasked(bytes: &[u8]) -> CloseReason {
    if is_tired(bytes) {
        CloseReason::PeerClosed
    } else {
        CloseReason::Unsolicited
    }
}

/// Why a connection that fails so has closed.
pub(super) fn why(error: &io::Error) -> CloseReason {
    if is_peer_gone(error) {
        CloseReason::PeerClosed
    } else {
        CloseReason::Error
    }
}
