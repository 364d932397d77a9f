//! The plain text side of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_boring::SslStream;

use super::ffi;
use crate::BoxedIo;

/// A stream of tokio-boring whose errors are those of the other backend.
pub(super) struct Stream(pub(super) SslStream<BoxedIo>);

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.remaining();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf)).map_err(of_protocol)?;
        // tokio-boring takes any end of the stream for the end of the data. Without the peer's word that it is one,
        // anybody on the path could have cut it short.
        if buf.remaining() == before && before > 0 && !ffi::received_close_notify(self.0.ssl()) {
            let error = "the peer closed the connection without close_notify";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0)
            .poll_write(cx, buf)
            .map_err(of_protocol)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx).map_err(of_protocol)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx).map_err(of_protocol)
    }
}

/// What BoringSSL itself objects to comes as `Other`: an alert, a record that does not decrypt.
fn of_protocol(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Other => io::Error::new(io::ErrorKind::InvalidData, error),
        _ => error,
    }
}
