//! A stream whose peer is far away: what it sends arrives late.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Delays what was waited for; what arrived meanwhile came with it.
pub(crate) struct Delayed<S> {
    io: S,
    rtt: Duration,
    state: State,
}

enum State {
    /// The last read found something.
    Flowing,
    /// The last read had to wait.
    Waiting,
    /// Something is there and on its way.
    Late(Pin<Box<Sleep>>),
}

impl<S> Delayed<S> {
    pub(crate) fn new(io: S, rtt: Duration) -> Self {
        Self {
            io,
            rtt,
            state: State::Waiting,
        }
    }
}

impl AsyncRead for Delayed<tokio::net::TcpStream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Waiting => {
                    ready!(this.io.poll_read_ready(cx))?;
                    this.state = State::Late(Box::pin(sleep(this.rtt)));
                }
                State::Late(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    this.state = State::Flowing;
                }
                State::Flowing => {
                    let polled = Pin::new(&mut this.io).poll_read(cx, buf);
                    if polled.is_pending() {
                        this.state = State::Waiting;
                        continue;
                    }
                    return polled;
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Delayed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
