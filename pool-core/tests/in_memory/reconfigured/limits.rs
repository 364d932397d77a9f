//! How many of each thing there may be.

use std::sync::Mutex;

use pool_core::config::Limits;
use pool_core::{SourceClass, StaticResolver, Warm};

use super::*;
use crate::network::{Manner, get_with};

one_case_each!(Limits {
    per_host,
    per_site,
    per_endpoint,
    total,
    dials_per_host,
    dials_total,
    waiters_per_host,
    waiters_total,
    idle_per_host,
    idle_total,
    streams_per_conn,
    hosts,
    fair_turn,
    min_reclaim_idle,
});

/// One more connection where the limit was one: whoever waits is served. One fewer: an idle one closes.
async fn bounds_connections(limit: fn(&mut Limits) -> &mut usize) {
    let (network, pool) = pool_with(1, |config| *limit(&mut config.limits) = 1);
    let held = pool.acquire(URL).await.unwrap();
    let waiting = asker(&pool).await;
    assert!(!waiting.is_finished());
    change(&pool, |config| *limit(&mut config.limits) = 2);
    let second = waiting.await.unwrap().unwrap();
    assert_eq!(network.open(), 2);

    drop((held, second));
    change(&pool, |config| *limit(&mut config.limits) = 1);
    settle().await;
    assert_eq!(network.open(), 1, "one too many was idle");
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), 2);

    // With both in use: nothing is cut, and when they come back one is too many.
    change(&pool, |config| *limit(&mut config.limits) = 2);
    let (held, second) = (
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    );
    change(&pool, |config| *limit(&mut config.limits) = 1);
    settle().await;
    assert_eq!(network.open(), 2, "both are in use");
    for lease in [held, second] {
        let request = ::http::Request::get(URL).body(()).unwrap();
        let response = lease.send(request).await.unwrap();
        response.into_body().bytes().await.unwrap();
    }
    settle().await;
    assert_eq!(network.open(), 1);
}

async fn per_host() {
    bounds_connections(|limits| &mut limits.per_host).await;
}

async fn per_site() {
    let (network, pool) = pool_with(1, |config| config.limits.per_host = 1);
    let from = |last| SourceClass::Exact([10, 1, 0, last].into());
    let ask = |last| {
        let (pool, options) = (pool.clone(), RequestOptions::new().source(from(last)));
        begun(async move { get_with(&pool, options).await })
    };
    network.set(addrs(1)[0], Manner::Slow(SECOND));
    let both = [ask(1).await, ask(2).await];
    assert_eq!(network.open(), 1);
    change(&pool, |config| config.limits.per_site = Some(2));
    settle().await;
    assert_eq!(network.open(), 2);
    for answer in both {
        answer.await.unwrap().unwrap();
    }
}

async fn per_endpoint() {
    bounds_connections(|limits| &mut limits.per_endpoint).await;
}

async fn total() {
    // A host may not be allowed more than all together.
    bounds_connections(|limits| {
        limits.per_host = usize::MAX;
        &mut limits.total
    })
    .await;
}

/// One more dial at a time.
async fn bounds_dials(limit: fn(&mut Limits) -> &mut usize) {
    let (network, pool) = pool_with(1, |config| *limit(&mut config.limits) = 1);
    network.set(addrs(1)[0], Manner::Silent);
    let _waiting = [asker(&pool).await, asker(&pool).await, asker(&pool).await];
    assert_eq!(network.connects().len(), 1);
    change(&pool, |config| *limit(&mut config.limits) = 2);
    settle().await;
    assert_eq!(network.connects().len(), 2);
}

async fn dials_per_host() {
    bounds_dials(|limits| &mut limits.dials_per_host).await;
}

async fn dials_total() {
    bounds_dials(|limits| {
        limits.dials_per_host = usize::MAX;
        &mut limits.dials_total
    })
    .await;
}

/// One more who may wait.
async fn bounds_waiters(limit: fn(&mut Limits) -> &mut usize) {
    let (_, pool) = pool_with(1, |config| config.limits.per_host = 1);
    let held = pool.acquire(URL).await.unwrap();
    change(&pool, |config| *limit(&mut config.limits) = 1);
    let waiting = asker(&pool).await;
    assert_eq!(outcome(get(&pool)).await, "saturated");
    change(&pool, |config| *limit(&mut config.limits) = 2);
    let second = asker(&pool).await;
    assert_eq!(outcome(get(&pool)).await, "saturated");
    change(&pool, |config| *limit(&mut config.limits) = 0);
    assert!(
        !waiting.is_finished() && !second.is_finished(),
        "who waits waits on"
    );
    drop(held);
    drop(waiting.await.unwrap().unwrap());
    drop(second.await.unwrap().unwrap());
}

async fn waiters_per_host() {
    bounds_waiters(|limits| &mut limits.waiters_per_host).await;
}

async fn waiters_total() {
    bounds_waiters(|limits| {
        limits.waiters_per_host = usize::MAX;
        &mut limits.waiters_total
    })
    .await;
}

