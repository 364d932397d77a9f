//! A TCP connection that another thread can cut.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket below a [`Wire`], shared with whoever may cut it.
#[derive(Clone, Debug)]
pub(super) struct Socket(Arc<Mutex<Option<TcpStream>>>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// Closes the socket with RST, now. The task that reads it is not woken.
    pub(super) fn cut(&self) {
        if let Some(stream) = self.take() {
            // Fails only on a socket that is gone already.
            let _ = stream.set_zero_linger();
        }
    }

    /// Closes the socket with FIN (RST if the peer's bytes were not all read), now. The reader is not woken.
    pub(super) fn close(&self) {
        drop(self.take());
    }

    /// The reading and writing end; one per socket.
    pub(super) fn wire(&self) -> Wire {
        Wire {
            socket: self.clone(),
            head: Vec::new(),
        }
    }

    fn take(&self) -> Option<TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<T>(
        &self,
        io: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stream) => io(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

/// Reads and writes a [`Socket`]; closes it when dropped.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    // Bytes read to find out the protocol, still to be read by it.
    head: Vec<u8>,
}

impl Wire {
    /// Whether the peer's first bytes are those of HTTP/2 with prior knowledge.
    pub(super) async fn sniff_h2(&mut self) -> io::Result<bool> {
        // Three bytes tell the preface from every method.
        let mut head = [0; 3];
        self.read_exact(&mut head).await?;
        self.head = head.to_vec();
        Ok(&head == b"PRI")
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.head.is_empty() {
            let len = self.head.len().min(buf.remaining());
            buf.put_slice(&self.head[..len]);
            self.head.drain(..len);
            return Poll::Ready(Ok(()));
        }
        self.socket.with(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.with(|stream| stream.poll_shutdown(cx))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.socket.close();
    }
}

/// What the protocols are spoken over: a [`Wire`], or TLS on one.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
