//! What happens to those who are under way when another configuration comes.

use pool_core::config::PolicyConfig;
use pool_core::{ReconfigureError, Warm};

use super::*;
use crate::network::Manner;

#[tokio::test(start_paused = true)]
async fn requests_in_flight_finish_on_connections_that_are_too_many() {
    let (network, pool) = pool_with(1, |_| {});
    network.set(addrs(1)[0], Manner::Slow(10 * SECOND));
    let mut requests = Vec::new();
    for _ in 0..4 {
        let pool = pool.clone();
        requests.push(begun(async move { get(&pool).await }).await);
    }
    assert_eq!(network.open(), 4);
    change(&pool, |config| config.limits.per_host = 1);
    settle().await;
    assert_eq!(network.open(), 4, "nothing is cut");
    for request in requests {
        request.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(network.open(), 1);
    assert_eq!(network.requests().len(), 4, "nothing was sent twice");
}

#[tokio::test(start_paused = true)]
async fn streams_in_flight_finish_on_a_connection_that_has_too_many() {
    let (network, pool) = pool_with(1, |config| config.protocols = Protocols::Http2);
    network.set(addrs(1)[0], Manner::Slow(10 * SECOND));
    let mut requests = Vec::new();
    for _ in 0..4 {
        let pool = pool.clone();
        requests.push(begun(async move { get(&pool).await }).await);
    }
    change(&pool, |config| config.limits.streams_per_conn = 1);
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert_eq!(network.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_keeps_the_time_it_began_with() {
    let (network, pool) = pool_with(1, |_| {});
    network.set(addrs(1)[0], Manner::Slow(10 * SECOND));
    let pool_too = pool.clone();
    let request = begun(async move { get(&pool_too).await }).await;
    change(&pool, |config| config.timeouts.response_head = SECOND);
    request.await.unwrap().unwrap();
    assert_eq!(outcome(get(&pool)).await, "response_head_timeout");
}

#[tokio::test(start_paused = true)]
async fn everybody_whom_the_raised_limit_serves_is_woken() {
    let (network, pool) = pool_with(1, |config| config.limits.per_host = 1);
    let held = pool.acquire(URL).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(asker(&pool).await);
    }
    change(&pool, |config| config.limits.per_host = 4);
    settle().await;
    let served = waiting.iter().filter(|task| task.is_finished()).count();
    assert_eq!((served, network.open()), (3, 4));
    drop(held);
    for task in waiting {
        drop(task.await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn surplus_connections_of_all_hosts_close_and_none_more() {
    for limit in [
        |config: &mut Config| {
            config.limits.total = 4;
            config.limits.per_host = usize::MAX;
        },
        |config: &mut Config| config.limits.idle_total = 4,
    ] {
        let (network, names) = (Network::new(), pool_core::StaticResolver::default());
        let hosts = ["a.test", "b.test", "c.test"];
        for name in hosts {
            names.set(name, 80, addrs(1));
        }
        let pool = pool(&network, Arc::new(names), quiet(|_| {}))
            .build()
            .unwrap();
        for name in hosts {
            let plan = Warm::new(&format!("http://{name}/")).per_cell(3);
            assert_eq!(pool.warm(&plan).await.unwrap().ready(), 3);
        }
        change(&pool, limit);
        settle().await;
        assert_eq!(network.open(), 4);
        let left: Vec<_> = pool
            .snapshot()
            .connections
            .hosts
            .iter()
            .map(|host| host.totals.open)
            .collect();
        assert!(
            left.iter().all(|&open| open >= 1),
            "each gives some: {left:?}"
        );
        settle().await;
        assert_eq!(network.open(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_is_refused_changes_nothing() {
    let (network, pool) = pool_with(1, |config| config.limits.per_host = 2);
    let before = pool.config();
    type Change = fn(&mut Config);
    type Expected = fn(&ReconfigureError) -> bool;
    let attempts: [(Change, Expected); 4] = [
        (
            |config| config.dial.jitter = f64::NAN,
            |error| matches!(error, ReconfigureError::Config(_)),
        ),
        (
            |config| config.eviction = vec![PolicyConfig::new("nobody-knows-it")],
            |error| matches!(error, ReconfigureError::Policy(_)),
        ),
        (
            |config| config.health = vec![PolicyConfig::new("http").option("no-such", "1")],
            |error| matches!(error, ReconfigureError::Policy(_)),
        ),
        (
            |config| {
                config.selector = PolicyConfig::new("sticky");
                config.tls = PolicyConfig::new("none");
            },
            |error| {
                let both = |names: &[&str]| names == ["selector", "tls"];
                matches!(error, ReconfigureError::NeedsNewPool(names) if both(names))
            },
        ),
    ];
    for (change, expected) in attempts {
        let mut config = before.clone();
        config.limits.per_host = 1;
        config.retry.max_attempts = 1;
        change(&mut config);
        let error = pool.reconfigure(config).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert_eq!(pool.config(), before);
    }
    let _two = (
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    );
    assert_eq!(network.open(), 2, "the limit is what it was");
}

#[tokio::test(start_paused = true)]
async fn the_same_configuration_again_changes_nothing() {
    let (network, pool) = pool_with(2, |_| {});
    let held = pool.acquire(URL).await.unwrap();
    pool.warm(&Warm::new(URL).per_cell(2)).await.unwrap();
    settle().await;
    let open = network.open();
    change(&pool, |_| {});
    settle().await;
    assert_eq!((network.open(), network.connects().len()), (open, open));
    drop(held);
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), open);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_new_has_the_new_limits() {
    let (network, pool) = pool_with(1, |_| {});
    change(&pool, |config| {
        config.limits.per_host = 1;
        config.timeouts.acquire = SECOND;
    });
    let _held = pool.acquire(URL).await.unwrap();
    assert_eq!(outcome(get(&pool)).await, "acquire_timeout");
    assert_eq!(network.connects().len(), 1);
}
