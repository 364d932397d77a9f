//! From a host name to addresses.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use pool_health::Denied;

use super::answer::Answer;
use crate::error::{BoxError, Error, ErrorKind, Phase};
use crate::key::Key;

/// Looks up the addresses of a host.
///
/// - **Who calls, when, how often:** the pool: when a host without known addresses is asked for, one lookup at a time whose answer
///   everybody who waits shares; for each host in use whenever addresses are refreshed
///   ([`Upkeep::refresh_interval`](crate::config::Upkeep::refresh_interval)) or its last [`Answer`] ends; for each warm-up; and for each call of a
///   [`PoolConnector`](crate::PoolConnector).
/// - **On which thread:** inside a runtime, in a task of the pool's, for the last two in the caller's. Several at once. No lock of the pool is
///   held.
/// - **Blocking:** never; await. What blocks instead holds a thread of the runtime, and no deadline ends it.
/// - **Panics** are contained, counted, and count as a failed lookup.
/// - **Lies:** whatever it names is dialled, unless an access list denies it. TLS still asks for the host's certificate there. After a
///   failed lookup a refresh keeps the addresses known before.
///
/// A resolver may return what it got. The pool drops duplicates, lets the two address families take turns, each in the order of the
/// answer and the family of its first address first (RFC 8305 section 4), and takes a bounded number from the front. Where one connection
/// is wanted, addresses are tried in this order; a warm-up opens all of them. An empty answer counts as an error.
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

    /// The same, with what is known of how long the answer counts. This is what the pool calls.
    ///
    /// Unless it is overridden, nothing is known: [`resolve`](Self::resolve) is asked again at each
    /// [`refresh_interval`](crate::config::Upkeep::refresh_interval). A resolver around another one passes on what that one says.
    async fn answer(&self, host: &str, port: u16) -> Result<Answer, BoxError> {
        self.resolve(host, port).await.map(Answer::new)
    }
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
) -> Result<Answer, Error> {
    let fail = |kind| Error::new(kind).with_host(key.host());
    let lookup = resolver.answer(key.host(), key.port());
    let Answer { addrs, end } = match tokio::time::timeout(deadline, lookup).await {
        Ok(Ok(answer)) => answer,
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
    let addrs = in_turns(allowed.collect(), max);
    if !addrs.is_empty() {
        return Ok(Answer { addrs, end });
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

/// At most `max` different addresses. The two families take turns, each in its own order, the family of the first address
/// first (RFC 8305 section 4): where one of them leads nowhere, the second try gets there.
fn in_turns(addrs: Vec<SocketAddr>, max: usize) -> Vec<SocketAddr> {
    let Some(first) = addrs.first() else {
        return addrs;
    };
    let leads_v4 = first.is_ipv4();
    let mut known = HashSet::with_capacity(addrs.len());
    let distinct = addrs.into_iter().filter(|addr| known.insert(*addr));
    let (leading, following): (Vec<_>, Vec<_>) =
        distinct.partition(|addr| addr.is_ipv4() == leads_v4);
    let mut families = [leading.into_iter(), following.into_iter()];
    let mut chosen = Vec::new();
    while chosen.len() < max {
        let before = chosen.len();
        for family in &mut families {
            chosen.extend(family.next());
        }
        if chosen.len() == before {
            break;
        }
    }
    chosen.truncate(max);
    chosen
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
        let [a, b, c] = ["10.0.0.3:1", "10.0.0.1:1", "10.0.0.2:1"].map(addr);
        assert_eq!(in_turns(vec![a, b, a, c, b], 9), [a, b, c]);
        assert_eq!(in_turns(vec![a, a, b, c], 2), [a, b]);
        assert_eq!(in_turns(vec![a, b], 0), []);
        assert_eq!(in_turns(vec![], 9), []);
    }

    #[test]
    fn the_families_take_turns_and_the_first_one_leads() {
        let v6 = ["[2001:db8::2]:1", "[2001:db8::1]:1", "[2001:db8::3]:1"].map(addr);
        let v4 = ["10.0.0.2:1", "10.0.0.1:1"].map(addr);
        let turns = [v6[0], v4[0], v6[1], v4[1], v6[2]];
        assert_eq!(in_turns([&v6[..], &v4].concat(), 9), turns);
        let turns = [v4[0], v6[0], v4[1], v6[1], v6[2]];
        assert_eq!(in_turns([&v4[..], &v6].concat(), 9), turns);
        // The bound leaves neither out.
        assert_eq!(in_turns([&v6[..], &v4].concat(), 3), [v6[0], v4[0], v6[1]]);
    }

    #[test]
    fn an_absurd_answer_is_cut_without_looking_at_each_address_for_each_other() {
        let many = (0..100_000_u32).map(|n| SocketAddr::from((n.to_be_bytes(), 1)));
        let answer: Vec<_> = many.clone().chain(many).collect();
        assert_eq!(in_turns(answer, 10_000).len(), 10_000);
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
        assert_eq!(got.unwrap().addrs, [a, b]);
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
