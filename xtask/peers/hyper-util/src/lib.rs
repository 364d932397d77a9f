//! hyper-util's legacy client, over rustls.

#![forbid(unsafe_code)]

mod connect;

use bench_load::{Args, BoxError, Peer, What, Worker, drain};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use connect::Connector;

/// A client.
pub struct HyperUtil {
    client: Client<Connector, Empty<Bytes>>,
}

impl Peer for HyperUtil {
    type Worker = Handle;

    fn new(args: &Args) -> Result<Self, BoxError> {
        let mut builder = Client::builder(TokioExecutor::new());
        if !args.keeps_idle {
            builder.pool_max_idle_per_host(0);
        }
        let client = builder.build(Connector::new(args)?);
        Ok(Self { client })
    }

    async fn worker(&self, _host: usize) -> Result<Handle, BoxError> {
        let client = self.client.clone();
        Ok(Handle { client })
    }

    async fn connect(&self, _host: usize) -> Result<Option<Handle>, BoxError> {
        Err("it connects only for a request".into())
    }
}

/// A handle of the client.
pub struct Handle {
    client: Client<Connector, Empty<Bytes>>,
}

impl Worker for Handle {
    const OWNS_CONNECTION: bool = false;

    async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        let mut request = http::Request::new(Empty::new());
        *request.uri_mut() = what.uri.clone();
        what.fill(request.headers_mut());
        let response = self.client.request(request).await?;
        Ok(drain(response.into_body()).await?)
    }
}
