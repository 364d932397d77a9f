//! TLS before somebody else's plain-text server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::cert::{Alpn, Authority, Identity};

/// A TLS listener on loopback that hands the bytes it decrypts to a plain-text server, and back.
///
/// It offers `h2` and `http/1.1`. What a client then speaks goes to the server unchanged, so HTTP/2 arrives as h2c
/// with prior knowledge, which wiremock and hyper's automatic server understand. Dropping it closes everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let mock = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let front = pool_core::testing::TlsFront::to(mock.local_addr()?).await?;
/// assert!(front.url("/hello").starts_with("https://localhost:"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TlsFront {
    addr: SocketAddr,
    authority: Authority,
    task: AbortHandle,
}

impl TlsFront {
    /// Listens on a free port of 127.0.0.1, for a server at `upstream`.
    ///
    /// # Errors
    ///
    /// No port can be bound.
    pub async fn to(upstream: SocketAddr) -> io::Result<Self> {
        let authority = Authority::new()?;
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let acceptor = authority.acceptor(&Identity::simple(NAME, ip, Alpn::Both))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, acceptor, upstream));
        Ok(Self {
            addr,
            authority,
            task: task.abort_handle(),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The name in its certificate, `localhost`; 127.0.0.1 is in it as well.
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// `https://localhost:port` and `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.addr.port())
    }

    /// The certificate authority to trust.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// As [`ca_pem`](Self::ca_pem), in DER.
    pub fn ca_der(&self) -> &[u8] {
        self.authority.der()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs until aborted, and takes its connections along.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, upstream: SocketAddr) {
    let mut conns = JoinSet::new();
    // A listener that fails on loopback is out of files: the test that uses it fails anyway.
    while let Ok((client, _)) = listener.accept().await {
        while conns.try_join_next().is_some() {}
        let acceptor = acceptor.clone();
        conns.spawn(async move {
            // Nobody waits for a connection's error here: its two ends both see it.
            let _ = forward(client, acceptor, upstream).await;
        });
    }
}

async fn forward(client: TcpStream, acceptor: TlsAcceptor, upstream: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

const NAME: &str = "localhost";
