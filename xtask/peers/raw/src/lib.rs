//! hyper's HTTP/1.1, the h2 crate and bare TLS, each without a pool.

#![forbid(unsafe_code)]

mod bare;
mod h1;
mod h2s;

use std::sync::Arc;

use bench_load::{Args, BoxError, Peer, Protocol, What, Worker, addr_of, client_config, name_of};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One of the three.
pub struct Raw {
    kind: Kind,
    port: u16,
    tls: TlsConnector,
    /// For HTTP/2: what every task has a handle of, by its number.
    shared: tokio::sync::Mutex<Option<h2s::Shared>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Bare,
    Http1,
    Http2,
}

impl Raw {
    async fn stream(&self, host: usize) -> Result<TlsStream<TcpStream>, BoxError> {
        let tcp = TcpStream::connect(addr_of(host, self.port)).await?;
        tcp.set_nodelay(true)?;
        let name = name_of(host).try_into()?;
        Ok(self.tls.connect(name, tcp).await?)
    }

    async fn open(&self, host: usize) -> Result<One, BoxError> {
        let stream = self.stream(host).await?;
        Ok(match self.kind {
            Kind::Bare => One::Bare(Box::new(bare::Conn::new(stream))),
            Kind::Http1 => One::Http1(h1::Conn::new(stream).await?),
            Kind::Http2 => One::Http2(h2s::Shared::new(stream).await?.handle()),
        })
    }
}

impl Peer for Raw {
    type Worker = One;

    fn new(args: &Args) -> Result<Self, BoxError> {
        let kind = match (args.engine.as_deref(), args.protocol) {
            (Some("bare"), _) => Kind::Bare,
            (Some(other), _) => return Err(format!("no engine `{other}`").into()),
            (None, Protocol::Http1) => Kind::Http1,
            (None, Protocol::Http2) => Kind::Http2,
        };
        Ok(Self {
            kind,
            port: args.port,
            tls: TlsConnector::from(Arc::new(client_config(args)?)),
            shared: tokio::sync::Mutex::default(),
        })
    }

    async fn worker(&self, host: usize) -> Result<One, BoxError> {
        // All tasks of a load share one connection of HTTP/2; each other host has one of its own.
        if !matches!(self.kind, Kind::Http2) || host != 0 {
            return self.open(host).await;
        }
        let mut shared = self.shared.lock().await;
        if shared.is_none() {
            *shared = Some(h2s::Shared::new(self.stream(host).await?).await?);
        }
        let shared = shared.as_ref().expect("it was made above");
        Ok(One::Http2(shared.handle()))
    }

    async fn connect(&self, host: usize) -> Result<Option<One>, BoxError> {
        Ok(Some(self.open(host).await?))
    }
}

/// A connection, or a handle of one.
pub enum One {
    /// Boxed, so that the others are not as large.
    Bare(Box<bare::Conn>),
    Http1(h1::Conn),
    Http2(h2s::Handle),
}

impl Worker for One {
    const OWNS_CONNECTION: bool = true;

    async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        match self {
            Self::Bare(conn) => conn.fetch(what).await,
            Self::Http1(conn) => conn.fetch(what).await,
            Self::Http2(handle) => handle.fetch(what).await,
        }
    }
}
