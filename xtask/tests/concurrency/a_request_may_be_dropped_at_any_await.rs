//! A request dropped at any of its polls leaves nothing behind: its capacity is free and the next one succeeds.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use pool_core::testing::{Alpn, Body, Fleet};
use pool_core::{Config, Error, Pool};

use crate::load::get;
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, assert_conserved, bounded, close_and_balance};

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
    fleet.origin(0).script(|script| {
        script.response_delay = Duration::from_millis(1);
        script.body = Body::Drip {
            bytes: 4,
            every: Duration::from_millis(1),
        };
    });
    let url = fleet.url("/");
    // Over a connection that is there.
    let (pool, witness) = tight_pool(&fleet);
    get(&pool, &url).await;
    let mut polls = 1;
    // A busy machine may find everything there at once: once more then, until it was dropped in between often enough.
    while !request_polled(&pool, &url, polls).await || polls <= OFTEN_ENOUGH {
        survives(&pool, &url).await;
        polls += 1;
    }
    survives(&pool, &url).await;
    close_and_balance(&pool, &witness).await;

    // And while one is opened for it.
    let mut polls = 1;
    loop {
        let (pool, witness) = tight_pool(&fleet);
        let finished = request_polled(&pool, &url, polls).await;
        survives(&pool, &url).await;
        close_and_balance(&pool, &witness).await;
        if finished && polls > OFTEN_ENOUGH {
            break;
        }
        polls += 1;
    }
}

/// A request needs more polls than this when nothing else keeps the machine busy.
const OFTEN_ENOUGH: usize = 4;

/// One connection with one stream: what a dropped request does not give back is missing at once.
fn tight_pool(fleet: &Fleet) -> (Pool, std::sync::Arc<Witness>) {
    let witness = Witness::new();
    let mut config = Config::default();
    config.limits.per_host = 1;
    config.limits.total = 1;
    config.limits.streams_per_conn = 1;
    let builder = pool_of(fleet, config).observer(witness.clone());
    (builder.build().expect("a pool"), witness)
}

/// Drops a request, body and all, after so many polls. Returns whether it was complete by then.
async fn request_polled(pool: &Pool, url: &str, polls: usize) -> bool {
    let mut request = pin!(async {
        let response = pool.get(url).await?;
        response.into_body().bytes().await?;
        Ok::<_, Error>(())
    });
    let mut left = polls;
    poll_fn(|cx| match request.as_mut().poll(cx) {
        Poll::Ready(outcome) => {
            outcome.expect("a request that is not dropped succeeds");
            Poll::Ready(true)
        }
        Poll::Pending => {
            left -= 1;
            if left == 0 {
                return Poll::Ready(false);
            }
            Poll::Pending
        }
    })
    .await
}

async fn survives(pool: &Pool, url: &str) {
    get(pool, url).await;
    let totals = assert_conserved(pool);
    assert_eq!(totals.waiting, 0);
}
