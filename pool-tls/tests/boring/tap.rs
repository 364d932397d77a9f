//! What a connector writes, as it goes by.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use pool_tls::client_hello::ClientHello;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that remembers what was written to it.
pub(crate) struct Tap<T> {
    inner: T,
    written: Written,
}

/// What was written to a [`Tap`].
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl<T> Tap<T> {
    pub(crate) fn new(inner: T) -> (Self, Written) {
        let written = Written::default();
        let tap = Self {
            inner,
            written: written.clone(),
        };
        (tap, written)
    }
}

impl Written {
    pub(crate) fn hello(&self) -> ClientHello {
        ClientHello::parse(&self.0.lock().unwrap()).unwrap()
    }

    /// How many ClientHellos went by: two after a HelloRetryRequest.
    pub(crate) fn hellos(&self) -> usize {
        let bytes = self.0.lock().unwrap();
        let mut rest = bytes.as_slice();
        let mut hellos = 0;
        // A record is its type, its version and its length; a plain handshake message of type 1 is a ClientHello.
        while let [kind, _, _, high, low, content @ ..] = rest {
            hellos += usize::from(*kind == 22 && content.first() == Some(&1));
            rest = &content[usize::from(u16::from_be_bytes([*high, *low]))..];
        }
        hellos
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(length)) = written {
            self.written.0.lock().unwrap().extend(&buf[..length]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
