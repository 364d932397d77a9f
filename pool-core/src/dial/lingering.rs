//! A resolver that forgets slowly.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::answer::Answer;
use super::resolve::Resolver;
use crate::clock;
use crate::error::BoxError;

/// Gives an address for a while longer after another resolver has left it out: those of the last answer come first, then the others, the
/// one seen last first.
///
/// For names whose answers are a few of many addresses, different ones each time: with every lookup more of them are known, and one
/// leaves, and its connections drain, only when no answer has had it for the whole grace. An address that really went away costs a
/// failed dial now and then until then.
///
/// A lookup that fails, or has no address, is passed on as it is and forgets nothing.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_core::{Lingering, Pool, SystemResolver};
///
/// let names = Lingering::new(Arc::new(SystemResolver), Duration::from_secs(600));
/// let pool = Pool::builder().resolver(Arc::new(names)).build()?;
/// # Ok::<(), pool_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Lingering {
    resolver: Arc<dyn Resolver>,
    grace: Duration,
    /// When an answer had each address last, by host and port.
    seen: Mutex<HashMap<(String, u16), Sightings>>,
}

type Sightings = HashMap<SocketAddr, Instant>;

/// Hosts that are remembered: more than a pool keeps connections to by default, and a bound for a crawl.
const HOSTS: usize = 4096;

impl Lingering {
    /// Leaves an address out once `resolver` has not had it for so long.
    pub fn new(resolver: Arc<dyn Resolver>, grace: Duration) -> Self {
        Self {
            resolver,
            grace,
            seen: Mutex::default(),
        }
    }

    /// Those that the last answers had, and `answer` not, and when: the one seen last first.
    fn note(
        &self,
        host: &str,
        port: u16,
        answer: &[SocketAddr],
        now: Instant,
    ) -> Vec<(Instant, SocketAddr)> {
        let place = (host.to_owned(), port);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= HOSTS && !seen.contains_key(&place) {
            // Whichever: the least recently used one would need books on every lookup.
            let some = seen.keys().next().cloned();
            some.and_then(|some| seen.remove(&some));
        }
        let of_host = seen.entry(place).or_default();
        of_host.retain(|_, at| now.saturating_duration_since(*at) < self.grace);
        of_host.extend(answer.iter().map(|addr| (*addr, now)));
        let answered: HashSet<&SocketAddr> = answer.iter().collect();
        let mut others: Vec<(Instant, SocketAddr)> = of_host
            .iter()
            .filter(|(addr, _)| !answered.contains(addr))
            .map(|(addr, at)| (*at, *addr))
            .collect();
        // By address where they were seen together, so that the order does not change from one lookup to the next.
        others.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        others
    }
}

#[async_trait]
impl Resolver for Lingering {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        Ok(self.answer(host, port).await?.addrs)
    }

    async fn answer(&self, host: &str, port: u16) -> Result<Answer, BoxError> {
        let mut answer = self.resolver.answer(host, port).await?;
        if answer.addrs.is_empty() {
            return Ok(answer);
        }
        let others = self.note(host, port, &answer.addrs, clock::now());
        answer.addrs.extend(others.iter().map(|(_, addr)| *addr));
        // The one seen longest ago is the next to leave.
        let next = others.last().and_then(|(at, _)| at.checked_add(self.grace));
        Ok(match next {
            Some(at) => answer.valid_until(at),
            None => answer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::StaticResolver;

    fn addrs(hosts: &[u8]) -> Vec<SocketAddr> {
        let addr = |host: &u8| SocketAddr::from(([10, 0, 0, *host], 1));
        hosts.iter().map(addr).collect()
    }

    const GRACE: Duration = Duration::from_secs(60);

    struct Rig {
        names: Arc<StaticResolver>,
        lingering: Lingering,
    }

    impl Rig {
        fn new() -> Self {
            let names = Arc::new(StaticResolver::default());
            let lingering = Lingering::new(names.clone(), GRACE);
            Self { names, lingering }
        }

        async fn answer(&self, hosts: &[u8]) -> Vec<SocketAddr> {
            self.names.set("a.test", 1, addrs(hosts));
            self.lingering.resolve("a.test", 1).await.unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_add_up_and_each_address_leaves_a_grace_after_it_was_seen_last() {
        let rig = Rig::new();
        assert_eq!(rig.answer(&[2, 1]).await, addrs(&[2, 1]));
        tokio::time::advance(GRACE / 2).await;
        assert_eq!(rig.answer(&[3]).await, addrs(&[3, 1, 2]));
        tokio::time::advance(GRACE / 2 - Duration::from_nanos(1)).await;
        assert_eq!(rig.answer(&[4]).await, addrs(&[4, 3, 1, 2]));
        tokio::time::advance(Duration::from_nanos(1)).await;
        assert_eq!(rig.answer(&[4]).await, addrs(&[4, 3]));
        // One that comes back is as new.
        assert_eq!(rig.answer(&[1]).await, addrs(&[1, 4, 3]));
        tokio::time::advance(GRACE).await;
        assert_eq!(rig.answer(&[5]).await, addrs(&[5]));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_and_empty_answers_forget_nothing_and_are_told() {
        let rig = Rig::new();
        rig.answer(&[1]).await;
        assert_eq!(rig.answer(&[]).await, []);
        assert!(rig.lingering.resolve("b.test", 1).await.is_err());
        tokio::time::advance(GRACE / 2).await;
        assert_eq!(rig.answer(&[2]).await, addrs(&[2, 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_grace_it_is_as_if_it_were_not_there() {
        let names = Arc::new(StaticResolver::default());
        let lingering = Lingering::new(names.clone(), Duration::ZERO);
        for hosts in [[1, 2], [2, 3]] {
            names.set("a.test", 1, addrs(&hosts));
            tokio::time::advance(Duration::from_nanos(1)).await;
            let got = lingering.resolve("a.test", 1).await.unwrap();
            assert_eq!(got, addrs(&hosts));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_are_apart_and_remembered_up_to_a_bound() {
        let rig = Rig::new();
        rig.answer(&[1]).await;
        rig.names.set("a.test", 2, addrs(&[2]));
        let got = rig.lingering.resolve("a.test", 2).await.unwrap();
        assert_eq!(got, addrs(&[2]));
        for at in 0..2 * HOSTS {
            rig.lingering
                .note(&format!("{at}.test"), 1, &addrs(&[1]), clock::now());
        }
        assert_eq!(rig.lingering.seen.lock().unwrap().len(), HOSTS);
    }
}
