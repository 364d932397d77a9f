//! Addresses given by hand, as with `--resolve`.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::watch;

use super::answer::Answer;
use super::resolve::{LiteralResolver, Resolver};
use crate::error::BoxError;

/// Answers from a table, and asks another resolver for what is not in it.
///
/// The table can change while the pool runs, and what changes for a host in use takes effect at once. Names are compared without regard
/// to ASCII case and a trailing dot. An entry with no address is an answer too, an empty one: the other resolver is not asked.
///
/// # Examples
///
/// ```
/// use pool_core::{Resolver, StaticResolver};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
/// # runtime.block_on(async {
/// let resolver = StaticResolver::default();
/// resolver.insert("shop.test:443:127.0.1.1,[::1]".parse()?);
/// let addrs = resolver.resolve("shop.test", 443).await?;
/// assert_eq!(addrs, ["127.0.1.1:443".parse()?, "[::1]:443".parse()?]);
/// # Ok::<(), pool_core::BoxError>(())
/// # }).expect("an answer");
/// ```
#[derive(Debug)]
pub struct StaticResolver {
    table: Arc<Table>,
    fallback: Arc<dyn Resolver>,
}

#[derive(Debug, Default)]
struct Table {
    // By host in lower case and port.
    entries: RwLock<HashMap<(String, u16), Vec<SocketAddr>>>,
    changes: watch::Sender<()>,
}

impl StaticResolver {
    /// An empty table in front of `fallback`.
    pub fn new(fallback: Arc<dyn Resolver>) -> Self {
        Self {
            table: Arc::default(),
            fallback,
        }
    }

    /// Adds one parsed entry, in place of an earlier one for the same host and port.
    pub fn insert(&self, entry: ResolveEntry) {
        let ResolveEntry { host, port, addrs } = entry;
        let addrs = addrs.into_iter().map(|ip| SocketAddr::new(ip, port));
        self.set(&host, port, addrs.collect());
    }

    /// Makes `addrs` the answer for `host` on `port`, in place of an earlier one. Their own ports are what is
    /// connected to.
    pub fn set(&self, host: &str, port: u16, addrs: Vec<SocketAddr>) {
        self.table.set((normal(host), port), addrs);
    }
}

impl Table {
    fn set(&self, place: (String, u16), addrs: Vec<SocketAddr>) {
        // A poisoned table is still whole: nothing runs under this lock that could leave it half-changed.
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(place, addrs);
        drop(entries);
        self.changes.send_replace(());
    }

    fn get(&self, place: &(String, u16)) -> Option<Vec<SocketAddr>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(place).cloned()
    }
}

/// An empty table that knows only addresses written as numbers besides.
impl Default for StaticResolver {
    fn default() -> Self {
        Self::new(Arc::new(LiteralResolver))
    }
}

#[async_trait]
impl Resolver for StaticResolver {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        Ok(self.answer(host, port).await?.addrs)
    }

    async fn answer(&self, host: &str, port: u16) -> Result<Answer, BoxError> {
        // Before the table is read: no change falls between.
        let mut changes = self.table.changes.subscribe();
        let place = (normal(host), port);
        let entry = self.table.get(&place);
        let answer = match &entry {
            Some(addrs) => Answer::new(addrs.clone()),
            None => self.fallback.answer(host, port).await?,
        };
        let table = self.table.clone();
        Ok(answer.until(async move {
            // The table holds the sender, so that this never fails.
            while changes.changed().await.is_ok() && table.get(&place) == entry {}
        }))
    }
}

/// One line of the table: `HOST:PORT:ADDR[,ADDR…]`, as curl's `--resolve` has it.
///
/// An IPv6 address may stand in brackets; as the host it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveEntry {
    /// The host name, in lower case and without a trailing dot.
    pub host: String,
    /// The port.
    pub port: u16,
    /// At least one address, in the order given.
    pub addrs: Vec<IpAddr>,
}

impl FromStr for ResolveEntry {
    type Err = ParseResolveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |problem: String| ParseResolveError {
            text: text.to_owned(),
            problem,
        };
        let (host, rest) = match text.strip_prefix('[') {
            Some(bracketed) => bracketed
                .split_once("]:")
                .ok_or_else(|| fail("the host's bracket is not closed by `]:`".into()))?,
            None => text
                .split_once(':')
                .ok_or_else(|| fail("the port is missing".into()))?,
        };
        if host.is_empty() {
            return Err(fail("the host is empty".into()));
        }
        let (port, addrs) = rest
            .split_once(':')
            .ok_or_else(|| fail("the addresses are missing".into()))?;
        let port = match port.parse() {
            Ok(port) if port != 0 => port,
            _ => {
                return Err(fail(format!("`{port}` is not a port between 1 and 65535")));
            }
        };
        let addrs = addrs
            .split(',')
            .map(|addr| {
                parse_ip(addr).ok_or_else(|| fail(format!("`{addr}` is not an IP address")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            host: normal(host),
            port,
            addrs,
        })
    }
}

/// Why a text is not a [`ResolveEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseResolveError {
    text: String,
    problem: String,
}

