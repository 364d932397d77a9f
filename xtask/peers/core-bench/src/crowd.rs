//! Many tasks on two threads.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::clock;

/// Threads that the tasks run on.
pub(crate) const THREADS: usize = 2;

/// A runtime for tasks.
pub(crate) fn runtime() -> Arc<Runtime> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_time()
        .build();
    Arc::new(runtime.expect("a runtime with two threads"))
}

/// Shares `ops` operations among tasks; each is told its number and how many it has to do. Returns how long that took.
pub(crate) fn share<F>(
    runtime: &Runtime,
    tasks: usize,
    ops: u64,
    task: impl Fn(usize, u64) -> F,
) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let each = ops.div_ceil(tasks as u64);
    let began = clock::now();
    let running: Vec<_> = (0..tasks)
        .map(|number| runtime.spawn(task(number, each)))
        .collect();
    runtime.block_on(async {
        for task in running {
            task.await.expect("no task panics");
        }
    });
    scaled(clock::now() - began, ops, each * tasks as u64)
}

/// What `asked` operations would have taken where `done` took `took`.
pub(crate) fn scaled(took: Duration, asked: u64, done: u64) -> Duration {
    took.mul_f64(asked as f64 / done as f64)
}