/// Idle connections close at once, and one that comes back finds the new number too.
async fn bounds_idle(limit: fn(&mut Limits) -> &mut usize) {
    let (network, pool) = pool_with(1, |_| {});
    let held = pool.acquire(URL).await.unwrap();
    assert_eq!(
        pool.warm(&Warm::new(URL).per_cell(4))
            .await
            .unwrap()
            .ready(),
        4
    );
    change(&pool, |config| *limit(&mut config.limits) = 2);
    settle().await;
    assert_eq!(network.open(), 3, "two idle, and one in use");
    drop(held);
    settle().await;
    assert_eq!(network.open(), 2);
    change(&pool, |config| *limit(&mut config.limits) = 0);
    settle().await;
    assert_eq!(network.open(), 0);
}

async fn idle_per_host() {
    bounds_idle(|limits| &mut limits.idle_per_host).await;
}

async fn idle_total() {
    bounds_idle(|limits| &mut limits.idle_total).await;
}

async fn streams_per_conn() {
    let (network, pool) = pool_with(1, |config| {
        config.protocols = Protocols::Http2;
        config.limits.per_host = 1;
        config.limits.streams_per_conn = 1;
    });
    get(&pool).await.unwrap();
    let held = pool.acquire(URL).await.unwrap();
    let waiting = asker(&pool).await;
    assert!(!waiting.is_finished());
    change(&pool, |config| config.limits.streams_per_conn = 2);
    let second = waiting.await.unwrap().unwrap();
    assert_eq!(second.conn_info().id, held.conn_info().id);
    change(&pool, |config| config.limits.streams_per_conn = 1);
    drop(second);
    let waiting = asker(&pool).await;
    assert!(!waiting.is_finished(), "one at a time again");
    drop(held);
    drop(waiting.await.unwrap().unwrap());
    assert_eq!(network.connects().len(), 1);
}

async fn hosts() {
    let (network, names) = (Network::new(), StaticResolver::default());
    let urls = ["http://a.test/", "http://b.test/", "http://c.test/"];
    for name in ["a.test", "b.test", "c.test"] {
        names.set(name, 80, addrs(1));
    }
    let config = quiet(|config| config.limits.idle_per_host = 0);
    let pool = pool(&network, Arc::new(names), config).build().unwrap();
    for url in urls {
        pool.get(url)
            .await
            .unwrap()
            .into_body()
            .bytes()
            .await
            .unwrap();
    }
    let known = || pool.snapshot().connections.hosts.len();
    pass(HOUR).await;
    assert_eq!(known(), 3);
    change(&pool, |config| config.limits.hosts = 1);
    pass(pool.config().upkeep.idle_interval).await;
    settle().await;
    assert_eq!(known(), 1, "at the next clean-up");
}

/// Two hosts that may have one connection together: while the first has it and waiters besides, the second starves.
/// Returns how many of four waiters of the first are served before it, with another `fair_turn` put in force.
async fn served_before_the_other(fair_turn: usize) -> usize {
    let (network, names) = (Network::new(), StaticResolver::default());
    names.set("a.test", 80, addrs(1));
    names.set("b.test", 80, addrs(1));
    let config = quiet(|config| {
        config.limits.per_host = 1;
        config.limits.total = 1;
        config.limits.fair_turn = 3;
    });
    let pool = pool(&network, Arc::new(names), config).build().unwrap();
    let held = pool.acquire(URL).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for url in [URL, URL, URL, URL, "http://b.test/"] {
        let (pool, served) = (pool.clone(), served.clone());
        let ask = async move {
            drop(pool.acquire(url).await.unwrap());
            served.lock().unwrap().push(url);
        };
        tasks.push(begun(ask).await);
    }
    change(&pool, |config| config.limits.fair_turn = fair_turn);
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    let served = served.lock().unwrap();
    served.iter().position(|&url| url != URL).unwrap()
}

async fn fair_turn() {
    assert_eq!(served_before_the_other(1).await, 1);
    assert_eq!(served_before_the_other(3).await, 3);
    assert_eq!(served_before_the_other(usize::MAX).await, 4);
}

async fn min_reclaim_idle() {
    for before in [NEVER, HOUR] {
        let (network, names) = (Network::new(), StaticResolver::default());
        names.set("a.test", 80, addrs(1));
        names.set("b.test", 80, addrs(1));
        let config = quiet(|config| {
            config.limits.per_host = 1;
            config.limits.total = 1;
            config.limits.min_reclaim_idle = before;
            config.timeouts.acquire = NEVER;
        });
        let pool = pool(&network, Arc::new(names), config).build().unwrap();
        get(&pool).await.unwrap();
        let starving = begun({
            let pool = pool.clone();
            async move { pool.acquire("http://b.test/").await }
        })
        .await;
        pass(10 * SECOND).await;
        assert!(!starving.is_finished());
        change(&pool, |config| config.limits.min_reclaim_idle = 20 * SECOND);
        pass(9 * SECOND).await;
        assert!(!starving.is_finished(), "not so long yet");
        // It looks again no later than that time from now.
        pass(12 * SECOND).await;
        assert!(starving.is_finished(), "{before:?}");
        drop(starving.await.unwrap().unwrap());
        assert_eq!(network.open(), 1);
    }
}
