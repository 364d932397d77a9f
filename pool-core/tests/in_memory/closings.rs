//! What an observer is told of a connection's end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::manager::CloseReason;
use pool_core::{Config, Event, Observer};
use pool_health::IdleTimeout;

use crate::network::{Network, URL, addrs, get, pass, pool, resolver};

type End = (SocketAddr, CloseReason, Duration, Option<Duration>);

#[derive(Debug, Default)]
struct Ends(Mutex<Vec<End>>);

impl Observer for Ends {
    fn on(&self, event: &Event<'_>) {
        if let Event::Closed {
            facts,
            reason,
            open,
            idle,
            ..
        } = event
        {
            let end = (facts.target, *reason, *open, *idle);
            self.0.lock().unwrap().push(end);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closed_idle_says_how_long_it_was_open_and_unused() {
    let ends = Arc::new(Ends::default());
    let pool = pool(&Network::new(), resolver(addrs(1)), Config::default())
        .eviction(Arc::new(IdleTimeout(Duration::from_secs(30))))
        .observer(ends.clone())
        .build()
        .unwrap();
    get(&pool).await.unwrap();
    pass(Duration::from_secs(10)).await;
    get(&pool).await.unwrap();
    pass(Duration::from_secs(60)).await;
    let ends = ends.0.lock().unwrap().clone();
    let [(target, CloseReason::Idle, open, Some(idle))] = ends[..] else {
        panic!("{ends:?}");
    };
    assert_eq!(target, addrs(1)[0]);
    assert!(idle >= Duration::from_secs(30), "{idle:?}");
    let used_for = open - idle;
    assert!(used_for >= Duration::from_secs(10), "{used_for:?}");
    assert!(used_for < Duration::from_secs(20), "{used_for:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closed_in_use_was_not_idle() {
    let ends = Arc::new(Ends::default());
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default())
        .observer(ends.clone())
        .build()
        .unwrap();
    let lease = pool.acquire(URL).await.unwrap();
    pool.close(Duration::ZERO).await;
    drop(lease);
    pass(Duration::from_secs(1)).await;
    let ends = ends.0.lock().unwrap().clone();
    assert!(
        matches!(ends[..], [(_, CloseReason::PoolClosed, _, None)]),
        "{ends:?}"
    );
}
