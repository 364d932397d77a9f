//! A connection that was idle for long is checked before its use, and nobody loses a place for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{Config, Pool, Priority, RequestOptions};
use pool_health::{HealthCheck, Probe, Unhealthy};
use tokio_test::assert_pending;
use tokio_test::task::spawn;

use crate::network::{Network, URL, addrs, begun, get, get_with, pass, pool, resolver, settle};

const BYPASS: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(61);
/// Within the time that a check may take.
const CHECK: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Well,
    WellLater(Duration),
    Ill,
    Hangs,
    Panics,
}

/// Says what it is told to say, and notes how many requests the servers had seen each time it was asked.
#[derive(Debug)]
pub(crate) struct Doctor {
    says: Mutex<Says>,
    asked: Mutex<Vec<usize>>,
    network: Arc<Network>,
}

impl Doctor {
    pub(crate) fn new(says: Says, network: &Arc<Network>) -> Arc<Self> {
        Arc::new(Self {
            says: Mutex::new(says),
            asked: Mutex::default(),
            network: network.clone(),
        })
    }

    pub(crate) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(crate) fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn asked_after(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl HealthCheck for Doctor {
    fn name(&self) -> &'static str {
        "doctor"
    }
    async fn check(&self, _: &mut dyn Probe) -> Result<(), Unhealthy> {
        let requests = self.network.requests().len();
        self.asked.lock().unwrap().push(requests);
        let says = *self.says.lock().unwrap();
        match says {
            Says::Well => Ok(()),
            Says::WellLater(later) => {
                pass(later).await;
                Ok(())
            }
            Says::Ill => Err(Unhealthy::new("failed")),
            Says::Hangs => std::future::pending().await,
            Says::Panics => panic!("expected by this test"),
        }
    }
}

/// Nothing but checks at checkout: no rounds, no eviction.
fn config() -> Config {
    let mut config = Config::default();
    config.upkeep.alive_bypass = BYPASS;
    config.upkeep.health_interval = Duration::MAX;
    config.eviction.clear();
    config
}

fn practice(says: Says, config: Config) -> (Arc<Network>, Arc<Doctor>, Pool) {
    let network = Network::new();
    let doctor = Doctor::new(says, &network);
    let pool = pool(&network, resolver(addrs(1)), config);
    let pool = pool.health(doctor.clone()).build().unwrap();
    (network, doctor, pool)
}

/// A pool with one connection that has been idle for long.
async fn with_an_old_one(says: Says, config: Config) -> (Arc<Network>, Arc<Doctor>, Pool) {
    let (network, doctor, pool) = practice(says, config);
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked(), 0, "what was just opened is alive");
    pass(LONG).await;
    (network, doctor, pool)
}

