//! Requests wait in the class they ask for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::{Config, Pool, Priority, RequestOptions, Warm};

use crate::network::{Network, URL, addrs, begun, get_with, pool, resolver};

/// A pool with one connection, open and idle: whoever opened it has waited for it.
async fn narrow() -> Pool {
    let mut config = Config::default();
    config.limits.per_host = 1;
    let pool = pool(&Network::new(), resolver(addrs(1)), config);
    let pool = pool.build().unwrap();
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 1);
    pool
}

/// The order in which requests of these classes, who came in this order, are served.
async fn order(classes: impl IntoIterator<Item = Priority>) -> Vec<Priority> {
    let pool = narrow().await;
    let held = pool.acquire(URL).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for class in classes {
        let (pool, served) = (pool.clone(), served.clone());
        let ask = async move {
            let options = RequestOptions::new().priority(class);
            get_with(&pool, options).await.unwrap();
            served.lock().unwrap().push(class);
        };
        tasks.push(begun(ask).await);
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    let served = served.lock().unwrap();
    served.clone()
}

#[tokio::test(start_paused = true)]
async fn a_class_is_served_by_its_weight_and_none_starves() {
    let backwards = Priority::ALL.into_iter().rev();
    let classes = backwards.flat_map(|class| std::iter::repeat_n(class, 13));
    let served = order(classes).await;
    for class in Priority::ALL {
        let among = served[..13].iter().filter(|&&served| served == class);
        assert_eq!(
            among.count(),
            class.weight() as usize,
            "{class:?}: {served:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_in_the_middle() {
    let pool = narrow().await;
    let held = pool.acquire(URL).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    let (low, none) = (
        RequestOptions::new().priority(Priority::Low),
        RequestOptions::new(),
    );
    // Each of the two is served once before its class has had its share; after that the lower one waits.
    for (name, options) in [
        ("low", &low),
        ("low", &low),
        ("none", &none),
        ("none", &none),
    ] {
        let (pool, served, options) = (pool.clone(), served.clone(), options.clone());
        let ask = async move {
            get_with(&pool, options).await.unwrap();
            served.lock().unwrap().push(name);
        };
        tasks.push(begun(ask).await);
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), ["none", "low", "none", "low"]);
}

#[tokio::test(start_paused = true)]
async fn a_class_is_no_way_past_the_limits() {
    let mut config = Config::default();
    config.limits.per_host = 1;
    config.limits.waiters_per_host = 1;
    config.timeouts.acquire = Duration::from_secs(1);
    let pool = pool(&Network::new(), resolver(addrs(1)), config);
    let pool = pool.build().unwrap();
    let _held = pool.acquire(URL).await.unwrap();
    let waiting = begun({
        let pool = pool.clone();
        async move { get_with(&pool, RequestOptions::new().priority(Priority::Low)).await }
    })
    .await;
    let high = RequestOptions::new().priority(Priority::High);
    let refused = get_with(&pool, high.clone()).await.unwrap_err();
    assert_eq!(refused.kind().code(), "saturated");
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind().code(),
        "acquire_timeout"
    );
    let late = get_with(&pool, high).await.unwrap_err();
    assert_eq!(late.kind().code(), "acquire_timeout");
}
