//! Names asked of DNS servers by this process itself, with bounds on how long an answer counts.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::answer::Answer;
use super::resolve::Resolver;
use crate::error::BoxError;

/// Asks DNS servers for the IPv6 and IPv4 addresses of a name, by the hickory library (feature `hickory`).
///
/// An answer is kept and given again for its time to live, within the bounds of [`ttl`](DnsResolverBuilder::ttl): however often
/// [`Upkeep::refresh_interval`](crate::config::Upkeep::refresh_interval) comes round, servers are asked no more often. Once that time is
/// over, a host in use is looked up again. Questions go over
/// UDP, and over TCP where the answer is too long for that. Neither `/etc/hosts` nor search domains are looked at. Addresses written as
/// numbers are answered without asking.
///
/// Of several servers one answer is enough: they are taken for copies of each other. Where each may know other addresses, make a resolver of
/// each and unite them by [`Merged`](crate::Merged).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_core::{DnsResolver, Pool};
///
/// # fn main() -> Result<(), pool_core::BoxError> {
/// let dns = DnsResolver::builder(["192.0.2.53:53".parse()?])
///     .ttl(Duration::from_secs(30), Duration::from_secs(600))
///     .build()?;
/// let pool = Pool::builder().resolver(Arc::new(dns));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DnsResolver {
    servers: Vec<SocketAddr>,
    resolver: TokioResolver,
}

impl DnsResolver {
    /// Asks these servers.
    pub fn builder(servers: impl IntoIterator<Item = SocketAddr>) -> DnsResolverBuilder {
        DnsResolverBuilder {
            servers: servers.into_iter().collect(),
            ttl: (Duration::from_secs(5), Duration::from_secs(3600)),
            timeout: Duration::from_secs(2),
            attempts: 2,
        }
    }
}

/// What a [`DnsResolver`] is to be.
#[derive(Clone, Debug)]
#[must_use = "it asks nobody until it is built"]
pub struct DnsResolverBuilder {
    servers: Vec<SocketAddr>,
    ttl: (Duration, Duration),
    timeout: Duration,
    attempts: usize,
}

impl DnsResolverBuilder {
    /// How long an answer counts at least and at most, whatever its own time to live says, in whole seconds. Where they disagree, the lower
    /// bound wins. That a name does not exist is believed for the lower bound only.
    ///
    /// Defaults to 5 s, so that a time to live of zero does not mean a question for each connection, and to an hour, so that one of
    /// weeks does not hide a move.
    pub fn ttl(mut self, least: Duration, most: Duration) -> Self {
        self.ttl = (least, most.max(least));
        self
    }

    /// How long one question may take. Defaults to 2 s: with the second try it stays below
    /// [`Timeouts::resolve`](crate::config::Timeouts::resolve).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a question is asked before it has failed; at least once. Defaults to 2, a datagram being lost now and then.
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The resolver. Opens nothing.
    ///
    /// # Errors
    ///
    /// There is no server.
    pub fn build(self) -> Result<DnsResolver, BoxError> {
        let Self {
            servers,
            ttl: (least, most),
            timeout,
            attempts,
        } = self;
        if servers.is_empty() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "there is no DNS server");
            return Err(error.into());
        }
        let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.timeout = timeout;
        options.attempts = attempts;
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.use_hosts_file = ResolveHosts::Never;
        options.positive_min_ttl = Some(least);
        options.positive_max_ttl = Some(most);
        options.negative_min_ttl = Some(Duration::ZERO);
        options.negative_max_ttl = Some(least);
        let resolver = builder.build()?;
        Ok(DnsResolver { servers, resolver })
    }
}

fn server(addr: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(addr.ip());
    for connection in &mut server.connections {
        connection.port = addr.port();
    }
    server
}

#[async_trait]
impl Resolver for DnsResolver {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        Ok(self.answer(host, port).await?.addrs)
    }

    async fn answer(&self, host: &str, port: u16) -> Result<Answer, BoxError> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Answer::new(vec![SocketAddr::new(ip, port)]));
        }
        let found = self.resolver.lookup_ip(host).await?;
        let addrs = found.iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(Answer::new(addrs).valid_until(found.valid_until()))
    }
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsResolver")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
