//! Requests by many tasks at once, each with an id of its own, and what became of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::{Method, Request};
use pool_core::{Body, Error, ErrorKind, Pool};
use tokio::task::JoinHandle;

/// Tasks that send one request after the other until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Tally>>,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The ids of those answered by 200 with a whole body.
    pub(crate) ok: BTreeSet<String>,
    /// POSTs that say themselves that they may have been processed.
    pub(crate) maybe: Vec<String>,
    /// What else became of requests; a promise breaks with each.
    pub(crate) lost: Vec<String>,
}

impl Load {
    /// Starts `workers` tasks; every `post_every`th request is a POST, none if zero.
    pub(crate) fn start(pool: &Pool, url: &str, workers: u64, post_every: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let serial = Arc::new(AtomicU64::new(1));
        let worker = |_| {
            let (pool, url) = (pool.clone(), url.to_owned());
            let (stop, serial) = (stop.clone(), serial.clone());
            tokio::spawn(async move {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    let n = serial.fetch_add(1, Ordering::Relaxed);
                    let method = match post_every {
                        0 => Method::GET,
                        every if n.is_multiple_of(every) => Method::POST,
                        _ => Method::GET,
                    };
                    tally.enter(&pool, method, &url, format!("r{n}")).await;
                    // A closed pool refuses without waiting; the origins run here too.
                    tokio::task::yield_now().await;
                }
                tally
            })
        };
        let tasks = (0..workers).map(worker).collect();
        Self { stop, tasks }
    }

    /// Lets every task finish its request.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for task in self.tasks {
            let Tally { ok, maybe, lost } = task.await.expect("a worker does not panic");
            all.ok.extend(ok);
            all.maybe.extend(maybe);
            all.lost.extend(lost);
        }
        all
    }
}

impl Tally {
    async fn enter(&mut self, pool: &Pool, method: Method, url: &str, id: String) {
        match send(pool, method.clone(), url, &id).await {
            Ok(200) => drop(self.ok.insert(id)),
            Ok(status) => self.lost.push(format!("{method} {id}: status {status}")),
            Err(error) if method == Method::POST && error.kind() == ErrorKind::MaybeProcessed => {
                self.maybe.push(format!("{id}: {error:?}"));
            }
            Err(error) => self.lost.push(format!("{method} {id}: {error:?}")),
        }
    }
}

/// One request and the whole of its answer.
pub(crate) async fn send(pool: &Pool, method: Method, url: &str, id: &str) -> Result<u16, Error> {
    let body = if method == Method::POST {
        Body::from(format!("body of {id}"))
    } else {
        Body::empty()
    };
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("x-request-id", id)
        .body(body)
        .expect("a request");
    let response = pool.request(request).await?;
    let status = response.status().as_u16();
    response.into_body().bytes().await?;
    Ok(status)
}

/// A GET that must succeed.
pub(crate) async fn get(pool: &Pool, url: &str) {
    let status = send(pool, Method::GET, url, "single").await;
    assert_eq!(status.expect("an answer"), 200);
}
