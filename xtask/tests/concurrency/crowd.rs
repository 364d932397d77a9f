//! Many tasks that do the same.

use std::future::Future;
use std::time::Duration;

use pool_core::{ConnInfo, Pool};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Runs `n` tasks at once and waits for all, though not for ever. A panic in one of them is the caller's.
pub(crate) async fn crowd<F>(n: usize, task: impl Fn(usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut tasks: JoinSet<F::Output> = (0..n).map(task).collect();
    let mut outputs = Vec::with_capacity(n);
    let all = async {
        while let Some(output) = tasks.join_next().await {
            outputs.push(output.expect("the task did not panic"));
        }
    };
    let all = timeout(PATIENCE, all).await;
    all.unwrap_or_else(|_| panic!("some of {n} tasks hang"));
    outputs
}

/// Sends a GET, checks that it is answered 200, reads the body, and tells which connection carried it.
pub(crate) async fn get(pool: &Pool, url: &str) -> ConnInfo {
    let response = pool.get(url).await;
    let response = response.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    assert_eq!(response.status(), 200, "{url}");
    let info = response.extensions().get::<ConnInfo>().cloned();
    let body = response.into_body().bytes().await;
    body.unwrap_or_else(|error| panic!("the body of {url}: {error:?}"));
    info.expect("every response says which connection carried it")
}

/// Longer than any crowd takes on a slow machine with everything turned up.
const PATIENCE: Duration = Duration::from_secs(300);
