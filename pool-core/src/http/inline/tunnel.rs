//! A connection after a switch to another protocol: bytes both ways.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncWrite, ReadBuf};

use super::claim::Claim;
use super::{Side, Wire};
use crate::manager::CloseReason;

/// The connection stays leased until this is dropped, and is closed then.
pub(in crate::http) struct Tunnel {
    claim: Claim,
}

impl Tunnel {
    pub(super) fn new(claim: Claim) -> Self {
        Self { claim }
    }

    fn with<T>(
        &self,
        cx: &mut Context<'_>,
        side: Side,
        then: impl FnOnce(&mut Wire, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match ready!(self.claim.shared.lend(cx.waker(), side)) {
            Some(mut loan) => then(loan.wire(), cx),
            // This side closed it, by a limit or with the pool.
            None => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    pub(in crate::http) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(cx, Side::Reading, |wire, cx| wire.poll_read(cx, buf))
    }

    pub(in crate::http) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(cx, Side::Writing, |wire, cx| wire.io().poll_write(cx, buf))
    }

    pub(in crate::http) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, Side::Writing, |wire, cx| wire.io().poll_flush(cx))
    }

    pub(in crate::http) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, Side::Writing, |wire, cx| wire.io().poll_shutdown(cx))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.claim.give_up(CloseReason::Upgraded);
    }
}
