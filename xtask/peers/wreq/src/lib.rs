//! wreq, over BoringSSL.

#![forbid(unsafe_code)]

use std::future::ready;
use std::iter::once;

use bench_load::{Args, BoxError, Peer, Protocol, What, Worker, addr_of, drain, host_of};
use wreq::dns::{Addrs, Name, Resolve, Resolving};
use wreq::tls::trust::CertStore;
use wreq::{Body, Client, Method, Request};

/// A client.
pub struct Wreq {
    client: Client,
}

impl Peer for Wreq {
    type Worker = Handle;

    fn new(args: &Args) -> Result<Self, BoxError> {
        let ca = std::fs::read(&args.ca)?;
        let mut builder = Client::builder()
            .no_proxy()
            .tls_cert_store(CertStore::from_pem_certs([&ca])?)
            .dns_resolver(Hosts);
        builder = match args.protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder.http2_only(),
        };
        if !args.keeps_idle {
            builder = builder.pool_max_idle_per_host(0);
        }
        let client = builder.build()?;
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
}

impl Worker for Handle {
    const OWNS_CONNECTION: bool = false;

    async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        let mut request = Request::new(Method::GET, what.uri.clone());
        what.fill(request.headers_mut());
        let response = self.client.execute(request).await?;
        Ok(drain(Body::from(response)).await?)
    }
}
