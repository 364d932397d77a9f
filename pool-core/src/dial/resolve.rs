//! From a host name to addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use pool_health::Denied;

use crate::error::{BoxError, Error, ErrorKind, Phase};
use crate::key::Key;

/// Looks up the addresses of a host.
///
/// # Who calls it, and when
///
/// The pool, from a task it owns: when a host without known addresses is asked for, and again whenever they are
/// refreshed. At most one lookup per host is under way; everybody who waits shares its answer. It never runs under a lock.
///
/// Answers keep their order. The pool drops duplicates and takes a bounded number from the front, so a resolver may
/// return what it got. An empty answer counts as an error.
///
/// # Cancel safety
///
/// The pool puts a deadline on every lookup and drops the future when it passes, or when the pool closes. Nothing the
/// next lookup relies on may be lost then.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of `host`, a name in lower case or an address without brackets, each with the port to connect
    /// to: `port`, unless the resolver knows better.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError>;
}

/// Asks the operating system (`getaddrinfo`), which knows `/etc/hosts` and the search domains.
///
/// Addresses written as numbers are answered without asking. A lookup occupies a thread of the runtime's blocking
/// pool; one that was given up on ends there by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        if let Some(addr) = literal(host, port) {
            return Ok(vec![addr]);
        }
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Knows only addresses written as numbers: every name is an error, and nothing is ever asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiteralResolver;

#[async_trait]
impl Resolver for LiteralResolver {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        match literal(host, port) {
            Some(addr) => Ok(vec![addr]),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "names are not looked up").into()),
        }
    }
}

/// Looks up the host of `key`: at least one and at most `max` addresses that nobody `denies`, without duplicates.
///
/// # Errors
///
/// [`ErrorKind::Resolve`] if the resolver fails or has no address; [`ErrorKind::Denied`] if each one is denied; a timeout of [`Phase::Resolve`] after `deadline`.
///
/// # Cancel safety
///
/// Dropping it gives up the lookup.
pub(crate) async fn resolve(
    resolver: &dyn Resolver,
    key: &Key,
    max: usize,
    deadline: Duration,
    mut denies: impl FnMut(SocketAddr) -> Option<Denied>,
) -> Result<Vec<SocketAddr>, Error> {
    let fail = |kind| Error::new(kind).with_host(key.host());
    let lookup = resolver.resolve(key.host(), key.port());
    let addrs = match tokio::time::timeout(deadline, lookup).await {
        Ok(Ok(addrs)) => addrs,
        Ok(Err(error)) => return Err(fail(ErrorKind::Resolve).with_source(error)),
        Err(_elapsed) => return Err(fail(ErrorKind::Timeout(Phase::Resolve))),
    };
    if addrs.is_empty() {
        return Err(fail(ErrorKind::Resolve).with_detail("the answer is empty"));
    }
    let mut denials = Vec::new();
    // Before the bound: denied ones do not take the places of others.
    let allowed = addrs.into_iter().filter(|&addr| match denies(addr) {
        None => true,
        Some(denied) => {
            denials.push((addr, denied));
            false
        }
    });
    let allowed = bounded_unique(allowed, max);
    if !allowed.is_empty() {
        return Ok(allowed);
    }
    let others = denials.len().saturating_sub(1);
    let Some((addr, denied)) = denials.into_iter().next() else {
        return Err(fail(ErrorKind::Resolve).with_detail("no address is to be taken"));
    };
    let mut error = fail(ErrorKind::Denied)
        .with_target(addr)
        .with_source(denied);
    match others {
        0 => {}
        1 => error = error.with_detail("and one other"),
        _ => error = error.with_detail(format!("and {others} others")),
    }
    Err(error)
}

/// The first `max` different addresses, in their order.
pub(crate) fn bounded_unique(
    addrs: impl IntoIterator<Item = SocketAddr>,
    max: usize,
) -> Vec<SocketAddr> {
    let mut unique = Vec::new();
    for addr in addrs {
        if unique.len() >= max {
            break;
        }
        // Linear: `max` bounds the list, and answers are short.
        if !unique.contains(&addr) {
            unique.push(addr);
        }
    }
    unique
}

fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let ip: IpAddr = host.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

fn _assert_dyn_compatible(_: &dyn Resolver) {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::key::Scheme;

    #[derive(Debug)]
    struct Answers(Vec<SocketAddr>);

    #[async_trait]
    impl Resolver for Answers {
        async fn resolve(&self, _host: &str, _port: u16) -> Result<Vec<SocketAddr>, BoxError> {
            Ok(self.0.clone())
        }
    }

    #[derive(Debug)]
    struct Silent;

    #[async_trait]
    impl Resolver for Silent {
        async fn resolve(&self, _host: &str, _port: u16) -> Result<Vec<SocketAddr>, BoxError> {
            std::future::pending().await
        }
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn key() -> Key {
        Key::new(Scheme::Https, "a.test", 443)
    }

    fn nobody(_: SocketAddr) -> Option<Denied> {
        None
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn addresses_keep_their_order_lose_duplicates_and_end_at_the_bound() {
        let [a, b, c] = ["10.0.0.3:1", "10.0.0.1:1", "[::1]:1"].map(addr);
        assert_eq!(bounded_unique([a, b, a, c, b], 9), [a, b, c]);
        assert_eq!(bounded_unique([a, a, b, c], 2), [a, b]);
        assert_eq!(bounded_unique([a, b], 0), []);
    }

    #[tokio::test]
    async fn numbers_are_answered_without_a_lookup() {
        for resolver in [&SystemResolver as &dyn Resolver, &LiteralResolver] {
            let v4 = resolver.resolve("127.0.1.1", 80).await.unwrap();
            assert_eq!(v4, [addr("127.0.1.1:80")]);
            let v6 = resolver.resolve("::1", 443).await.unwrap();
            assert_eq!(v6, [addr("[::1]:443")]);
        }
    }

    #[tokio::test]
    async fn the_system_knows_its_own_name() {
        let addrs = SystemResolver.resolve("localhost", 80).await.unwrap();
        assert!(!addrs.is_empty());
        assert!(addrs.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
    }

    #[tokio::test]
    async fn the_literal_resolver_knows_no_names() {
        let error = LiteralResolver.resolve("localhost", 80).await.unwrap_err();
        assert_eq!(error.to_string(), "names are not looked up");
    }

    #[tokio::test]
    async fn an_empty_answer_is_an_error_that_names_the_host() {
        let error = resolve(&Answers(vec![]), &key(), 8, SECOND, nobody)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resolve);
        assert_eq!(
            error.to_string(),
            "name lookup failed (the answer is empty): a.test"
        );
    }

    #[tokio::test]
    async fn the_cause_of_a_failed_lookup_is_kept() {
        let error = resolve(&LiteralResolver, &key(), 8, SECOND, nobody)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resolve);
        assert_eq!(
            error.source().unwrap().to_string(),
            "names are not looked up"
        );
    }

    #[tokio::test]
    async fn the_pool_takes_a_bounded_number_of_answers() {
        let [a, b, c] = ["10.0.0.3:1", "10.0.0.1:1", "10.0.0.2:1"].map(addr);
        let got = resolve(&Answers(vec![a, a, b, c]), &key(), 2, SECOND, nobody).await;
        assert_eq!(got.unwrap(), [a, b]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_resolver_ends_at_the_deadline() {
        let before = crate::clock::now();
        let error = resolve(&Silent, &key(), 8, SECOND, nobody)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Resolve));
        assert_eq!(crate::clock::now() - before, SECOND);
    }
}
