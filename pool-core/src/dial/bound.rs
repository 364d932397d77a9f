//! A stream that keeps what it was given until its socket is gone.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream and a guard that is dropped right after it.
///
/// It lies below TLS, so whoever drops the connection, in whatever task or thread, closes the socket first and gives
/// back the source address and the permit second. In the other order a new connection could bind the same address and
/// port, or exceed a limit, while the old socket still exists.
pub(crate) struct Bound<T, L> {
    stream: T,
    // Fields drop in the order they are declared: this one stays last.
    _guard: L,
}

impl<T, L> Bound<T, L> {
    pub(crate) fn new(stream: T, guard: L) -> Self {
        Self {
            stream,
            _guard: guard,
        }
    }
}

// The guard is never pinned, so it has no say in whether the whole may move.
impl<T: Unpin, L> Unpin for Bound<T, L> {}

impl<T: AsyncRead + Unpin, L> AsyncRead for Bound<T, L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin, L> AsyncWrite for Bound<T, L> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<T: fmt::Debug, L> fmt::Debug for Bound<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Says(&'static str, mpsc::Sender<&'static str>);

    impl Drop for Says {
        fn drop(&mut self) {
            self.1.send(self.0).expect("the test listens");
        }
    }

    #[test]
    fn the_guard_goes_after_the_stream_also_on_another_thread() {
        let (send, seen) = mpsc::channel();
        let bound = Bound::new(Says("stream", send.clone()), Says("guard", send));
        std::thread::spawn(move || drop(bound))
            .join()
            .expect("dropping does not panic");
        assert_eq!(seen.iter().collect::<Vec<_>>(), ["stream", "guard"]);
    }

    #[tokio::test]
    async fn bytes_pass_both_ways() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut bound = Bound::new(near, ());
        bound.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
        far.write_all(b"pong").await.unwrap();
        bound.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"pong");
        bound.shutdown().await.unwrap();
        assert_eq!(far.read(&mut got).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn vectored_writes_reach_the_stream_as_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let mut bound = Bound::new(stream, ());
        assert!(bound.is_write_vectored(), "as the TCP stream below");
        let parts = [IoSlice::new(b"head"), IoSlice::new(b"body")];
        assert_eq!(bound.write_vectored(&parts).await.unwrap(), 8);
    }
}