#[tokio::test(start_paused = true)]
async fn what_was_idle_for_long_is_checked_once_and_then_used() {
    let (network, doctor, pool) = with_an_old_one(Says::Well, config()).await;
    get(&pool).await.unwrap();
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked_after(), [1], "before the second request");
    assert_eq!(network.connects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_used_within_the_bypass_is_not_checked() {
    let (_, doctor, pool) = practice(Says::Well, config());
    for _ in 0..3 {
        get(&pool).await.unwrap();
        pass(BYPASS).await;
    }
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_check_counts_as_a_sign_of_life_for_as_long() {
    let (_, doctor, pool) = with_an_old_one(Says::Well, config()).await;
    assert_eq!(pool.check_health().await, 0);
    pass(BYPASS).await;
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked(), 1, "the round's alone");
}

#[tokio::test(start_paused = true)]
async fn the_asker_keeps_its_place_before_those_who_came_during_the_check() {
    let mut config = config();
    config.limits.per_host = 1;
    let (network, doctor, pool) = with_an_old_one(Says::WellLater(CHECK), config).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, priority) in [
        ("first", Priority::Low),
        ("second", Priority::High),
        ("third", Priority::High),
    ] {
        let (pool, order) = (pool.clone(), order.clone());
        let ask = async move {
            let options = RequestOptions::new().priority(priority);
            get_with(&pool, options).await.unwrap();
            order.lock().unwrap().push(name);
        };
        tasks.push(begun(ask).await);
    }
    assert!(order.lock().unwrap().is_empty(), "the check goes on");
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["first", "second", "third"]);
    assert_eq!((doctor.asked(), network.connects().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dialled_for_whoever_waits_for_a_check() {
    let (network, doctor, pool) = with_an_old_one(Says::WellLater(CHECK), config()).await;
    get(&pool).await.unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn askers_of_several_old_connections_have_each_checked_once() {
    let (network, doctor, pool) = practice(Says::WellLater(CHECK), config());
    let held = [
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    ];
    drop(held);
    pass(LONG).await;
    let leases = futures_util::future::join(pool.acquire(URL), pool.acquire(URL)).await;
    assert!(leases.0.is_ok() && leases.1.is_ok());
    assert_eq!((doctor.asked(), network.connects().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_closes_it_and_the_asker_gets_another() {
    let (network, doctor, pool) = with_an_old_one(Says::Ill, config()).await;
    get(&pool).await.unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 2));
    settle().await;
    assert_eq!(network.open(), 1);
    let closed = pool.snapshot().connections.totals.closed;
    assert_eq!(closed.into_iter().collect::<Vec<_>>(), [("unhealthy", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_asker_is_gone_serves_the_next() {
    let mut config = config();
    config.limits.per_host = 1;
    let (network, doctor, pool) = with_an_old_one(Says::WellLater(CHECK), config).await;
    let ask = |pool: Pool| async move { get(&pool).await };
    let gone = begun(ask(pool.clone())).await;
    let next = begun(ask(pool.clone())).await;
    gone.abort();
    next.await.unwrap().unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 1));
    assert_eq!(pool.snapshot().connections.totals.waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_asker_is_gone_ends_with_an_idle_connection() {
    let (network, doctor, pool) = with_an_old_one(Says::WellLater(CHECK), config()).await;
    let asker = begun({
        let pool = pool.clone();
        async move { get(&pool).await }
    });
    asker.await.abort();
    pass(CHECK).await;
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.leased, totals.idle), (0, 1));
    get(&pool).await.unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_bypass_every_use_is_checked_exactly_once() {
    for says in [Says::Well, Says::WellLater(CHECK)] {
        let mut config = config();
        config.upkeep.alive_bypass = Duration::ZERO;
        let (network, doctor, pool) = practice(says, config);
        get(&pool).await.unwrap();
        for _ in 0..4 {
            pass(Duration::from_secs(1)).await;
            get(&pool).await.unwrap();
        }
        assert_eq!(doctor.asked_after(), [1, 2, 3, 4], "{says:?}");
        assert_eq!(network.connects().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_is_slow_to_take_what_was_checked_for_it_has_it_checked_no_more() {
    let mut config = config();
    config.upkeep.alive_bypass = Duration::ZERO;
    let (network, doctor, pool) = with_an_old_one(Says::WellLater(CHECK), config).await;
    let mut asking = spawn(pool.acquire(URL));
    for asked in [0, 1] {
        assert_eq!(doctor.asked(), asked);
        assert_pending!(asking.poll());
        pass(CHECK / 2).await;
    }
    pass(CHECK).await;
    let lease = asking.await.unwrap();
    assert!(lease.conn_info().reused);
    assert_eq!((doctor.asked(), network.connects().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_bypass_without_end_is_no_check() {
    let mut config = config();
    config.upkeep.alive_bypass = Duration::MAX;
    let (_, doctor, pool) = with_an_old_one(Says::Ill, config).await;
    get(&pool).await.unwrap();
    assert_eq!(doctor.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_health_checks_nothing_is_checked() {
    let mut config = config();
    config.upkeep.alive_bypass = Duration::ZERO;
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), config).build().unwrap();
    get(&pool).await.unwrap();
    pass(LONG).await;
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), 1);
    let totals = pool.snapshot().connections.totals;
    assert_eq!(
        (totals.acquired, totals.queued),
        (2, 1),
        "no lease for a check"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_ends_by_its_time_limit() {
    let (network, doctor, pool) = with_an_old_one(Says::Hangs, config()).await;
    get(&pool).await.unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_a_bad_verdict() {
    let (network, doctor, pool) = with_an_old_one(Says::Panics, config()).await;
    get(&pool).await.unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 2));
    assert_eq!(pool.snapshot().plugin_panics, 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_outlasts_the_asker_is_a_time_out_of_the_asker_alone() {
    let mut config = config();
    config.timeouts.acquire = Duration::from_secs(1);
    let (network, doctor, pool) = with_an_old_one(Says::WellLater(CHECK), config).await;
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind().code(), "acquire_timeout");
    pass(CHECK).await;
    get(&pool).await.unwrap();
    assert_eq!((doctor.asked(), network.connects().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_without_a_time_limit_ends_with_the_pool() {
    let mut config = config();
    config.upkeep.health_timeout = Duration::MAX;
    let (_network, doctor, pool) = with_an_old_one(Says::Hangs, config).await;
    let mut asking = spawn(get(&pool));
    assert_pending!(asking.poll());
    settle().await;
    assert_eq!(doctor.asked(), 1, "it hangs");
    drop(asking);

    pool.close(Duration::ZERO).await;
    drop(pool);
    settle().await;
    assert_eq!(Arc::strong_count(&doctor), 1, "nobody holds the pool");
}
