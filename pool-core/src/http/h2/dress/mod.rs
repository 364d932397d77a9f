//! An HTTP/2 connection that looks as a profile's client makes it: the frames of the h2 crate, rewritten on their way out.
//!
//! The first SETTINGS and the WINDOW_UPDATE after it, the order of pseudo-headers, priorities, and what goes first are the
//! profile's; everything else is the engine's, and so are all of its limits. What comes in passes through untouched.

mod dresser;
mod hpack;
mod pseudo;
mod spec;
#[cfg(test)]
#[cfg(not(pool_loom))]
mod tests;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::dresser::Dresser;
pub(crate) use self::spec::Dress;
#[cfg(test)]
#[cfg(not(pool_loom))]
pub(in crate::http) use self::tests::{chromium, firefox};
use crate::http::metered::Metered;

/// What the h2 crate reads and writes.
pub(super) struct Dressed<T = Metered> {
    io: T,
    /// `None` for a connection that looks as the h2 crate makes it.
    dresser: Option<Box<Dresser>>,
}

impl<T> Dressed<T> {
    pub(super) fn new(io: T, dress: Option<Arc<Dress>>) -> Self {
        Self {
            io,
            dresser: dress.map(|dress| Box::new(Dresser::new(dress))),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Dressed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Dressed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, dresser } = &mut *self;
        match dresser {
            None => Pin::new(io).poll_write(cx, buf),
            Some(dresser) => poll_dressed(io, dresser, cx, &[IoSlice::new(buf)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, dresser } = &mut *self;
        match dresser {
            None => Pin::new(io).poll_write_vectored(cx, bufs),
            Some(dresser) => poll_dressed(io, dresser, cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, dresser } = &mut *self;
        if let Some(dresser) = dresser {
            if dresser.flush() {
                cx.waker().wake_by_ref();
            }
            ready!(poll_drain(io, dresser, cx))?;
        }
        Pin::new(io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, dresser } = &mut *self;
        if let Some(dresser) = dresser {
            ready!(poll_drain(io, dresser, cx))?;
        }
        Pin::new(io).poll_shutdown(cx)
    }
}

/// Writes what is pending.
fn poll_drain<T: AsyncWrite + Unpin>(
    io: &mut T,
    dresser: &mut Dresser,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !dresser.pending().is_empty() {
        let written = ready!(Pin::new(&mut *io).poll_write(cx, dresser.pending()))?;
        dresser.wrote(some(written)?);
    }
    Poll::Ready(Ok(()))
}

/// Takes the h2 crate's bytes: payloads of DATA go straight through, behind what is pending; the rest waits for the flush that
/// the h2 crate ends each batch with.
fn poll_dressed<T: AsyncWrite + Unpin>(
    io: &mut T,
    dresser: &mut Dresser,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if dresser.pending().len() >= MOST_PENDING {
        ready!(poll_drain(io, dresser, cx))?;
    }
    let mut taken = 0;
    for (n, buf) in bufs.iter().enumerate() {
        let at = dresser.take(buf)?;
        taken += at;
        if at == buf.len() {
            continue;
        }
        // A payload: it may go on in the pieces behind.
        loop {
            let pending = dresser.pending();
            let ahead = pending.len();
            let mut left = ahead + dresser.to_pass();
            let mut slices = [IoSlice::new(&[]); MOST_SLICES];
            let mut count = 0;
            let behind = bufs[n + 1..].iter().map(|buf| &**buf);
            for piece in [pending, &buf[at..]].into_iter().chain(behind) {
                let part = &piece[..left.min(piece.len())];
                if count < MOST_SLICES && !part.is_empty() {
                    slices[count] = IoSlice::new(part);
                    count += 1;
                    left -= part.len();
                }
            }
            let written = match Pin::new(&mut *io).poll_write_vectored(cx, &slices[..count]) {
                Poll::Ready(written) => some(written?)?,
                // What was taken is, and the rest comes again.
                Poll::Pending if taken > 0 => return Poll::Ready(Ok(taken)),
                Poll::Pending => return Poll::Pending,
            };
            dresser.wrote(written.min(ahead));
            if written > ahead {
                dresser.passed(written - ahead);
                return Poll::Ready(Ok(taken + written - ahead));
            }
        }
    }
    Poll::Ready(Ok(taken))
}

/// A writer that takes nothing never will.
fn some(written: usize) -> io::Result<usize> {
    match written {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// How much may wait for a flush before nothing more is taken.
const MOST_PENDING: usize = 16 * 1024;

/// Pieces in one write; the h2 crate's own are a few.
const MOST_SLICES: usize = 8;
