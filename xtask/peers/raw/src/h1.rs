//! hyper's HTTP/1.1 connection: one for each task.

use bench_load::{BoxError, What, drain};
use bytes::Bytes;
use http::header;
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection that runs in a task of its own.
pub struct Conn {
    send: SendRequest<Empty<Bytes>>,
}

impl Conn {
    pub(crate) async fn new(stream: TlsStream<TcpStream>) -> Result<Self, BoxError> {
        let (send, conn) = handshake(TokioIo::new(stream)).await?;
        // Spawned itself, not inside a future that holds it twice.
        tokio::spawn(conn);
        Ok(Self { send })
    }

    pub(crate) async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        self.send.ready().await?;
        let mut request = http::Request::new(Empty::new());
        *request.uri_mut() = what.path.clone().into();
        request
            .headers_mut()
            .insert(header::HOST, what.host.clone());
        what.fill(request.headers_mut());
        let response = self.send.send_request(request).await?;
        Ok(drain(response.into_body()).await?)
    }
}
