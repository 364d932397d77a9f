//! A peer of which a test writes every byte.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::cert::{Alpn, Authority, Identity};
use super::wire::{Io, Socket};

/// A listener that does nothing by itself: the test accepts, reads and writes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use pool_core::testing::Peer;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let peer = Peer::listen("127.0.0.1:0".parse().unwrap()).await?;
/// let mut client = tokio::net::TcpStream::connect(peer.addr()).await?;
/// client.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
///
/// let mut conn = peer.accept().await?;
/// assert_eq!(conn.read_until(b"\r\n\r\n").await?, "GET / HTTP/1.1\r\n\r\n");
/// conn.send(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
/// conn.finish().await?;
/// # Ok(())
/// # }
/// ```
pub struct Peer {
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<(Authority, TlsAcceptor)>,
}

impl Peer {
    /// Listens in plain text; port zero takes a free one.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn listen(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok(Self {
            listener,
            addr,
            tls: None,
        })
    }

    /// Listens with TLS for `name` and the address itself.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the name cannot be in a certificate.
    pub async fn listen_tls(addr: SocketAddr, name: &str, alpn: Alpn) -> io::Result<Self> {
        let plain = Self::listen(addr).await?;
        let authority = Authority::new()?;
        let identity = Identity::simple(name, addr.ip(), alpn);
        let acceptor = authority.acceptor(&identity)?;
        Ok(Self {
            tls: Some((authority, acceptor)),
            ..plain
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate authority to trust; `None` in plain text.
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|(authority, _)| authority.pem())
    }

    /// As [`ca_pem`](Self::ca_pem), in DER.
    pub fn ca_der(&self) -> Option<&[u8]> {
        let authority = self.tls.as_ref().map(|(authority, _)| authority)?;
        Some(authority.der())
    }

    /// The next connection, its TLS handshake done.
    ///
    /// # Errors
    ///
    /// Accepting or the handshake fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped during the handshake, it closes that connection.
    pub async fn accept(&self) -> io::Result<PeerConn> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let socket = Socket::new(stream);
        let wire = socket.wire();
        let (io, alpn): (Box<dyn Io>, _) = match &self.tls {
            Some((_, acceptor)) => {
                let tls = acceptor.accept(wire).await?;
                let alpn = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                (Box::new(tls), alpn)
            }
            None => (Box::new(wire), None),
        };
        Ok(PeerConn {
            io,
            socket,
            peer,
            alpn,
        })
    }

    /// The next connection as it is, without a handshake: for a peer that stalls or breaks one.
    ///
    /// # Errors
    ///
    /// Accepting fails.
    pub async fn accept_tcp(&self) -> io::Result<TcpStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("addr", &self.addr)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// One connection of a [`Peer`]: a byte stream, and words for what tests do with it.
///
/// Dropping it closes the socket with FIN and without close_notify.
pub struct PeerConn {
    io: Box<dyn Io>,
    socket: Socket,
    peer: SocketAddr,
    alpn: Option<Vec<u8>>,
}

impl PeerConn {
    /// The client's address and port.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// What ALPN chose.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Writes all of `bytes` and flushes.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Reads up to and with the first `end`, and nothing after it.
    ///
    /// # Errors
    ///
    /// The client closes before.
    pub async fn read_until(&mut self, end: &[u8]) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            bytes.push(self.io.read_u8().await?);
        }
        Ok(bytes.into())
    }

    /// Reads exactly `len` bytes.
    ///
    /// # Errors
    ///
    /// The client closes before.
    pub async fn read(&mut self, len: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; len];
        self.io.read_exact(&mut bytes).await?;
        Ok(bytes.into())
    }

    /// Reads until the client closes.
    ///
    /// # Errors
    ///
    /// The client resets instead.
    pub async fn read_to_end(&mut self) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        self.io.read_to_end(&mut bytes).await?;
        Ok(bytes.into())
    }

    /// Reads one HTTP/2 frame. The 24 bytes of the client's preface come before its first one.
    ///
    /// # Errors
    ///
    /// The client closes before.
    pub async fn read_frame(&mut self) -> io::Result<Frame> {
        let head = self.read(9).await?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Frame {
            kind: head[3],
            flags: head[4],
            stream: stream & 0x7fff_ffff,
            payload: self.read(len as usize).await?,
        })
    }

    /// Writes one HTTP/2 frame, whatever it says.
    ///
    /// # Errors
    ///
    /// The client is gone.
    ///
    /// # Panics
    ///
    /// If the payload is 16 MiB or longer, which no frame can say.
    pub async fn send_frame(&mut self, frame: &Frame) -> io::Result<()> {
        let len = u32::try_from(frame.payload.len()).expect("checked below");
        assert!(len < 1 << 24, "a frame's length has 24 bits");
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([frame.kind, frame.flags]);
        bytes.extend(frame.stream.to_be_bytes());
        bytes.extend(&frame.payload);
        self.send(&bytes).await
    }

    /// Ends the writing side: close_notify with TLS, then FIN. Reading goes on.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// Closes with RST.
    pub fn reset(self) {
        self.socket.cut();
    }
}

impl fmt::Debug for PeerConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConn")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for PeerConn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerConn {
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
}

/// An HTTP/2 frame as its bytes say, valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type: 0 DATA, 1 HEADERS, 3 RST_STREAM, 4 SETTINGS, 6 PING, 7 GOAWAY, 8 WINDOW_UPDATE (RFC 9113, section 6).
    pub kind: u8,
    /// The flags: 1 is END_STREAM or ACK, 4 is END_HEADERS.
    pub flags: u8,
    /// The stream identifier, zero for the connection; on writing the reserved bit goes as it is.
    pub stream: u32,
    /// What follows the nine bytes of the head.
    pub payload: Bytes,
}
