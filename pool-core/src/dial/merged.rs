//! Several resolvers, asked together.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::resolve::Resolver;
use crate::error::BoxError;

/// Asks several resolvers at once, and answers with the addresses of all of them: those of the first come first.
///
/// One that fails, or is silent for [`patience`](Self::patience) longer than another that has answered, takes nothing from the
/// answer: what it last said for this host stands in for it, so that a server that is down for a moment drains no
/// connection. Only if no resolver answers is the lookup a failure. An empty answer is an answer. A resolver that
/// panics is not contained here: the whole lookup fails.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use pool_core::{LiteralResolver, Merged, Resolver, StaticResolver};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
/// # runtime.block_on(async {
/// let [one, two] = [StaticResolver::default(), StaticResolver::default()];
/// one.insert("shop.test:443:127.0.1.2".parse()?);
/// two.insert("shop.test:443:127.0.1.1".parse()?);
/// let merged = Merged::new([Arc::new(one) as Arc<dyn Resolver>, Arc::new(two), Arc::new(LiteralResolver)]);
/// // The third knows no names.
/// let addrs = merged.resolve("shop.test", 443).await?;
/// assert_eq!(addrs, ["127.0.1.2:443".parse()?, "127.0.1.1:443".parse()?]);
/// # Ok::<(), pool_core::BoxError>(())
/// # }).expect("an answer");
/// ```
#[derive(Debug)]
pub struct Merged {
    parts: Vec<Part>,
    patience: Duration,
}

#[derive(Debug)]
struct Part {
    resolver: Arc<dyn Resolver>,
    /// By host and port.
    last: Mutex<HashMap<(String, u16), Vec<SocketAddr>>>,
}

/// Hosts whose last answers are remembered for each resolver: more than a pool keeps connections to by default, and a
/// bound for a crawl.
const REMEMBERED: usize = 4096;

impl Merged {
    /// Of these, in this order.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn new(resolvers: impl IntoIterator<Item = Arc<dyn Resolver>>) -> Self {
        let parts: Vec<_> = resolvers
            .into_iter()
            .map(|resolver| Part {
                resolver,
                last: Mutex::default(),
            })
            .collect();
        assert!(!parts.is_empty(), "at least one resolver is needed");
        Self {
            parts,
            patience: Duration::from_secs(1),
        }
    }

    /// How long the others may still take once one has answered. Zero: the first answer is all.
    ///
    /// Defaults to 1 s, which leaves room for a lost packet. It should be shorter than
    /// [`Timeouts::resolve`](crate::config::Timeouts::resolve), which ends the whole lookup.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

#[async_trait]
impl Resolver for Merged {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        Ok(self.answer(host, port).await?.addrs)
    }

    async fn answer(&self, host: &str, port: u16) -> Result<Answer, BoxError> {
        let ask = async |(at, part): (usize, &Part)| (at, part.resolver.answer(host, port).await);
        let mut asked: FuturesUnordered<_> = self.parts.iter().enumerate().map(ask).collect();
        let mut answers: Vec<Option<Answer>> = self.parts.iter().map(|_| None).collect();
        let mut failure = None;
        let mut deadline: Option<Instant> = None;
        loop {
            let next = match deadline {
                None => asked.next().await,
                // Those that are silent for too long are dropped with `asked`.
                Some(deadline) => timeout_at(deadline, asked.next()).await.unwrap_or(None),
            };
            match next {
                Some((at, Ok(answer))) => {
                    self.parts[at].remember(host, port, &answer.addrs);
                    answers[at] = Some(answer);
                    // What is longer than a clock can say has no end.
                    deadline = deadline.or_else(|| Instant::now().checked_add(self.patience));
                }
                Some((_, Err(error))) => failure = failure.or(Some(error)),
                None => break,
            }
        }
        if answers.iter().all(Option::is_none) {
            return Err(failure.expect("each has answered or failed, and there is one"));
        }
        let mut known = HashSet::new();
        let mut all = Answer::new(Vec::new());
        for (answer, part) in answers.into_iter().zip(&self.parts) {
            let Answer { addrs, end } =
                answer.unwrap_or_else(|| Answer::new(part.last(host, port)));
            let new = addrs.into_iter().filter(|addr| known.insert(*addr));
            all.addrs.extend(new);
            // The first to end ends the whole.
            all = all.with_end(end);
        }
        Ok(all)
    }
}

