//! A peer that falls silent with its socket open is found by PING, and the requests it held go elsewhere.

use std::time::Duration;

use http::Method;
use pool_core::manager::CloseReason;
use pool_core::testing::Fleet;
use pool_core::{Config, ErrorKind};

use crate::load::{get, send};
use crate::rig::{origins, pool_of};
use crate::witness::{Seen, Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_to_it_closes_and_the_next_request_succeeds() {
    bounded(async {
        let (fleet, pool, witness) = rig().await;
        get(&pool, &fleet.url("/")).await;
        fleet.origin(0).silence();
        witness.wait_for(1, |seen| seen == DEAD).await;
        get(&pool, &fleet.url("/")).await;
        assert_eq!(fleet.ledger().accepted(), 2);
        close_and_balance(&pool, &witness).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_that_it_held_is_sent_again_and_a_post_is_not() {
    bounded(async {
        for method in [Method::GET, Method::POST] {
            let (fleet, pool, witness) = rig().await;
            let url = fleet.url("/");
            get(&pool, &url).await;
            let mark = fleet.ledger().mark();
            // Heard before the request is: it is never read.
            fleet.origin(0).silence();
            let outcome = send(&pool, method.clone(), &url, "held").await;
            witness.wait_for(1, |seen| seen == DEAD).await;
            let retried = witness.count(|seen| seen == Seen::Retried);
            let arrived = fleet.ledger().since(&mark).arrived();
            if method == Method::GET {
                assert_eq!(outcome.expect("an answer"), 200);
                assert_eq!((retried, arrived), (1, 1));
            } else {
                let error = outcome.expect_err("nobody knows whether it was processed");
                assert_eq!(error.kind(), ErrorKind::MaybeProcessed);
                assert_eq!((retried, arrived), (0, 0));
            }
            close_and_balance(&pool, &witness).await;
        }
    })
    .await;
}

async fn rig() -> (Fleet, pool_core::Pool, std::sync::Arc<Witness>) {
    let fleet = Fleet::builder()
        .origins(origins(1))
        .start()
        .await
        .expect("a fleet");
    let witness = Witness::new();
    let mut config = Config::default();
    config.http2.ping_interval = Duration::from_millis(50);
    config.http2.ping_timeout = Duration::from_millis(100);
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .build()
        .expect("a pool");
    (fleet, pool, witness)
}

const DEAD: Seen = Seen::Closed(CloseReason::PingTimeout);
