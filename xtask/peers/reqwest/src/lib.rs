//! reqwest, over rustls.

#![forbid(unsafe_code)]

use std::future::ready;
use std::iter::once;

use bench_load::{
    Args, BoxError, Peer, Protocol, What, Worker, addr_of, client_config, drain, host_of,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Body, Client, Method, Request, Url};

/// A client.
pub struct Reqwest {
    client: Client,
}

impl Peer for Reqwest {
    type Worker = Handle;

    fn new(args: &Args) -> Result<Self, BoxError> {
        let mut builder = Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(client_config(args)?)
            .dns_resolver(Hosts);
        if args.protocol == Protocol::Http1 {
            builder = builder.http1_only();
        }
        if !args.keeps_idle {
            builder = builder.pool_max_idle_per_host(0);
        }
        let client = builder.build()?;
        Ok(Self { client })
    }

    async fn worker(&self, _host: usize) -> Result<Handle, BoxError> {
        let client = self.client.clone();
        Ok(Handle { client, url: None })
    }

    async fn connect(&self, _host: usize) -> Result<Option<Handle>, BoxError> {
        Err("it connects only for a request".into())
    }
}

/// Knows the hosts of the origin. The port is that of the URL.
struct Hosts;

impl Resolve for Hosts {
    fn resolve(&self, name: Name) -> Resolving {
        let found = host_of(name.as_str()).ok_or_else(|| "no such host".into());
        let addrs = found.map(|host| Box::new(once(addr_of(host, 0))) as Addrs);
        Box::pin(ready(addrs))
    }
}

/// A handle of the client.
pub struct Handle {
    client: Client,
    url: Option<Url>,
}

impl Worker for Handle {
    const OWNS_CONNECTION: bool = false;

    fn prepare(&mut self, what: &What) {
        self.url = what.url.parse().ok();
    }

    async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        let url = self.url.clone().ok_or("no URL")?;
        let mut request = Request::new(Method::GET, url);
        what.fill(request.headers_mut());
        let response = self.client.execute(request).await?;
        Ok(drain(Body::from(response)).await?)
    }
}
