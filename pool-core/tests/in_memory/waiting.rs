//! Waiting for a lease through the manager's public face: on a host, and on one connection.

use std::net::SocketAddr;
use std::time::Duration;

use pool_core::config::Limits;
use pool_core::manager::{ConnHandle, ConnectionManager, NewConn};
use pool_core::{ErrorKind, Key, Phase, Scheme};

use crate::network::{begun, pass};

const SHORT: Duration = Duration::from_secs(1);

type Manager = ConnectionManager<&'static str>;

fn key() -> Key {
    Key::new(Scheme::Http, "a.test", 80)
}

/// A manager with one connection, which takes one lease at a time.
fn with_one() -> (Manager, ConnHandle<&'static str>) {
    let manager = Manager::new(&Limits::default());
    let target = SocketAddr::from(([10, 0, 0, 1], 80));
    let added = manager.add(&key(), NewConn::exclusive(target, "held"));
    let id = added.expect("the limits allow it").id();
    let conn = manager.by_id(id).expect("it was added");
    (manager, conn)
}

#[tokio::test(start_paused = true)]
async fn a_time_out_leaves_nothing_behind() {
    let (manager, conn) = with_one();
    let host = manager.host(&key());
    let held = conn.try_acquire().unwrap();
    for timeout in [SHORT, Duration::ZERO] {
        let late = [
            host.wait_available(timeout).await.unwrap_err(),
            conn.wait_available(timeout).await.unwrap_err(),
        ];
        for error in late {
            assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
        }
    }
    let totals = manager.snapshot().totals;
    assert_eq!((totals.waiting, totals.leased), (0, 1));
    drop(held);
    assert!(conn.status().is_idle(), "nobody was granted it");
    drop(host.wait_available(Duration::ZERO).await.unwrap());
    drop(conn.wait_available(Duration::ZERO).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_in_time_is_granted() {
    let (manager, conn) = with_one();
    for timeout in [SHORT, Duration::MAX] {
        let held = conn.try_acquire().unwrap();
        let (host, same) = (manager.host(&key()), conn.clone());
        let any = begun(async move { host.wait_available(timeout).await.map(|lease| lease.id()) });
        let any = any.await;
        let this = begun(async move { same.wait_available(timeout).await.map(|lease| lease.id()) });
        let this = this.await;
        assert!(!any.is_finished() && !this.is_finished());
        drop(held);
        assert_eq!(any.await.unwrap().unwrap(), conn.id());
        assert_eq!(this.await.unwrap().unwrap(), conn.id());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_serves_one_of_eight() {
    let (manager, conn) = with_one();
    let held = conn.try_acquire().unwrap();
    let mut waiting = Vec::new();
    for n in 0..8 {
        let (host, same) = (manager.host(&key()), conn.clone());
        waiting.push(
            begun(async move {
                let lease = match n % 2 {
                    0 => host.wait_available(SHORT).await,
                    _ => same.wait_available(SHORT).await,
                };
                // Kept: nobody else can be served by this one.
                lease.ok()
            })
            .await,
        );
    }
    drop(held);
    let mut served = Vec::new();
    for task in waiting {
        served.push(task.await.unwrap());
    }
    assert_eq!(served.iter().flatten().count(), 1);
    assert!(served[0].is_some(), "the first that came");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_connection_that_goes_is_told_at_once() {
    let (manager, conn) = with_one();
    let held = conn.try_acquire().unwrap();
    let waiting = begun({
        let conn = conn.clone();
        async move { conn.wait_available(SHORT).await.map(drop) }
    })
    .await;
    assert!(conn.remove());
    let gone = waiting.await.unwrap().unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ConnGone);
    drop(held);
    let gone = conn.wait_available(SHORT).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ConnGone);
    assert_eq!(manager.snapshot().totals.waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_close_refuses_those_who_wait_and_those_who_come() {
    let (manager, conn) = with_one();
    let host = manager.host(&key());
    let held = conn.try_acquire().unwrap();
    let any = begun({
        let host = host.clone();
        async move { host.wait_available(SHORT).await.map(drop) }
    })
    .await;
    let this = begun({
        let conn = conn.clone();
        async move { conn.wait_available(SHORT).await.map(drop) }
    })
    .await;
    manager.close();
    manager.close();
    for waiting in [any, this] {
        let closed = waiting.await.unwrap().unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
    }
    drop(held);
    for _ in 0..2 {
        let closed = host.wait_available(SHORT).await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
        let closed = conn.wait_available(SHORT).await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
    }
    assert!(manager.try_acquire(&key()).is_none());
    assert_eq!(manager.permits_in_use(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_for_one_connection_passes_it_on() {
    let (manager, conn) = with_one();
    let held = conn.try_acquire().unwrap();
    let gone = begun({
        let conn = conn.clone();
        async move { conn.wait_available(Duration::MAX).await.map(drop) }
    })
    .await;
    let next = begun({
        let host = manager.host(&key());
        async move { host.wait_available(SHORT).await.map(drop) }
    })
    .await;
    gone.abort();
    pass(Duration::from_millis(1)).await;
    drop(held);
    next.await.unwrap().unwrap();
    assert_eq!(manager.snapshot().totals.waiting, 0);
}
