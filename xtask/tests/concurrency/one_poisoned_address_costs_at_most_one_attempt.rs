//! An address of many that takes requests and answers none: no request fails, and it sees no more than it takes to be left out.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pool_core::testing::{Alpn, Close, Fleet, Script};
use pool_core::{Config, Warm};
use pool_health::ConsecutiveFailures;

use crate::dice::{Dice, rounds};
use crate::load::{Load, send};
use crate::rig::{origins, pool_of};
use crate::witness::{Seen, Witness, bounded, close_and_balance};

const ADDRESSES: u8 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http1() {
    bounded(async {
        for how in [Close::Fin, Close::Reset] {
            scenario(Alpn::Http1, |script| {
                script.close_before_response = Some(how)
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2() {
    bounded(async {
        for how in [Close::Fin, Close::Reset] {
            scenario(Alpn::H2, |script| script.close_before_response = Some(how)).await;
        }
    })
    .await;
}

async fn scenario(alpn: Alpn, poison: impl Fn(&mut Script)) {
    let mut dice = Dice::of("one_poisoned_address_costs_at_most_one_attempt");
    for threshold in [1, 3] {
        for load in [false, true] {
            let at = dice.below(ADDRESSES.into()) as usize;
            one(alpn, threshold, at, load, &poison).await;
        }
    }
}

async fn one(alpn: Alpn, threshold: u32, at: usize, load: bool, poison: impl Fn(&mut Script)) {
    const WORKERS: usize = 8;
    let fleet = Fleet::builder()
        .origins(origins(ADDRESSES))
        .alpn(alpn)
        .start()
        .await
        .expect("a fleet");
    let witness = Witness::new();
    let mut config = Config::default();
    config.outlier.clear();
    config.retry.budget_min = 1_000;
    config.limits.per_host = 2 * usize::from(ADDRESSES);
    let minute = Duration::from_secs(60);
    let pool = pool_of(&fleet, config)
        .observer(witness.clone())
        .outlier(Arc::new(
            ConsecutiveFailures::new(threshold).durations(minute, minute),
        ))
        .build()
        .expect("a pool");
    let url = fleet.url("/");
    let report = pool.warm(&Warm::new(&url)).await.expect("a plan");
    assert_eq!(report.ready(), usize::from(ADDRESSES));

    let poisoned = fleet.origin(at);
    poisoned.script(poison);
    let out = Seen::Ejected(poisoned.addr());
    let requests = rounds(400, 4_000);
    let most = if load {
        let load = Load::start(&pool, &url, WORKERS as u64, 0);
        let all = fleet.ledger();
        all.wait_until(|all| all.served() as u64 >= requests).await;
        if threshold == 1 {
            witness.wait_for(1, |seen| seen == out).await;
        }
        let tally = load.stop().await;
        assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
        // Whoever had chosen the address before it went was on the way.
        threshold as usize + WORKERS - 1
    } else {
        for round in 0..requests {
            let answer = send(&pool, Method::GET, &url, &format!("r{round}")).await;
            assert_eq!(answer.expect("an answer"), 200, "request {round}");
        }
        threshold as usize
    };
    let met = poisoned.ledger().arrived();
    assert!((1..=most).contains(&met), "{met} requests met {poisoned:?}");
    if threshold == 1 {
        assert_eq!(witness.count(|seen| seen == out), 1);
    }
    let others = witness.count(|seen| matches!(seen, Seen::Ejected(_)) && seen != out);
    assert_eq!(others, 0);
    close_and_balance(&pool, &witness).await;
}
