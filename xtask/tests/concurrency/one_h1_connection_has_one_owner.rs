//! However many ask for it, one HTTP/1.1 connection has one owner at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Request;
use pool_core::testing::{Alpn, Fleet};
use pool_core::{Body, Config};

use crate::books::close_balanced;
use crate::crowd::crowd;
use crate::dice::rounds;
use crate::rig::pool_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_take_turns_on_one_connection() {
    const TASKS: usize = 100;
    let each = rounds(10, 200);
    let fleet = Fleet::builder().alpn(Alpn::Http1).start().await;
    let fleet = fleet.expect("a fleet");
    let mut config = Config::default();
    config.limits.per_host = 1;
    let pool = pool_of(&fleet, config).build().expect("a pool");

    let owned = Arc::new(AtomicBool::new(false));
    crowd(TASKS, |_| {
        let (pool, url, owned) = (pool.clone(), fleet.url("/"), owned.clone());
        async move {
            for _ in 0..each {
                let lease = pool.acquire(&url).await.expect("a lease");
                assert!(!owned.swap(true, Ordering::SeqCst), "a second owner");
                let get = Request::get(&url).body(Body::empty()).expect("a request");
                let response = lease.send(get).await.expect("a response");
                assert_eq!(response.status(), 200);
                // The lease is in the body now, and goes back while that is read.
                owned.store(false, Ordering::SeqCst);
                response.into_body().bytes().await.expect("a body");
            }
        }
    })
    .await;

    let ledger = fleet.ledger();
    assert_eq!(ledger.served() as u64, TASKS as u64 * each);
    assert_eq!((ledger.accepted(), ledger.handshakes()), (1, 1));
    assert_eq!(ledger.max_concurrent(), 1);
    let totals = close_balanced(&pool).await.connections.totals;
    assert_eq!(totals.acquired, TASKS as u64 * each);
}
