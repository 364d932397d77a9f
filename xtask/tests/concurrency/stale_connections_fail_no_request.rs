//! Origins close idle connections at the moment they are used again: GETs are sent again, POSTs where nothing was sent.

use http::Method;
use pool_core::Config;
use pool_core::testing::{Alpn, Close, Fleet};

use crate::dice::rounds;
use crate::load::send;
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
    let ledger = fleet.ledger();
    let witness = Witness::new();
    let mut config = Config::default();
    config.retry.budget_min = 1000;
    // A spare connection could be opening while the origin closes what it has: one that dies fresh is an error.
    config.limits.per_host = 1;
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .build()
        .expect("a pool");
    let url = fleet.url("/echo");

    for round in 0..rounds(60, 600) {
        let first = send(&pool, Method::GET, &url, &format!("first{round}")).await;
        assert_eq!(first.expect("an answer"), 200);
        // The next request races with the close, by FIN and by RST in turn.
        let how = if round % 2 == 0 {
            Close::Fin
        } else {
            Close::Reset
        };
        if round % 4 < 2 {
            fleet.origin(0).close_idle();
        } else {
            fleet.origin(0).close_all(how);
        }
        let next = send(&pool, Method::GET, &url, &format!("next{round}")).await;
        assert_eq!(next.expect("an answer"), 200, "round {round}");
    }

    // Once the pool knows of the close nothing is sent on the old connection: a POST is as safe as a GET.
    for round in 0..rounds(10, 100) {
        let id = format!("post{round}");
        let warm = send(&pool, Method::GET, &url, &format!("warm{round}")).await;
        assert_eq!(warm.expect("an answer"), 200);
        let open = ledger.open_connections();
        assert!(open >= 1);
        fleet.origin(0).close_idle();
        witness.wait_for_every_close().await;
        let mark = ledger.mark();
        let posted = send(&pool, Method::POST, &url, &id).await;
        assert_eq!(posted.expect("an answer"), 200);
        let since = ledger.since(&mark);
        assert_eq!((since.accepted(), since.arrived()), (1, 1));
    }
    let peer_closed = witness.count(|seen| matches!(seen, Seen::Closed(_)));
    assert!(peer_closed as u64 >= rounds(60, 600));
    close_and_balance(&pool, &witness).await;
}
