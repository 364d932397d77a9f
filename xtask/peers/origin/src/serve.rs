//! One connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::BoxError;
use crate::delay::Delayed;
use crate::pages::Pages;
use crate::stats::Stats;

/// Streams on one connection: above what any load has.
const STREAMS: u32 = 2000;

/// Serves until the client closes.
pub(crate) async fn conn(
    tcp: TcpStream,
    tls: &TlsAcceptor,
    stats: &Stats,
    pages: &Arc<Pages>,
    rtt: Duration,
) -> Result<(), BoxError> {
    if rtt.is_zero() {
        return spoken(tcp, tls, stats, pages).await;
    }
    // The packets that open a connection took a trip that loopback did not show.
    tokio::time::sleep(rtt).await;
    spoken(Delayed::new(tcp, rtt), tls, stats, pages).await
}

async fn spoken<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    io: S,
    tls: &TlsAcceptor,
    stats: &Stats,
    pages: &Arc<Pages>,
) -> Result<(), BoxError> {
    let stream = tls.accept(io).await?;
    let session = stream.get_ref().1;
    stats.accepted(session.handshake_kind());
    if session.alpn_protocol() == Some(b"h2") {
        http2(stream, pages).await
    } else {
        http1(stream, pages.clone()).await
    }
}

async fn http1<S>(stream: S, pages: Arc<Pages>) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let page = pages.at(request.uri().path());
        let response = page.response(Full::new(page.body.clone()));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.auto_date_header(false);
    Ok(server
        .serve_connection(TokioIo::new(stream), service)
        .await?)
}

async fn http2<S>(stream: S, pages: &Pages) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(STREAMS);
    // All of a large page is handed over at once.
    builder.max_send_buffer_size(1 << 20);
    let mut conn = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(accepted) = conn.accept().await {
        let (request, mut respond) = accepted?;
        let page = pages.at(request.uri().path());
        let mut body = respond.send_response(page.response(()), false)?;
        body.send_data(page.body.clone(), true)?;
    }
    Ok(())
}
