//! Counts the bytes of a connection, above TLS, and has HTTP/2's frames watched as they go by.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use pool_tls::BoxedIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::conn::is_tired;
use super::h2::{Flood, Watch};

/// How many bytes were read and written.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
    /// The number of a flood; 0 for none.
    flood: AtomicU8,
    cancels_spent: AtomicBool,
    goaway_is_wrong: AtomicBool,
    /// On HTTP/1.1.
    peer_is_tired: AtomicBool,
}

impl Meter {
    /// Bytes read: it moves if and only if the peer was heard.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes written: until it moves, the peer cannot have been told anything.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes read and written.
    pub(super) fn total(&self) -> u64 {
        self.read() + self.written()
    }

    /// What the peer has sent too much of, if that is why nothing is read any more.
    pub(super) fn flood(&self) -> Option<Flood> {
        Flood::numbered(self.flood.load(Ordering::Relaxed))
    }

    /// Whether the peer's GOAWAY left out a stream that had been answered, and proves nothing of the others.
    pub(super) fn has_wrong_goaway(&self) -> bool {
        self.goaway_is_wrong.load(Ordering::Relaxed)
    }

    /// Whether what was read last begins as what a peer says that will wait for no request any more.
    pub(super) fn peer_is_tired(&self) -> bool {
        self.peer_is_tired.load(Ordering::Relaxed)
    }

    /// Whether this side has reset so many streams that it should open no more.
    pub(super) fn has_spent_cancels(&self) -> bool {
        self.cancels_spent.load(Ordering::Relaxed)
    }
}

/// A byte stream with a [`Meter`].
pub(super) struct Metered {
    io: BoxedIo,
    meter: Arc<Meter>,
    /// On HTTP/2.
    watch: Option<Box<Watch>>,
}

impl Metered {
    pub(super) fn new(io: BoxedIo) -> (Self, Arc<Meter>) {
        let meter = Arc::<Meter>::default();
        let metered = Self {
            io,
            meter: meter.clone(),
            watch: None,
        };
        (metered, meter)
    }

    /// As it is to be for HTTP/2: frames are watched, and reading ends with a flood of them.
    pub(super) fn watched(self) -> Self {
        Self {
            watch: Some(Box::new(Watch::new())),
            ..self
        }
    }

    /// Counts what of `bytes` has been taken.
    fn wrote<'a>(&mut self, taken: usize, mut bytes: impl Iterator<Item = &'a [u8]>) {
        self.meter
            .written
            .fetch_add(taken as u64, Ordering::Relaxed);
        let Some(watch) = &mut self.watch else {
            return;
        };
        let mut left = taken;
        while left > 0
            && let Some(slice) = bytes.next()
        {
            let part = &slice[..left.min(slice.len())];
            left -= part.len();
            if watch.wrote(part) {
                self.meter.cancels_spent.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Counts what has been read.
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let n = bytes.len() as u64;
        self.meter.read.fetch_add(n, Ordering::Relaxed);
        let Some(watch) = &mut self.watch else {
            let tired = is_tired(bytes);
            self.meter.peer_is_tired.store(tired, Ordering::Relaxed);
            return Ok(());
        };
        let flood = watch.read(bytes, self.meter.written());
        if watch.goaway_is_wrong() {
            self.meter.goaway_is_wrong.store(true, Ordering::Relaxed);
        }
        match flood {
            None => Ok(()),
            Some(flood) => {
                self.meter.flood.store(flood as u8, Ordering::Relaxed);
                Err(flood.into())
            }
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        Poll::Ready(self.read(&buf.filled()[before..]))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.wrote(taken, std::iter::once(buf));
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.wrote(taken, bufs.iter().map(|buf| &**buf));
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
