//! The pool's end of a wire.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frames::Frames;
use crate::gauge::Held;
use crate::history::History;
use crate::wire::End;

/// The pool's end of a wire, counted while it is open.
pub(crate) struct Socket {
    pub(crate) end: End,
    /// Counts HTTP/2 streams as they pass.
    pub(crate) frames: Option<Frames>,
    pub(crate) id: u64,
    pub(crate) history: Arc<History>,
    pub(crate) _held: Held,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.id)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let id = self.id;
        let note = format_args!("wire {id} closed by the pool");
        self.history.note(note);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.end).poll_read(cx, buf);
        if let Some(frames) = &mut self.frames {
            frames.received(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.end).poll_write(cx, bytes);
        match (&mut self.frames, &polled) {
            (Some(frames), Poll::Ready(Ok(taken))) => frames.sent(&bytes[..*taken]),
            (Some(frames), Poll::Pending) => frames.hold(),
            _ => {}
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}
