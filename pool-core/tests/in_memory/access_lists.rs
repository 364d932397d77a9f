//! Access lists: what they deny is not dialled, and what they deny later drains. The network counts who was connected to.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::network::{Manner, Network, URL, addrs, begun, get, pass, pool, resolver, settle};
use async_trait::async_trait;
use http::Uri;
use pool_core::config::PolicyConfig;
use pool_core::{
    BoxError, Config, Error, ErrorKind, Event, Observer, Pool, PoolBuilder, Resolver, Warm,
};
use pool_health::{
    Access, AccessContext, AccessList, AccessRule, Denied, HttpCheck, IdleTimeout, IpPrefix,
    PrefixList,
};
use std::error::Error as _;
use tower_service::Service;

const NEVER: Duration = Duration::MAX;

/// Nothing happens by itself, but for what is asked of it.
fn quiet() -> Config {
    let mut config = Config::default();
    config.eviction.clear();
    config.outlier.clear();
    config.upkeep.refresh_interval = NEVER;
    config
}

fn on(network: &Arc<Network>, targets: Vec<SocketAddr>) -> PoolBuilder {
    pool(network, resolver(targets), quiet())
}

fn prefix(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

/// A list that denies these.
fn denying(prefixes: &[&str]) -> Arc<PrefixList> {
    let list = PrefixList::default();
    let rules = prefixes.iter().map(|text| AccessRule::deny(prefix(text)));
    list.replace("test", rules.map(|rule| rule.reason("for this test")));
    Arc::new(list)
}

fn denied(error: &Error) -> &Denied {
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let source = error.source().expect("it says why");
    source.downcast_ref().expect("by a list")
}

#[tokio::test(start_paused = true)]
async fn a_denied_address_is_never_dialled_and_the_others_serve() {
    let (network, all) = (Network::new(), addrs(3));
    let pool = on(&network, all.clone()).access(denying(&["10.0.0.1"]));
    let pool = pool.build().unwrap();
    let report = pool.warm(&Warm::new(URL).per_cell(2)).await.unwrap();
    assert_eq!(report.ready(), 4);
    for _ in 0..8 {
        assert_ne!(get(&pool).await.unwrap(), all[0].to_string());
    }
    assert!(!network.connects().contains(&all[0]));
}

#[tokio::test(start_paused = true)]
async fn where_every_address_is_denied_the_error_says_why_and_nothing_is_dialled() {
    let network = Network::new();
    let pool = on(&network, addrs(3)).access(denying(&["10.0.0.0/8"]));
    let pool = pool.build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "an access list denies the address (and 2 others): a.test at 10.0.0.1:80"
    );
    let why = denied(&error);
    assert_eq!(
        why.to_string(),
        "denied by 10.0.0.0/8 of test: for this test"
    );
    assert_eq!(why.prefix, Some(prefix("10.0.0.0/8")));
    assert_eq!((error.kind().code(), error.attempts()), ("denied", 0));
    denied(&pool.warm(&Warm::new(URL)).await.unwrap_err());
    assert!(network.connects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_egress_guard_by_name_holds_against_every_spelling_of_an_address() {
    let guard = PolicyConfig::new("prefixes").option("deny", "private");
    for near in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.1.2.3",
        "169.254.169.254",
        "[fe80::1]",
        "0.0.0.0",
        "[::]",
        "[ff02::1]",
    ] {
        let network = Network::new();
        let target: SocketAddr = format!("{near}:80").parse().unwrap();
        let mut config = quiet();
        config.access = vec![guard.clone()];
        let by_name = pool(&network, resolver(vec![target]), config);
        let by_name = by_name.build().unwrap();
        denied(&get(&by_name).await.unwrap_err());
        // An address instead of a name is resolved to itself.
        let literal = Network::new();
        let mut config = quiet();
        config.access = vec![guard.clone()];
        let by_number = Arc::new(pool_core::LiteralResolver);
        let by_number = pool(&literal, by_number, config).build().unwrap();
        let error = by_number.get(&format!("http://{near}/")).await;
        denied(&error.unwrap_err());
        for network in [network, literal] {
            assert!(network.connects().is_empty(), "{near}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_list_must_allow_an_address() {
    let (network, all) = (Network::new(), addrs(3));
    let pool = on(&network, all.clone())
        .access(denying(&["10.0.0.1"]))
        .access(denying(&["10.0.0.2"]));
    let pool = pool.build().unwrap();
    assert_eq!(get(&pool).await.unwrap(), all[2].to_string());
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().cells.len(), 1);
    assert_eq!(network.connects(), [all[2]]);
}

#[tokio::test(start_paused = true)]
async fn denied_addresses_do_not_take_the_places_of_others_in_a_long_answer() {
    let (network, all) = (Network::new(), addrs(200));
    let mut config = quiet();
    config.dial.max_addresses = 2;
    let pool = pool(&network, resolver(all.clone()), config)
        .access(denying(&["10.0.0.0/25"]))
        .build()
        .unwrap();
    let report = pool.warm(&Warm::new(URL)).await.unwrap();
    let targets: Vec<_> = report.cells.iter().map(|cell| cell.target).collect();
    assert_eq!(targets, all[127..129]);
}

/// Is asked before each connect, whatever a lookup was told.
#[derive(Debug, Default)]
struct Switch {
    denies: AtomicBool,
    asked: AtomicUsize,
}

impl AccessList for Switch {
    fn name(&self) -> &'static str {
        "switch"
    }

    fn check(&self, cx: &AccessContext<'_>) -> Access {
        assert_eq!(cx.host, "a.test");
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.denies.load(Ordering::Relaxed) && cx.target == addrs(1)[0] {
            return Access::deny("switched off");
        }
        Access::Allow
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_denied_after_its_lookup_is_not_dialled_and_another_one_serves() {
    for (hosts, served) in [(1, false), (3, true)] {
        let (network, all, list) = (Network::new(), addrs(hosts), Arc::new(Switch::default()));
        let pool = on(&network, all.clone()).access(list.clone());
        let pool = pool.build().unwrap();
        pool.warm(&Warm::new(URL).per_cell(0)).await.unwrap();
        assert_eq!(list.asked.load(Ordering::Relaxed), usize::from(hosts));
        list.denies.store(true, Ordering::Relaxed);
        for _ in 0..4 {
            match get(&pool).await {
                Ok(at) => assert!(served && at != all[0].to_string()),
                Err(error) => {
                    assert!(!served, "{error}");
                    assert_eq!(denied(&error).to_string(), "denied: switched off");
                }
            }
        }
        assert!(!network.connects().contains(&all[0]));
        assert_eq!(network.requests().len(), if served { 4 } else { 0 });
        // It may come back, and serves again when it is looked up.
        list.denies.store(false, Ordering::Relaxed);
        let report = pool.warm(&Warm::new(URL)).await.unwrap();
        assert_eq!(report.ready(), usize::from(hosts));
        settle().await;
        assert_eq!(network.open_at(all[0]), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_only_address_is_denied_and_another_one_allowed_no_request_is_lost() {
    let (network, all) = (Network::new(), addrs(2));
    let list = denying(&["10.0.0.2"]);
    let pool = on(&network, all.clone()).access(list.clone());
    let pool = pool.build().unwrap();
    pool.warm(&Warm::new(URL).per_cell(0)).await.unwrap();
    // The host knows the one that is denied from now on, and it alone.
    list.replace("test", [AccessRule::deny(prefix("10.0.0.1"))]);
    let mut requests = Vec::new();
    for _ in 0..4 {
        requests.push(begun(get_of(&pool)).await);
    }
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), all[1].to_string());
    }
    assert!(!network.connects().contains(&all[0]));
}

#[tokio::test(start_paused = true)]
async fn connections_to_an_address_that_is_denied_later_drain() {
    let (network, all) = (Network::new(), addrs(2));
    let list = denying(&[]);
    let pool = on(&network, all.clone()).access(list.clone());
    let pool = pool.build().unwrap();
    pool.warm(&Warm::new(URL).per_cell(2)).await.unwrap();
    for &addr in &all {
        network.set(addr, Manner::Slow(Duration::from_secs(20)));
    }
    let requests = [begun(get_of(&pool)).await, begun(get_of(&pool)).await];
    assert_eq!(network.requests_at(all[0]), 1, "one at each");
    list.insert("test", AccessRule::deny(prefix("10.0.0.1")));
    pass(pool.config().upkeep.idle_interval).await;
    assert_eq!(network.open_at(all[0]), 1, "the idle one closes");
    for request in requests {
        request.await.unwrap().expect("what is under way ends well");
    }
    settle().await;
    assert_eq!(
        network.open_at(all[0]),
        0,
        "the busy one closes after its request"
    );
    assert_eq!(network.open_at(all[1]), 2);
    let closed = pool.snapshot().connections.totals.closed;
    assert_eq!(closed.into_iter().collect::<Vec<_>>(), [("denied", 2)]);
}

/// Counts what is told of addresses.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<(&'static str, SocketAddr)>>);

impl Observer for Told {
    fn on(&self, event: &Event<'_>) {
        let told = match *event {
            Event::Ejected {
                target,
                duration: None,
                ..
            } => ("out", target),
            Event::Readmitted { target, .. } => ("back", target),
            _ => return,
        };
        self.0.lock().unwrap().push(told);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_whose_ban_has_ended_gets_no_request_before_a_check_of_it_succeeds() {
    for refreshes in [false, true] {
        let (network, all, list) = (Network::new(), addrs(2), denying(&[]));
        let told = Arc::new(Told::default());
        let mut config = quiet();
        if refreshes {
            // One comes between the end of the ban and the round after it.
            config.upkeep.refresh_interval = Duration::from_secs(1);
        }
        let pool = pool(&network, resolver(all.clone()), config)
            .access(list.clone())
            .observer(told.clone())
            .health(Arc::new(HttpCheck::new("/")));
        let pool = pool.build().unwrap();
        let ban = AccessRule::deny(prefix("10.0.0.1")).lasting(Duration::from_secs(46), now());
        list.insert("bans", ban);
        network.set(all[0], Manner::HangsUp);
        for _ in 0..300 {
            assert_eq!(get(&pool).await.unwrap(), all[1].to_string());
            pass(Duration::from_secs(1)).await;
        }
        assert_eq!(list.export("bans"), [], "the ban is over");
        assert_eq!(*told.0.lock().unwrap(), [("out", all[0])]);
        assert!(network.requests_at(all[0]) > 0, "checks have found it ill");
        network.set(all[0], Manner::Answers);
        let mut served = HashSet::new();
        for _ in 0..300 {
            served.insert(get(&pool).await.unwrap());
            pass(Duration::from_secs(1)).await;
        }
        assert_eq!(*told.0.lock().unwrap(), [("out", all[0]), ("back", all[0])]);
        assert_eq!(served.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn without_checks_an_address_whose_ban_has_ended_joins_with_the_next_round() {
    let (network, all, list) = (Network::new(), addrs(2), denying(&[]));
    let pool = on(&network, all.clone()).access(list.clone());
    let pool = pool.build().unwrap();
    let ban = AccessRule::deny(prefix("10.0.0.1")).lasting(Duration::from_secs(1), now());
    list.insert("bans", ban);
    // The other one remains in use, so nothing but the end of the ban has the host looked up.
    let _lease = pool.acquire(URL).await.unwrap();
    assert_eq!(network.connects(), [all[1]]);
    pass(pool.config().upkeep.idle_interval).await;
    settle().await;
    assert_eq!(get(&pool).await.unwrap(), all[0].to_string());
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn get_of(pool: &Pool) -> impl Future<Output = Result<String, Error>> + use<> {
    let pool = pool.clone();
    async move { get(&pool).await }
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_effect_at_once_if_asked_for() {
    let (network, all) = (Network::new(), addrs(1));
    let list = denying(&[]);
    let pool = on(&network, all.clone()).access(list.clone());
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    assert_eq!(pool.enforce_access(), 0);
    list.insert("test", AccessRule::deny(prefix("10.0.0.0/8")));
    assert_eq!(pool.enforce_access(), 1);
    assert_eq!(pool.enforce_access(), 0, "it is gone");
    denied(&get(&pool).await.unwrap_err());
    assert_eq!(network.open(), 0);
    list.remove("test", prefix("10.0.0.0/8"));
    get(&pool)
        .await
        .expect("a host without addresses is looked up");
    assert_eq!(network.connects(), [all[0], all[0]]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_last_address_is_denied_learns_why() {
    let (network, all) = (Network::new(), addrs(1));
    let list = denying(&[]);
    let mut config = quiet();
    config.limits.per_host = 1;
    let pool = pool(&network, resolver(all.clone()), config).access(list.clone());
    let pool = pool.build().unwrap();
    let lease = pool.acquire(URL).await.unwrap();
    let waiting = begun(get_of(&pool)).await;
    list.insert("test", AccessRule::deny(prefix("10.0.0.1")));
    assert_eq!(pool.enforce_access(), 1);
    denied(&waiting.await.unwrap().unwrap_err());
    drop(lease);
    settle().await;
    assert_eq!((network.open(), network.connects().len()), (0, 1));
}

/// Panics when it is asked, and when it is to clean up.
#[derive(Debug)]
struct Panics;

impl AccessList for Panics {
    fn name(&self) -> &'static str {
        panic!("expected by this test")
    }

    fn check(&self, _: &AccessContext<'_>) -> Access {
        panic!("expected by this test")
    }

    fn expire(&self, _: Instant) -> Vec<AccessRule> {
        panic!("expected by this test")
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_panics_lets_nobody_pass_and_upkeep_goes_on() {
    let network = Network::new();
    let idle = Arc::new(IdleTimeout(Duration::from_secs(1)));
    let pool = on(&network, addrs(2)).access(Arc::new(Panics));
    let pool = pool.eviction(idle).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(
        denied(&error).to_string(),
        "denied: the access list panicked"
    );
    assert_eq!(pool.snapshot().plugin_panics, 2, "one for each address");
    settle().await;
    for round in 1..=3 {
        pass(pool.config().upkeep.idle_interval).await;
        assert_eq!(pool.snapshot().plugin_panics, 2 + round);
    }
    assert!(network.connects().is_empty());
}

/// Allows what a lookup brings and denies it when it is to be dialled.
#[derive(Debug, Default)]
struct Liar(AtomicUsize);

impl AccessList for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }

    fn check(&self, _: &AccessContext<'_>) -> Access {
        match self.0.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Access::Allow,
            _ => Access::deny("second thoughts"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changes_its_mind_costs_its_requests_and_nothing_hangs() {
    let (network, liar) = (Network::new(), Arc::new(Liar::default()));
    let pool = on(&network, addrs(1)).access(liar.clone());
    let pool = pool.build().unwrap();
    for request in 1..=3 {
        denied(&get(&pool).await.unwrap_err());
        // Two lookups and two dials: the list may have changed between the first two.
        assert_eq!(liar.0.load(Ordering::Relaxed), 4 * request);
    }
    assert!(network.connects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_connector_for_other_clients_asks_too() {
    let (network, all) = (Network::new(), addrs(2));
    let pool = on(&network, all.clone()).access(denying(&["10.0.0.1"]));
    let pool = pool.build().unwrap();
    let uri = Uri::from_static(URL);
    pool.connector().call(uri.clone()).await.unwrap();
    assert_eq!(network.connects(), [all[1]]);
    let list = Arc::new(Liar::default());
    let pool = on(&network, addrs(1)).access(list).build().unwrap();
    let error = pool.connector().call(uri).await.err();
    denied(&error.expect("the second answer counts"));
    assert_eq!(network.connects(), [all[1]]);
}

/// Answers with the first address, then with the second.
#[derive(Debug, Default)]
struct Rebinds(AtomicUsize);

#[async_trait]
impl Resolver for Rebinds {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed).min(1);
        Ok(vec![addrs(2)[asked]])
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_moves_to_a_denied_address_does_not_lead_there() {
    let (network, all) = (Network::new(), addrs(2));
    let mut config = quiet();
    config.upkeep.refresh_interval = Duration::from_secs(1);
    let names = Arc::new(Rebinds::default());
    let pool = pool(&network, names.clone(), config).access(denying(&["10.0.0.2"]));
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    pass(Duration::from_millis(1500)).await;
    assert_eq!(names.0.load(Ordering::Relaxed), 2);
    assert_eq!(
        get(&pool).await.unwrap(),
        all[0].to_string(),
        "the last good answer stays"
    );
    assert_eq!(network.connects(), [all[0]]);
}
