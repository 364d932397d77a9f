//! An address that does not answer a connect: the next one is tried beside it after the attempt delay, within the limits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{Config, Pool, Protocols, RequestOptions, StaticResolver};
use pool_tls::{BoxedIo, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsSession, TlsVersion};
use tokio::time::Instant;

use crate::network::{Manner, Network, URL, addrs, begun, get, get_with, pass, pool, resolver};

const DELAY: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);

/// A pool on two addresses, of which the first does as it is told.
fn pool_where_the_first(manner: Manner, change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool) {
    let network = Network::new();
    network.set(addrs(2)[0], manner);
    let mut config = Config::default();
    config.timeouts.connect = 10 * SECOND;
    config.timeouts.acquire = Duration::MAX;
    change(&mut config);
    let pool = pool(&network, resolver(addrs(2)), config);
    (network, pool.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_silent_first_address_costs_the_attempt_delay_and_no_connect_timeout() {
    let (network, pool) = pool_where_the_first(Manner::Silent, |_| {});
    let began = Instant::now();
    assert_eq!(get(&pool).await.unwrap(), addrs(2)[1].to_string());
    let took = began.elapsed();
    // The timer is exact to the millisecond.
    assert!(took >= DELAY && took < DELAY + SECOND / 100, "{took:?}");
    assert_eq!(network.connects(), addrs(2));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_in_time_is_the_only_one_dialled() {
    let soon = Manner::Takes(DELAY - Duration::from_millis(1));
    let (network, pool) = pool_where_the_first(soon, |_| {});
    assert_eq!(get(&pool).await.unwrap(), addrs(2)[0].to_string());
    pass(10 * SECOND).await;
    assert_eq!(network.connects(), addrs(1));
}

/// Says that TLS has begun, after a while.
#[derive(Debug)]
struct Slow(Duration);

#[async_trait]
impl TlsConnector for Slow {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        pass(self.0).await;
        let profile = cx.plan.profile_id().clone();
        Ok(TlsSession::new(io, TlsVersion::Tls13, profile))
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_after_the_accept_is_waited_for() {
    let network = Network::new();
    let resolver = StaticResolver::default();
    resolver.set("a.test", 443, addrs(2));
    let pool = pool(&network, Arc::new(resolver), Config::default())
        .tls(Arc::new(Slow(4 * DELAY)))
        .build()
        .unwrap();
    pool.get("https://a.test/").await.unwrap();
    assert_eq!(network.connects(), addrs(1));
}

#[tokio::test(start_paused = true)]
async fn a_cold_burst_over_http2_makes_two_dials() {
    let (network, pool) = pool_where_the_first(Manner::Silent, |_| {});
    let h2 = RequestOptions::new().protocols(Protocols::Http2);
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let (pool, h2) = (pool.clone(), h2.clone());
            tokio::spawn(async move { get_with(&pool, h2).await })
        })
        .collect();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(network.connects(), addrs(2));
}

#[tokio::test(start_paused = true)]
async fn the_one_that_comes_later_stays_as_a_warm_one() {
    let (network, pool) = pool_where_the_first(Manner::Takes(SECOND), |_| {});
    assert_eq!(get(&pool).await.unwrap(), addrs(2)[1].to_string());
    pass(SECOND).await;
    let first = pool.acquire(URL).await.unwrap();
    let second = pool.acquire(URL).await.unwrap();
    assert_ne!(first.conn_info().id, second.conn_info().id);
    assert_eq!(network.connects(), addrs(2), "both were there");
}

#[tokio::test(start_paused = true)]
async fn limits_of_one_forbid_the_second_dial() {
    let ones: [fn(&mut Config); 5] = [
        |config| config.limits.total = 1,
        |config| config.limits.per_host = 1,
        |config| config.limits.dials_total = 1,
        |config| config.limits.dials_per_host = 1,
        |config| config.dial.attempt_delay = Duration::MAX,
    ];
    for one in ones {
        let (network, pool) = pool_where_the_first(Manner::Silent, |config| {
            one(config);
            let limits = &mut config.limits;
            limits.per_host = limits.per_host.min(limits.total);
            limits.dials_per_host = limits.dials_per_host.min(limits.dials_total);
        });
        let began = Instant::now();
        let asked = begun(async move { get(&pool).await }).await;
        pass(9 * SECOND).await;
        assert_eq!(network.connects(), addrs(1));
        // The second address has its turn when the first has had all its time.
        assert_eq!(asked.await.unwrap().unwrap(), addrs(2)[1].to_string());
        assert!(began.elapsed() >= 10 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn two_silent_addresses_are_told_once_both_have_had_their_time() {
    let (network, pool) = pool_where_the_first(Manner::Silent, |_| {});
    network.set(addrs(2)[1], Manner::Silent);
    let began = Instant::now();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind().code(), "connect_timeout");
    assert_eq!(network.connects(), addrs(2));
    let took = began.elapsed();
    assert!(
        took >= 10 * SECOND + DELAY && took < 11 * SECOND,
        "{took:?}"
    );
}

/// Two connections in all: whatever becomes of the two dials, there is room for two afterwards, and for no more.
async fn two_fit(pool: &Pool, network: &Network) {
    for addr in addrs(2) {
        network.set(addr, Manner::Answers);
    }
    // Whatever runs has ended, and no address is backed off from.
    pass(60 * SECOND).await;
    let leases = [
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    ];
    let third = begun({
        let pool = pool.clone();
        async move { pool.acquire(URL).await }
    })
    .await;
    pass(60 * SECOND).await;
    assert!(!third.is_finished());
    drop(leases);
    drop(third.await.unwrap().unwrap());
}

fn two_in_all(config: &mut Config) {
    config.limits.total = 2;
    config.limits.per_host = 2;
    config.limits.dials_total = 2;
    config.limits.dials_per_host = 2;
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_lost_whichever_of_the_two_dials_comes_first_or_fails() {
    let second = [
        Manner::Answers,
        Manner::Refuses,
        Manner::Silent,
        Manner::Takes(SECOND),
    ];
    let first = [
        Manner::Silent,
        Manner::Takes(DELAY * 2),
        Manner::Takes(3 * SECOND),
    ];
    for first in first {
        for second in second {
            let (network, pool) = pool_where_the_first(first, two_in_all);
            network.set(addrs(2)[1], second);
            let both_silent =
                first == Manner::Silent && matches!(second, Manner::Silent | Manner::Refuses);
            assert_eq!(
                get(&pool).await.is_err(),
                both_silent,
                "{first:?}, {second:?}"
            );
            assert_eq!(network.connects(), addrs(2), "{first:?}, {second:?}");
            two_fit(&pool, &network).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_lost_with_whoever_waited_for_them() {
    for patience in [DELAY / 2, DELAY * 2] {
        let (network, pool) = pool_where_the_first(Manner::Silent, two_in_all);
        network.set(addrs(2)[1], Manner::Silent);
        assert!(tokio::time::timeout(patience, get(&pool)).await.is_err());
        two_fit(&pool, &network).await;
    }
}
