//! Where the connections of a check go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use tokio::net::lookup_host;

use super::Trouble;
use super::page::Page;
use super::trip::{Listener, connect};
use crate::cmd::url::parse_url;
use crate::exit::Failure;
use crate::output::printable;

/// As the command line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A listener in this process.
    Here,
    HostPort {
        host: String,
        port: u16,
    },
    Url {
        uri: Uri,
        host: String,
        port: u16,
    },
}

/// Ready to be connected to.
pub(super) enum Peer {
    Here(Listener),
    Addr(SocketAddr),
    Page(Box<Page>),
}

impl Target {
    /// # Errors
    ///
    /// Exit 2 for what is neither a URL nor a host with a port.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let Some(text) = text else {
            return Ok(Self::Here);
        };
        let parsed = if text.contains("://") {
            url(text)
        } else {
            host_port(text)
        };
        parsed.ok_or_else(|| {
            Failure::usage(
                format!("--target {:?} is no place to connect to", printable(text)),
                "give http:// or https:// and a host, or HOST:PORT, an IPv6 address in brackets",
            )
        })
    }

    /// What the report calls it; `None` for the listener.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Here => None,
            Self::HostPort { host, port } if host.contains(':') => Some(format!("[{host}]:{port}")),
            Self::HostPort { host, port } => Some(format!("{host}:{port}")),
            Self::Url { uri, .. } => Some(uri.to_string()),
        }
    }

    /// Finds an address of the sources' family, or listens on one.
    ///
    /// # Errors
    ///
    /// Exit 2 if the name has no such address; exit 3 if nobody can be asked, or it cannot listen.
    pub(super) async fn peer(&self, v4: bool, sources: &[IpAddr]) -> Result<Peer, Failure> {
        match self {
            Self::Here => {
                let loopback: IpAddr = if v4 {
                    Ipv4Addr::LOCALHOST.into()
                } else {
                    Ipv6Addr::LOCALHOST.into()
                };
                Ok(Peer::Here(Listener::start(loopback).await?))
            }
            Self::HostPort { host, port } => {
                let addrs = resolve(host, *port, v4).await?;
                Ok(Peer::Addr(addrs[0]))
            }
            Self::Url { uri, host, port } => {
                let addrs = resolve(host, *port, v4).await?;
                let page = Page::new(uri.clone(), host, &addrs, sources)?;
                Ok(Peer::Page(Box::new(page)))
            }
        }
    }
}

impl Peer {
    /// Connects from `source`, and returns what the other side says that it saw.
    pub(super) async fn meet(&self, source: IpAddr) -> Result<Option<IpAddr>, Trouble> {
        match self {
            Self::Here(listener) => listener.meet(source).await.map(Some),
            Self::Addr(addr) => connect(*addr, source).await.map(|_| None),
            Self::Page(page) => page.meet(source).await,
        }
    }

    pub(super) async fn close(self) {
        if let Self::Page(page) = self {
            page.close().await;
        }
    }
}

fn url(text: &str) -> Option<Target> {
    let uri = parse_url(text).ok()?;
    let host = uri.host()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    Some(Target::Url {
        host: host.to_owned(),
        port: uri.port_u16().unwrap_or(port),
        uri,
    })
}

fn host_port(text: &str) -> Option<Target> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Some(Target::HostPort {
            host: addr.ip().to_string(),
            port: addr.port(),
        });
    }
    let (host, port) = text.rsplit_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let named = !host.is_empty() && host.chars().all(plain);
    let port = port.parse().ok().filter(|&port| port > 0)?;
    named.then(|| Target::HostPort {
        host: host.to_owned(),
        port,
    })
}

/// The addresses of a host of one family, at least one.
async fn resolve(host: &str, port: u16, v4: bool) -> Result<Vec<SocketAddr>, Failure> {
    let found = lookup_host((host, port)).await.map_err(|error| {
        Failure::environment(
            format!("cannot look up {}: {error}", printable(host)),
            "give an address, or a name that resolves",
        )
    })?;
    let addrs: Vec<SocketAddr> = found.filter(|addr| addr.is_ipv4() == v4).collect();
    if addrs.is_empty() {
        let family = if v4 { "IPv4" } else { "IPv6" };
        return Err(Failure::usage(
            format!("{} has no {family} address", printable(host)),
            format!("an {family} source needs a target of its own family"),
        ));
    }
    Ok(addrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports_and_urls_are_told_apart() {
        for (text, name) in [
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("a.test:8443", "a.test:8443"),
            ("https://a.test/ip", "https://a.test/ip"),
        ] {
            let target = Target::parse(Some(text)).unwrap();
            assert_eq!(target.name().as_deref(), Some(name));
        }
        assert_eq!(Target::parse(None).unwrap(), Target::Here);
        let Target::Url { host, port, .. } = Target::parse(Some("http://[::1]:81/")).unwrap()
        else {
            panic!("a URL");
        };
        assert_eq!((host.as_str(), port), ("::1", 81));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "a.test",
            "a.test:",
            "a.test:0",
            "a.test:99999",
            "::1",
            "ftp://a.test/",
            "http://",
            ":80",
            "a b:80",
        ] {
            let failure = Target::parse(Some(text)).unwrap_err();
            assert_eq!(failure.exit().code(), 2, "{text:?}");
        }
    }
}
