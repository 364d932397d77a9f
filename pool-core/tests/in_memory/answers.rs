//! How long a lookup's answer counts: until its time is over, or until its resolver says that it has changed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{
    Answer, BoxError, Config, Lingering, Merged, Pool, Resolver, StaticResolver, Warm,
};
use tokio::time::Instant;

use crate::network::{Network, URL, addrs, pass, pool, resolver};

const SECOND: Duration = Duration::from_secs(1);

/// What an answer says of itself.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// It counts for so long.
    For(Duration),
    /// It has changed already.
    Changed,
    /// It will say so, and panics over it.
    Panics,
}

/// The address whose number it was asked last, the next one each time, each answer with what it says of itself.
#[derive(Debug)]
struct Turns {
    says: Says,
    asked: AtomicUsize,
    /// Answers after the first fail, so many.
    failures: usize,
    times: Mutex<Vec<Instant>>,
}

impl Turns {
    fn new(says: Says, failures: usize) -> Arc<Self> {
        Arc::new(Self {
            says,
            asked: AtomicUsize::new(0),
            failures,
            times: Mutex::default(),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The times between one question and the next.
    fn pauses(&self) -> Vec<Duration> {
        let times = self.times.lock().unwrap();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

#[async_trait]
impl Resolver for Turns {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        unreachable!("the pool wants the whole answer")
    }

    async fn answer(&self, _: &str, _: u16) -> Result<Answer, BoxError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.times.lock().unwrap().push(Instant::now());
        if (1..=self.failures).contains(&asked) {
            return Err("no such name".into());
        }
        let answer = Answer::new(vec![addrs(2)[asked % 2]]);
        Ok(match self.says {
            Says::For(time) => match Instant::now().into_std().checked_add(time) {
                Some(at) => answer.valid_until(at),
                None => answer,
            },
            Says::Changed => answer.until(std::future::ready(())),
            Says::Panics => answer.until(async { panic!("expected by this test") }),
        })
    }
}

/// A pool that keeps what is open, and looks nothing up of itself.
fn quiet(network: &Arc<Network>, names: Arc<dyn Resolver>) -> Pool {
    let mut config = Config::default();
    config.eviction.clear();
    config.upkeep.refresh_interval = Duration::MAX;
    pool(network, names, config).build().unwrap()
}

/// A warm pool on it.
async fn warm(names: Arc<dyn Resolver>) -> (Arc<Network>, Pool) {
    let network = Network::new();
    let pool = quiet(&network, names);
    pool.warm(&Warm::new(URL)).await.unwrap();
    (network, pool)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_asked_for_again_when_its_time_is_over() {
    let names = Turns::new(Says::For(30 * SECOND), 0);
    let (network, _pool) = warm(names.clone()).await;
    pass(29 * SECOND).await;
    assert_eq!((names.asked(), network.open()), (1, 1));
    pass(2 * SECOND).await;
    assert_eq!(names.asked(), 2);
    assert_eq!(network.open(), 0, "the address is gone, and drained");
}

#[tokio::test(start_paused = true)]
async fn a_time_to_live_of_zero_is_a_second_and_one_without_end_has_none() {
    let (names, held) = (Turns::new(Says::For(Duration::ZERO), 0), Network::new());
    let pool = quiet(&held, names.clone());
    // In use, whatever the answers say.
    let _lease = pool.acquire(URL).await.unwrap();
    pass(10 * SECOND + SECOND / 2).await;
    assert_eq!(names.pauses(), [SECOND; 10]);

    let names = Turns::new(Says::For(Duration::MAX), 0);
    let (network, _pool) = warm(names.clone()).await;
    pass(3 * 3600 * SECOND).await;
    assert_eq!((names.asked(), network.open()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_last_good_answer_and_is_tried_again_later_and_later() {
    let names = Turns::new(Says::For(10 * SECOND), 9);
    let (network, pool) = warm(names.clone()).await;
    pass(255 * SECOND).await;
    let waits = [10, 1, 2, 4, 8, 16, 32, 60, 60, 60];
    assert_eq!(names.pauses(), waits.map(|wait| wait * SECOND));
    assert_eq!(network.open(), 1);
    assert_eq!(pool.snapshot().plugin_panics, 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_in_use_any_more_is_not_asked_for() {
    let names = Turns::new(Says::For(SECOND), 0);
    let (network, _pool) = warm(names.clone()).await;
    pass(60 * SECOND).await;
    // The first answer's connection drained with it.
    assert_eq!((network.open(), names.asked()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_always_says_it_has_changed_is_asked_for_ten_times_a_second() {
    let (names, network) = (Turns::new(Says::Changed, 0), Network::new());
    let pool = quiet(&network, names.clone());
    let _lease = pool.acquire(URL).await.unwrap();
    pass(2 * SECOND + SECOND / 20).await;
    assert_eq!(names.pauses(), [SECOND / 10; 20]);
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_when_asked_for_changes_is_left_with_its_answer() {
    let names = Turns::new(Says::Panics, 0);
    let (network, pool) = warm(names.clone()).await;
    pass(100 * SECOND).await;
    assert_eq!((names.asked(), network.open()), (1, 1));
    assert_eq!(pool.snapshot().plugin_panics, 1);
}

/// Whether a change to the table moves a warm pool on `names` before time has passed to speak of.
async fn moves_at_once(table: &StaticResolver, names: Arc<dyn Resolver>) {
    let all = addrs(3);
    table.set("a.test", 80, all[..2].to_vec());
    let (network, pool) = warm(names).await;
    pass(SECOND).await;
    assert_eq!(network.open(), 2);
    table.set("b.test", 80, all.clone());
    table.set("a.test", 80, all[1..].to_vec());
    pass(SECOND / 1000).await;
    let open = [0, 1, 2].map(|at| network.open_at(all[at]));
    assert_eq!(open, [0, 1, 0], "the first has gone, the second stays");
    // The new one is in rotation.
    let leases = [
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    ];
    assert_eq!(network.open_at(all[2]), 1);
    drop(leases);
    // And again.
    table.set("a.test", 80, vec![all[0]]);
    pass(SECOND).await;
    assert_eq!(network.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_table_takes_effect_at_once() {
    let table = Arc::new(StaticResolver::default());
    moves_at_once(&table, table.clone()).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_passed_on_by_resolvers_around_others() {
    let table = Arc::new(StaticResolver::default());
    let behind = StaticResolver::new(table.clone());
    moves_at_once(&table, Arc::new(behind)).await;

    let table = Arc::new(StaticResolver::default());
    let slow: Arc<dyn Resolver> = resolver(Vec::new());
    let merged = Merged::new([slow, table.clone()]);
    moves_at_once(&table, Arc::new(merged)).await;

    let table = Arc::new(StaticResolver::default());
    let lingering = Lingering::new(table.clone(), Duration::ZERO);
    moves_at_once(&table, Arc::new(lingering)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_put_before_the_fallback_takes_effect_at_once() {
    let (behind, network) = (resolver(addrs(1)), Network::new());
    let table = Arc::new(StaticResolver::new(behind));
    let pool = quiet(&network, table.clone());
    pool.warm(&Warm::new(URL)).await.unwrap();
    pass(SECOND).await;
    table.set("a.test", 80, addrs(2)[1..].to_vec());
    pass(SECOND / 1000).await;
    assert_eq!(network.open_at(addrs(1)[0]), 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_drains_a_grace_after_it_has_gone() {
    let table = resolver(addrs(2));
    let lingering = Lingering::new(table.clone(), 20 * SECOND);
    let (network, _pool) = warm(Arc::new(lingering)).await;
    pass(SECOND).await;
    table.set("a.test", 80, addrs(1));
    // Seen last in the answer at the beginning.
    pass(18 * SECOND).await;
    assert_eq!(network.open(), 2);
    pass(2 * SECOND).await;
    assert_eq!(network.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_pool_watches_nothing() {
    let table = resolver(addrs(1));
    let (_network, pool) = warm(table.clone()).await;
    let watched = Arc::strong_count(&table);
    pool.close(SECOND).await;
    drop(pool);
    pass(SECOND).await;
    assert!(Arc::strong_count(&table) < watched);
    assert_eq!(Arc::strong_count(&table), 1, "nobody holds the resolver");
}
