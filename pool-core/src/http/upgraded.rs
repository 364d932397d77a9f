//! A connection that a peer has agreed to speak another protocol on.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inline::Tunnel;
use crate::info::ConnInfo;

/// A connection after `101 Switching Protocols`: bytes both ways, from the first after the response's head.
///
/// Made by [`PoolBody::into_upgraded`](super::PoolBody::into_upgraded). It counts as a connection of its host, leased, until
/// it is dropped, which closes it: no request is sent on it again. Shutting the writing side down leaves the reading side
/// open. It fails with [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) when the pool closes it.
pub struct Upgraded {
    tunnel: Tunnel,
    info: ConnInfo,
}

impl Upgraded {
    pub(super) fn new(tunnel: Tunnel, info: ConnInfo) -> Self {
        Self { tunnel, info }
    }

    /// Which connection this is.
    pub fn conn_info(&self) -> &ConnInfo {
        &self.info
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.tunnel.poll_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.tunnel.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tunnel.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tunnel.poll_shutdown(cx)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded")
            .field("conn", &self.info.id)
            .finish_non_exhaustive()
    }
}