impl Part {
    fn remember(&self, host: &str, port: u16, addrs: &[SocketAddr]) {
        let place = (host.to_owned(), port);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED && !last.contains_key(&place) {
            // Whichever: the least recently used one would need books on every lookup.
            let some = last.keys().next().cloned();
            some.and_then(|some| last.remove(&some));
        }
        last.insert(place, addrs.to_vec());
    }

    fn last(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get(&(host.to_owned(), port));
        last.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what it is told to; `None`: nothing, ever.
    #[derive(Debug)]
    struct Told(Mutex<Option<Result<Vec<SocketAddr>, &'static str>>>);

    impl Told {
        fn new(answer: Option<Result<Vec<SocketAddr>, &'static str>>) -> Arc<Self> {
            Arc::new(Self(Mutex::new(answer)))
        }

        fn set(&self, answer: Option<Result<Vec<SocketAddr>, &'static str>>) {
            *self.0.lock().unwrap() = answer;
        }
    }

    #[async_trait]
    impl Resolver for Told {
        async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
            let answer = self.0.lock().unwrap().clone();
            match answer {
                Some(answer) => Ok(answer?),
                None => std::future::pending().await,
            }
        }
    }

    fn addrs<const N: usize>(hosts: [u8; N]) -> Vec<SocketAddr> {
        let addr = |host| SocketAddr::from(([10, 0, 0, host], 80));
        hosts.map(addr).into()
    }

    fn merged(parts: &[&Arc<Told>]) -> Merged {
        Merged::new(
            parts
                .iter()
                .map(|part| Arc::clone(part) as Arc<dyn Resolver>),
        )
    }

    async fn ask(merged: &Merged) -> Result<Vec<SocketAddr>, String> {
        let answer = merged.resolve("a.test", 80).await;
        answer.map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_united_in_the_order_of_the_resolvers() {
        let [one, two] = [[3, 1], [2, 3]].map(|hosts| Told::new(Some(Ok(addrs(hosts)))));
        assert_eq!(ask(&merged(&[&one, &two])).await, Ok(addrs([3, 1, 2])));
        assert_eq!(ask(&merged(&[&two, &one])).await, Ok(addrs([2, 3, 1])));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_not_missed_and_all_that_fail_are_a_failure() {
        let good = Told::new(Some(Ok(addrs([1]))));
        let [bad, worse] = ["no route", "no name"].map(|why| Told::new(Some(Err(why))));
        assert_eq!(ask(&merged(&[&bad, &good])).await, Ok(addrs([1])));
        let error = ask(&merged(&[&bad, &worse])).await;
        assert_eq!(error, Err("no route".into()));
        let empty = Told::new(Some(Ok(Vec::new())));
        assert_eq!(ask(&merged(&[&bad, &empty])).await, Ok(Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_one_is_waited_for_no_longer_than_the_patience_and_without_answers_for_ever() {
        let (good, silent) = (Told::new(Some(Ok(addrs([1])))), Told::new(None));
        let bad = Told::new(Some(Err("no name")));
        let began = Instant::now();
        let patience = Duration::from_secs(3);
        let merged_ones = merged(&[&silent, &good]).patience(patience);
        assert_eq!(ask(&merged_ones).await, Ok(addrs([1])));
        assert_eq!(began.elapsed(), patience);
        // A failure is no answer.
        let merged = merged(&[&silent, &bad]);
        let hour = Duration::from_secs(3600);
        let waited = tokio::time::timeout(hour, ask(&merged)).await;
        assert!(waited.is_err(), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_last_said_stands_in_for_it_while_it_fails() {
        let [one, two] = [[1], [2]].map(|hosts| Told::new(Some(Ok(addrs(hosts)))));
        let merged = merged(&[&one, &two]);
        assert_eq!(ask(&merged).await, Ok(addrs([1, 2])));
        for down in [Some(Err("down")), None] {
            one.set(down);
            assert_eq!(ask(&merged).await, Ok(addrs([1, 2])));
        }
        // Not for another host, of which it never said anything.
        let other = merged.resolve("b.test", 80).await.unwrap();
        assert_eq!(other, addrs([2]));
        one.set(Some(Ok(addrs([3]))));
        assert_eq!(ask(&merged).await, Ok(addrs([3, 2])));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_hosts_are_remembered_than_there_is_room_for() {
        let one = Told::new(Some(Ok(addrs([1]))));
        let merged = merged(&[&one]);
        for at in 0..REMEMBERED + 10 {
            let host = format!("{at}.test");
            merged.resolve(&host, 80).await.unwrap();
        }
        assert_eq!(merged.parts[0].last.lock().unwrap().len(), REMEMBERED);
    }
}
