//! What comes back goes to exactly one waiter: the one that has waited longest and still does.

use pool_core::{Config, ConnInfo, Error, PooledLease};
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

use crate::wires::{URL, pool};

const WAITERS: usize = 8;

fn one_connection() -> Config {
    let mut config = Config::default();
    config.limits.per_host = 1;
    config
}

#[tokio::test(start_paused = true)]
async fn eight_waiters_and_one_release_make_one_owner_each_time() {
    let (pool, mut network) = pool(one_connection());
    let mut held = pool.acquire(URL).await.expect("a lease");
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| spawn(pool.acquire(URL))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    assert_eq!(woken(&waiters), []);

    for next in 0..WAITERS {
        let conn = id(&held);
        drop(held);
        assert_eq!(woken(&waiters), [next], "one woken, and in order");
        held = assert_ready!(waiters[next].poll()).expect("a lease");
        assert_eq!(id(&held), conn);
        let mut others = waiters.iter_mut().skip(next + 1);
        assert!(
            others.all(|waiter| waiter.poll().is_pending()),
            "one owner at a time"
        );
    }
    network.accept().await;
    assert!(!network.was_dialled(), "one connection was enough");
    drop(held);
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.acquired, totals.released), (9, 9));
    // All of them waited, the first for its dial.
    assert_eq!((totals.handed_off, totals.waiting), (9, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_waiter_was_given_and_did_not_fetch_goes_to_the_next() {
    let (pool, _network) = pool(one_connection());
    let held = pool.acquire(URL).await.expect("a lease");
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| spawn(pool.acquire(URL))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    drop(held);
    // Woken, each of them, and gone before it looked.
    for _ in 1..WAITERS {
        assert_eq!(woken(&waiters), [0]);
        drop(waiters.remove(0));
    }
    let lease = assert_ready!(waiters[0].poll());
    drop(lease.expect("the last one gets it"));
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.leased, totals.waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_while_queued_leaves_no_trace() {
    let (pool, _network) = pool(one_connection());
    let held = pool.acquire(URL).await.expect("a lease");
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| spawn(pool.acquire(URL))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    // Every second one, the head among them.
    let mut place = 0;
    waiters.retain(|_| {
        place += 1;
        place % 2 == 0
    });
    assert_eq!(pool.snapshot().connections.totals.waiting, WAITERS / 2);
    drop(held);
    for next in 0..waiters.len() {
        assert_eq!(woken(&waiters), [next]);
        drop(assert_ready!(waiters[next].poll()).expect("a lease"));
    }
}

fn woken<F: Future<Output = Result<PooledLease, Error>>>(waiters: &[Spawn<F>]) -> Vec<usize> {
    let woken = waiters.iter().enumerate().filter(|(_, w)| w.is_woken());
    woken.map(|(place, _)| place).collect()
}

fn id(lease: &PooledLease) -> u64 {
    let ConnInfo { id, .. } = lease.conn_info();
    id.as_u64()
}
