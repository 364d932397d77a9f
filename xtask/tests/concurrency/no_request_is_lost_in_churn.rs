//! Origins close connections, say goodbye, die and come back: every GET is answered, no POST is executed twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request};
use pool_core::testing::{Alpn, Body as ScriptBody, Fleet, Ledger, OnLimit, Origin};
use pool_core::{Body, Config, ErrorKind, Pool};

use crate::books::close_balanced;
use crate::crowd::crowd;
use crate::dice::{Dice, rounds};
use crate::rig::{origins, pool_of};

const TASKS: usize = 64;
const ORIGINS: u8 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_h2_with_goaway_closing_and_killing() {
    let fleet = Fleet::builder().origins(origins(ORIGINS)).start().await;
    let fleet = fleet.expect("a fleet");
    let mut config = Config::default();
    // One connection to each address, so that the ledger says what a closing would hit; and nobody is left out for long.
    config.limits.per_endpoint = 1;
    config.limits.streams_per_conn = TASKS / usize::from(ORIGINS);
    config.outlier.clear();
    for origin in fleet.origins() {
        // A body that a kill cuts is an error that only the caller can mend: here a head is a whole answer.
        origin.script(|script| script.body = ScriptBody::Exactly(Bytes::new()));
    }
    let pool = pool_of(&fleet, config).build().expect("a pool");
    let requests = Arc::new(Requests::new(rounds(200, 1000)));
    let load = load(&pool, &fleet, &requests);
    let churn = churn(&fleet, Dice::of("no_request_is_lost_in_churn"));
    let turns = tokio::select! {
        () = load => churn_count(&fleet),
        () = churn => unreachable!("it goes on for ever"),
    };
    assert!(turns > 10, "the churn was real: {turns} connections");
    requests.check(&fleet);
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_h1_with_connections_that_serve_few_requests() {
    let fleet = Fleet::builder().origins(origins(ORIGINS)).alpn(Alpn::Http1);
    let fleet = fleet.start().await.expect("a fleet");
    for (origin, most) in fleet.origins().iter().zip([7, 20, 50, 100]) {
        origin.script(|script| {
            script.max_requests_per_connection = Some(most);
            script.on_limit = OnLimit::Goaway;
        });
    }
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    let requests = Arc::new(Requests::new(rounds(100, 1000)));
    load(&pool, &fleet, &requests).await;
    assert!(churn_count(&fleet) > 10);
    assert!(fleet.ledger().max_requests_on_a_connection() <= 100);
    assert_eq!(
        requests.maybe.load(Ordering::SeqCst),
        0,
        "every closing was announced"
    );
    requests.check(&fleet);
    close_balanced(&pool).await;
}

/// What was sent, and how it went.
struct Requests {
    each: u64,
    gets: AtomicUsize,
    posts: AtomicUsize,
    /// POSTs that may have been executed and were not sent again.
    maybe: AtomicUsize,
}

impl Requests {
    fn new(each: u64) -> Self {
        Self {
            each,
            gets: AtomicUsize::new(0),
            posts: AtomicUsize::new(0),
            maybe: AtomicUsize::new(0),
        }
    }

    /// One request in ten is a POST with an id of its own.
    async fn send(&self, pool: &Pool, url: &str, task: usize) {
        for number in 0..self.each {
            let is_post = (task as u64 + number).is_multiple_of(10);
            let request = Request::get(url);
            let (request, counter) = if is_post {
                let id = format!("{task}-{number}");
                (
                    request.method(Method::POST).header("x-request-id", id),
                    &self.posts,
                )
            } else {
                (request, &self.gets)
            };
            let request = request.body(Body::from("payload")).expect("a request");
            match pool.request(request).await {
                Ok(response) => {
                    assert_eq!(response.status(), 200);
                    let body = response.into_body().bytes().await;
                    assert!(body.is_ok(), "{body:?}");
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) if is_post && error.kind() == ErrorKind::MaybeProcessed => {
                    self.maybe.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => panic!(
                    "{number} of task {task}: {error:?} after {} tries",
                    error.attempts()
                ),
            }
        }
    }

    fn check(&self, fleet: &Fleet) {
        let [gets, posts, maybe] =
            [&self.gets, &self.posts, &self.maybe].map(|n| n.load(Ordering::SeqCst));
        println!("{gets} GETs, {posts} POSTs, {maybe} POSTs that may have been executed");
        assert_eq!(gets + posts + maybe, TASKS * self.each as usize);
        let ledger = fleet.ledger();
        assert_eq!(ledger.duplicates(), [], "a POST arrived twice");
        let statuses = ledger.statuses();
        assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200]);
        assert!(statuses[&200] >= gets + posts);
    }
}

async fn load(pool: &Pool, fleet: &Fleet, requests: &Arc<Requests>) {
    crowd(TASKS, |task| {
        let (pool, url, requests) = (pool.clone(), fleet.url("/"), requests.clone());
        async move { requests.send(&pool, &url, task).await }
    })
    .await;
}

/// Connections that ended.
fn churn_count(fleet: &Fleet) -> usize {
    let ledger = fleet.ledger();
    ledger.accepted() - ledger.open_connections()
}

/// Every few hundred requests something happens to one of the origins.
///
/// What hits requests in flight waits until every connection of the origin has served a while: a request that is the
/// first on its connection is not sent again when that dies, and one that was sent again should not meet the next blow.
async fn churn(fleet: &Fleet, mut dice: Dice) {
    let ledger = fleet.ledger();
    loop {
        after(&ledger, 100 + dice.below(200)).await;
        let origin = &fleet.origins()[usize::try_from(dice.below(ORIGINS.into())).expect("small")];
        let seasoned = is_seasoned(origin);
        match dice.below(4) {
            0 if seasoned => {
                origin.kill();
                after(&ledger, 300).await;
                origin.restart().await.expect("the port is still its own");
            }
            1 if seasoned => origin.close_idle(),
            _ => origin.goaway(),
        }
    }
}

fn is_seasoned(origin: &Origin) -> bool {
    let conns = origin.ledger().conns();
    let mut open = conns.iter().filter(|conn| conn.is_open());
    open.all(|conn| conn.requests >= 20)
}

/// Waits until so many more requests have arrived.
async fn after(ledger: &Ledger, requests: u64) {
    let goal = ledger.arrived() + requests as usize;
    ledger.wait_until(|ledger| ledger.arrived() >= goal).await;
}
