//! The pool's way of dialling, for clients that pool for themselves.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use pool_localip::AllocContext;
use pool_tls::BoxedIo;
use tower_service::Service;

use super::origin::key_of;
use super::sources::Freed;
use super::{Pool, RequestOptions};
use crate::clock;
use crate::dial::DialRequest;
use crate::error::{BoxError, Error, ErrorKind};
use crate::info::{ConnFacts, Protocol};

/// Opens connections as the pool does (names, source addresses, TLS profile) for a client that keeps them itself, such
/// as hyper-util's or tonic's.
///
/// Each call dials: these connections are not in the pool, its limits do not count them, and none of them is warm.
/// The addresses of a name are tried in order. Once the pool is closed, each call fails with [`ErrorKind::Closed`];
/// streams opened before live on.
#[derive(Clone, Debug)]
pub struct PoolConnector {
    pool: Pool,
}

impl PoolConnector {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    async fn connect(self, uri: Uri) -> Result<ConnectorIo, Error> {
        let inner = self.pool.inner();
        let env = &inner.env;
        let key = key_of(inner, &uri, &RequestOptions::new())?;
        if inner.manager.is_closed() {
            return Err(Error::new(ErrorKind::Closed).with_host(key.to_string()));
        }
        let addrs = env.plugins.resolve(&key, &env.live()).await?.addrs;
        let mut last = Error::new(ErrorKind::Resolve).with_host(key.to_string());
        for (attempt, target) in (0..).zip(addrs) {
            match self.dial(&key, target, attempt).await {
                Ok(io) => return Ok(io),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dial(
        &self,
        key: &crate::Key,
        target: SocketAddr,
        attempt: u32,
    ) -> Result<ConnectorIo, Error> {
        let env = &self.pool.inner().env;
        let cx = AllocContext::new(target, clock::now())
            .with_host(key.host())
            .with_attempt(attempt);
        let lease = env.plugins.lease(&cx).map_err(|exhausted| {
            let error = Error::new(ErrorKind::LocalAddr).with_host(key.to_string());
            error
                .with_target(target)
                .with_source(BoxError::from(exhausted))
        })?;
        let lease = env.source_book.dialling(lease);
        let live = env.live();
        let (timeouts, sizes) = (&live.config.timeouts, &live.config.dial);
        let request = DialRequest {
            key,
            target,
            connect: env.plugins.connect.as_ref(),
            tls: env.plugins.tls.as_ref(),
            plan: env.plugins.profiles.plan_for(key.profile_id()),
            buffers: (sizes.send_buffer, sizes.receive_buffer),
            connect_timeout: timeouts.connect,
            handshake_timeout: timeouts.handshake,
            sources: &env.source_book,
            connected: &|| (),
        };
        let freed = Freed(env.source_freed.clone());
        let opened = env.open(request, lease, freed).await?;
        Ok(ConnectorIo {
            io: TokioIo::new(opened.io),
            facts: Arc::new(opened.facts),
        })
    }
}

impl Service<Uri> for PoolConnector {
    type Response = ConnectorIo;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<ConnectorIo, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A stream opened by a [`PoolConnector`]: TLS done, HTTP not begun. Its [`ConnFacts`] are in the extras that
/// hyper-util puts into each response's extensions.
pub struct ConnectorIo {
    io: TokioIo<BoxedIo>,
    facts: Arc<ConnFacts>,
}

impl ConnectorIo {
    /// What stays true of the connection.
    pub fn facts(&self) -> &ConnFacts {
        &self.facts
    }
}

impl Connection for ConnectorIo {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra((*self.facts).clone());
        match self.facts.protocol {
            Protocol::Http2 => connected.negotiated_h2(),
            Protocol::Http1 => connected,
        }
    }
}

impl Read for ConnectorIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for ConnectorIo {
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

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

impl fmt::Debug for ConnectorIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorIo")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