impl fmt::Display for ParseResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, problem } = self;
        write!(f, "`{text}` is not HOST:PORT:ADDR[,ADDR...]: {problem}")
    }
}

impl StdError for ParseResolveError {}

fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(rest) => Some(IpAddr::V6(rest.strip_suffix(']')?.parse().ok()?)),
        None => text.parse().ok(),
    }
}

fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_written() {
        let table: [(&str, &str, u16, &[&str]); 7] = [
            ("a.test:443:10.0.0.1", "a.test", 443, &["10.0.0.1"]),
            ("A.Test.:1:10.0.0.1", "a.test", 1, &["10.0.0.1"]),
            ("a:80:10.0.0.2,10.0.0.1", "a", 80, &["10.0.0.2", "10.0.0.1"]),
            (
                "a:80:[2001:db8::1],10.0.0.1",
                "a",
                80,
                &["2001:db8::1", "10.0.0.1"],
            ),
            ("a:80:2001:db8::1,::1", "a", 80, &["2001:db8::1", "::1"]),
            ("[2001:db8::1]:65535:::1", "2001:db8::1", 65535, &["::1"]),
            ("10.0.0.9:80:10.0.0.1", "10.0.0.9", 80, &["10.0.0.1"]),
        ];
        for (text, host, port, addrs) in table {
            let entry: ResolveEntry = text.parse().unwrap();
            assert_eq!((entry.host.as_str(), entry.port), (host, port), "{text}");
            let expected: Vec<IpAddr> = addrs.iter().map(|a| a.parse().unwrap()).collect();
            assert_eq!(entry.addrs, expected, "{text}");
        }
    }

    #[test]
    fn bad_entries_are_refused_with_the_reason() {
        let table = [
            ("", "the port is missing"),
            ("a.test", "the port is missing"),
            (":443:10.0.0.1", "the host is empty"),
            ("[]:443:10.0.0.1", "the host is empty"),
            (
                "[::1:443:10.0.0.1",
                "the host's bracket is not closed by `]:`",
            ),
            ("a.test:443", "the addresses are missing"),
            ("a.test:x:10.0.0.1", "`x` is not a port between 1 and 65535"),
            ("a.test:0:10.0.0.1", "`0` is not a port between 1 and 65535"),
            (
                "a.test:65536:10.0.0.1",
                "`65536` is not a port between 1 and 65535",
            ),
            ("a.test::10.0.0.1", "`` is not a port between 1 and 65535"),
            ("a.test:443:", "`` is not an IP address"),
            ("a.test:443:10.0.0.1,", "`` is not an IP address"),
            ("a.test:443:b.test", "`b.test` is not an IP address"),
            ("a.test:443:10.0.0.256", "`10.0.0.256` is not an IP address"),
            ("a.test:443:[::1", "`[::1` is not an IP address"),
            ("a.test:443:[10.0.0.1]", "`[10.0.0.1]` is not an IP address"),
            (
                "a.test:443:10.0.0.1:80",
                "`10.0.0.1:80` is not an IP address",
            ),
        ];
        for (text, problem) in table {
            let error = text.parse::<ResolveEntry>().unwrap_err();
            let expected = format!("`{text}` is not HOST:PORT:ADDR[,ADDR...]: {problem}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[tokio::test]
    async fn answers_can_change_while_in_use() {
        let resolver = StaticResolver::default();
        let [a, b]: [SocketAddr; 2] = ["10.0.0.1:8443", "10.0.0.2:443"].map(|a| a.parse().unwrap());
        resolver.set("A.test", 443, vec![a]);
        assert_eq!(resolver.resolve("a.test", 443).await.unwrap(), [a]);
        resolver.set("a.test.", 443, vec![b, a]);
        assert_eq!(resolver.resolve("a.test", 443).await.unwrap(), [b, a]);
        resolver.set("a.test", 443, vec![]);
        assert_eq!(resolver.resolve("a.test", 443).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_not_in_the_table_goes_to_the_fallback() {
        let inner = StaticResolver::default();
        inner.insert("b.test:80:10.0.0.2".parse().unwrap());
        let outer = StaticResolver::new(Arc::new(inner));
        outer.insert("a.test:80:10.0.0.1".parse().unwrap());
        let b = outer.resolve("b.test", 80).await.unwrap();
        assert_eq!(b, ["10.0.0.2:80".parse().unwrap()]);
        let other_port = outer.resolve("a.test", 81).await;
        assert!(other_port.is_err(), "an entry is for one port");
        let literal = outer.resolve("10.0.0.3", 80).await.unwrap();
        assert_eq!(literal, ["10.0.0.3:80".parse().unwrap()]);
    }
}
