//! A server that closes idle connections does so a few times; from then on the pool closes them first, and no request meets the close.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pool_core::Config;
use pool_core::manager::CloseReason;
use pool_core::testing::{Alpn, Fleet};
use pool_health::PeerIdle;

use crate::load::{get, send};
use crate::rig::{origins, pool_of};
use crate::witness::{Seen, Witness, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http1() {
    bounded(scenario(Alpn::Http1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2() {
    bounded(scenario(Alpn::H2)).await;
}

async fn scenario(alpn: Alpn) {
    let fleet = Fleet::builder()
        .origins(origins(1))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    let limit = Duration::from_secs(2);
    fleet
        .origin(0)
        .script(|script| script.idle_close = Some(limit));
    let witness = Witness::new();
    let mut config = Config::default();
    config.upkeep.idle_interval = Duration::from_millis(50);
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        // A second for both sides' timers, however busy the machine is.
        .eviction(Arc::new(PeerIdle::new(limit / 2)))
        .build()
        .expect("a pool");
    let url = fleet.url("/");

    let mut lessons = 0;
    let ours = |seen| seen == Seen::Closed(CloseReason::Policy("peer-idle"));
    let any = |seen| matches!(seen, Seen::Closed(_));
    while witness.count(ours) == 0 {
        get(&pool, &url).await;
        witness.wait_for(lessons + 1, any).await;
        lessons += 1;
        // One more for each that a busy machine has made unlike the others.
        assert!(lessons <= 12, "three closings alike are a limit");
    }
    assert!(lessons >= 4, "nothing is known before that: {lessons}");

    // The kind of request that would be lost if it met a close.
    let (mark, closed) = (fleet.ledger().mark(), witness.count(any));
    let mut posts = 0;
    while witness.count(ours) < 4 {
        posts += 1;
        assert!(posts <= 12, "the pool is hardly ever first");
        let answer = send(&pool, Method::POST, &url, &format!("post{posts}")).await;
        assert_eq!(answer.expect("an answer"), 200);
        witness.wait_for(closed + posts, any).await;
    }
    assert_eq!(fleet.ledger().since(&mark).arrived(), posts);
    assert_eq!(witness.count(|seen| seen == Seen::Retried), 0);
    close_and_balance(&pool, &witness).await;
}
