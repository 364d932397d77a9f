//! A runtime that goes takes connections, dials and waiters with it, and leaves the pool fit for the next one.

use std::time::Duration;

use pool_core::testing::Fleet;
use pool_core::{Config, ErrorKind, Pool};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::load::get;
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_thread() {
    bounded(scenario(|| {
        Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_threads() {
    bounded(scenario(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    }))
    .await;
}

async fn scenario(runtime: fn() -> Runtime) {
    let fleet = Fleet::builder()
        .origins(origins(2))
        .start()
        .await
        .expect("a fleet");
    let witness = Witness::new();
    let mut config = Config::default();
    config.limits.per_host = 3;
    config.limits.streams_per_conn = 1;
    let builder = pool_of(&fleet, config).observer(witness.clone());
    // Built where there is no runtime, and taken from one to the next.
    let built = std::thread::spawn(move || builder.build());
    let pool = built.join().expect("no panic").expect("a pool");

    for generation in 0..3 {
        idle_connections_go(&fleet, &pool, runtime()).await;
        waiters_and_dials_go(&fleet, &pool, runtime(), generation).await;
    }
    get(&pool, &fleet.url("/")).await;
    close_and_balance(&pool, &witness).await;
}

/// The runtime of an idle connection ends: the next request, from another one, opens another connection.
async fn idle_connections_go(fleet: &Fleet, pool: &Pool, runtime: Runtime) {
    let mark = fleet.ledger().mark();
    let (pool, url) = (pool.clone(), fleet.url("/"));
    on(runtime, async move { get(&pool, &url).await }).await;
    let since = fleet.ledger().since(&mark);
    assert_eq!((since.accepted(), since.served()), (1, 1));
    since
        .wait_until(|since| since.open_connections() == 0)
        .await;
}

/// A runtime ends with a dial under way and requests, of itself and of another runtime, that wait for it.
async fn waiters_and_dials_go(fleet: &Fleet, pool: &Pool, runtime: Runtime, generation: u32) {
    let mark = fleet.ledger().mark();
    for origin in fleet.origins() {
        origin.script(|script| script.stall_accept = true);
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let of_the_runtime = {
        let (pool, url) = (pool.clone(), fleet.url("/"));
        tokio::task::spawn_blocking(move || {
            runtime.spawn(async move { pool.get(&url).await.map(drop) });
            // Drives a runtime of one thread as well.
            let _told = runtime.block_on(stopped);
            drop(runtime);
        })
    };
    let dialling = fleet.ledger().since(&mark);
    dialling
        .wait_until(|dialling| dialling.accepted() >= 1)
        .await;
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            let (pool, url) = (pool.clone(), fleet.url("/"));
            tokio::spawn(async move { pool.get(&url).await.map(drop) })
        })
        .collect();
    let queued = |pool: &Pool| pool.snapshot().connections.totals.waiting;
    while queued(pool) < 9 {
        tokio::task::yield_now().await;
    }
    stop.send(()).expect("the runtime waits for it");
    of_the_runtime.await.expect("the runtime ends");
    for waiter in waiters {
        let kind = waiter
            .await
            .expect("a waiter")
            .expect_err("its dial is gone")
            .kind();
        assert!(
            matches!(kind, ErrorKind::RuntimeGone | ErrorKind::Closed),
            "{kind:?} in generation {generation}"
        );
    }
    for origin in fleet.origins() {
        origin.script(|script| script.stall_accept = false);
        // A stalled connection does not even notice that the client is gone.
        origin.kill();
        origin.restart().await.expect("its own port");
    }
    let since = fleet.ledger();
    since
        .wait_until(|since| since.open_connections() == 0)
        .await;
}

/// Runs `task` on `runtime`, then drops the runtime with whatever else it carries.
async fn on(runtime: Runtime, task: impl Future<Output = ()> + Send + 'static) {
    let run = move || {
        runtime.block_on(async { tokio::spawn(task).await.expect("no panic") });
        runtime.shutdown_timeout(Duration::from_secs(5));
    };
    tokio::task::spawn_blocking(run)
        .await
        .expect("the runtime ends");
}
