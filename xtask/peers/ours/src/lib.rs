//! The pool, as its users make it.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bench_load::{Args, BoxError, Peer, Protocol, What, Worker, addr_of, drain, host_of, name_of};
use pool_core::config::Http1Engine;
use pool_core::{Config, Pool, Protocols, Resolver, Warm};
use pool_tls::{Roots, RustlsConnector};

/// A pool.
pub struct Ours {
    pool: Pool,
    port: u16,
}

impl Peer for Ours {
    type Worker = Handle;

    fn new(args: &Args) -> Result<Self, BoxError> {
        let tls = RustlsConnector::builder()
            .roots(Roots::None)
            .add_ca_pem(&std::fs::read(&args.ca)?)?
            .build()?;
        let pool = Pool::builder()
            .config(config(args)?)
            .tls(Arc::new(tls))
            .resolver(Arc::new(Hosts { addrs: args.addrs }))
            .build()?;
        let port = args.port;
        Ok(Self { pool, port })
    }

    async fn worker(&self, _host: usize) -> Result<Handle, BoxError> {
        let pool = self.pool.clone();
        Ok(Handle { pool })
    }

    async fn connect(&self, host: usize) -> Result<Option<Handle>, BoxError> {
        let url = format!("https://{}:{}/", name_of(host), self.port);
        drop(self.pool.acquire(&url).await?);
        Ok(None)
    }

    async fn warm(&self) -> Result<usize, BoxError> {
        let url = format!("https://{}:{}/", name_of(0), self.port);
        let plan = Warm::new(&url).concurrency(DIALS);
        Ok(self.pool.warm(&plan).await?.ready())
    }
}

/// At a time, to a fleet: what `limits.dials_total` is by default.
const DIALS: usize = 64;

/// Whatever a load of this size must have raised, and nothing else.
fn config(args: &Args) -> Result<Config, BoxError> {
    let mut config = Config {
        protocols: match args.protocol {
            Protocol::Http1 => Protocols::Http1,
            Protocol::Http2 => Protocols::Http2,
        },
        ..Config::default()
    };
    config.http1.engine = match args.engine.as_deref() {
        Some("hyper") => Http1Engine::Hyper,
        Some("inline") => Http1Engine::Inline,
        Some(other) => return Err(format!("no engine `{other}`").into()),
        None => Http1Engine::default(),
    };
    let limits = &mut config.limits;
    limits.total = 20_000;
    limits.hosts = 20_000;
    limits.per_host = match args.protocol {
        Protocol::Http1 => 256,
        Protocol::Http2 => limits.per_host,
    };
    // One connection for all tasks, as others have it.
    if let Some(conns) = args.conns {
        limits.per_host = conns;
        limits.dials_per_host = limits.dials_per_host.min(conns);
        limits.streams_per_conn = 2000;
    }
    if args.addrs > 0 {
        limits.per_host = args.addrs;
        limits.per_endpoint = 1;
        limits.dials_per_host = limits.dials_total;
        limits.waiters_per_host = limits.waiters_total;
        config.dial.max_addresses = args.addrs;
    }
    if !args.keeps_idle {
        limits.idle_per_host = 0;
    }
    Ok(config)
}

/// Knows the hosts of the origin.
#[derive(Debug)]
struct Hosts {
    /// Of the only host, if it is not 0.
    addrs: usize,
}

#[async_trait]
impl Resolver for Hosts {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        let host = host_of(host).ok_or("no such host")?;
        let all = host..host + self.addrs.max(1);
        Ok(all.map(|host| addr_of(host, port)).collect())
    }
}

/// A handle of the pool.
pub struct Handle {
    pool: Pool,
}

impl Worker for Handle {
    const OWNS_CONNECTION: bool = false;

    async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        let mut request = http::Request::new(());
        *request.uri_mut() = what.uri.clone();
        what.fill(request.headers_mut());
        let response = self.pool.request(request).await?;
        Ok(drain(response.into_body()).await?)
    }
}
