//! A connection of the h2 crate, shared by all tasks.

use bench_load::{BoxError, What};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection that runs in a task of its own.
pub(crate) struct Shared {
    send: SendRequest<Bytes>,
}

/// One task's handle of it.
pub struct Handle {
    /// Taken while it waits for its turn.
    send: Option<SendRequest<Bytes>>,
}

impl Shared {
    /// With the windows that hyper's client has.
    pub(crate) async fn new(stream: TlsStream<TcpStream>) -> Result<Self, BoxError> {
        let mut builder = Builder::new();
        builder
            .initial_window_size(2 * 1024 * 1024)
            .initial_connection_window_size(5 * 1024 * 1024)
            .enable_push(false);
        let (send, conn) = builder.handshake(stream).await?;
        tokio::spawn(conn);
        Ok(Self { send })
    }

    pub(crate) fn handle(&self) -> Handle {
        let send = Some(self.send.clone());
        Handle { send }
    }
}

impl Handle {
    pub(crate) async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        let send = self.send.take().ok_or("an earlier request failed")?;
        let mut send = send.ready().await?;
        let mut request = http::Request::new(());
        *request.uri_mut() = what.uri.clone();
        what.fill(request.headers_mut());
        let (response, _) = send.send_request(request, true)?;
        self.send = Some(send);
        let mut body = response.await?.into_body();
        let mut length = 0;
        while let Some(data) = body.data().await {
            let data = data?;
            length += data.len();
            body.flow_control().release_capacity(data.len())?;
        }
        Ok(length)
    }
}
