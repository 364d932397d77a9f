//! A response body dropped on a thread without a runtime gives its connection back, or closes it.

use bytes::Bytes;
use http_body_util::BodyExt;
use pool_core::testing::{Alpn, Body, Fleet};
use pool_core::{Config, PoolBody};

use crate::load::get;
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, assert_conserved, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_stream_is_reset_and_its_connection_used_again() {
    bounded(scenario(Alpn::H2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http1_connection_closes() {
    bounded(scenario(Alpn::Http1)).await;
}

async fn scenario(alpn: Alpn) {
    const ROUNDS: usize = 8;
    let fleet = Fleet::builder()
        .origins(origins(1))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let mut config = Config::default();
    // The dropped body's connection, or a place for a new one: there is nothing else.
    config.limits.per_host = 1;
    config.limits.streams_per_conn = 1;
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .build()
        .expect("a pool");
    for _ in 0..ROUNDS {
        fleet
            .origin(0)
            .script(|script| script.body = Body::Bytes(1 << 30));
        let response = pool.get(&fleet.url("/")).await.expect("a head");
        let mut body: PoolBody = response.into_body();
        let piece = body.frame().await.expect("a piece").expect("of data");
        let piece: Bytes = piece.into_data().expect("data first");
        assert!(!piece.is_empty());
        std::thread::spawn(move || drop(body))
            .join()
            .expect("dropping outside a runtime does not panic");
        fleet.origin(0).script(|script| script.body = Body::Json);
        get(&pool, &fleet.url("/")).await;
    }
    let expected = match alpn {
        Alpn::H2 => 1,
        _ => ROUNDS + 1,
    };
    assert_eq!(ledger.accepted(), expected);
    assert_eq!(assert_conserved(&pool).waiting, 0);
    close_and_balance(&pool, &witness).await;
}
