//! Carrying out the plans of several targets side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};
use pool_core::config::Limits;
use pool_core::{Error, ErrorKind, Pool, Warm, WarmProgress, WarmReport};

use crate::exit::Failure;
use crate::output::{Progress, bar};

/// The plans of all targets.
pub(super) struct Plans {
    pool: Pool,
    origins: Vec<String>,
    per_cell: usize,
    /// Targets at a time, and dials at a time to each.
    at_once: (usize, usize),
}

impl Plans {
    /// Plans for a pool with these limits, which are on dials too.
    pub(super) fn new(pool: Pool, origins: Vec<String>, per_cell: usize, limits: &Limits) -> Self {
        // Beyond the limit a dial would wait for its turn, and give up after a while.
        let targets = origins.len().clamp(1, limits.dials_total);
        let each = (limits.dials_total / targets).min(limits.dials_per_host);
        Self {
            pool,
            origins,
            per_cell,
            at_once: (targets, each),
        }
    }

    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    fn plan(&self, origin: &str) -> Warm {
        let plan = Warm::new(origin).per_cell(self.per_cell);
        plan.concurrency(self.at_once.1)
    }

    /// How many connections the plans want, over all targets whose name has addresses. Opens none.
    ///
    /// # Errors
    ///
    /// If one of them alone wants more than the limits allow.
    pub(super) async fn size(&self) -> Result<usize, Failure> {
        let sizes = self.origins.iter().map(async |origin| {
            let size = self.pool.warm_size(&self.plan(origin)).await;
            match size {
                Err(error) if error.kind() == ErrorKind::Request => {
                    Err(super::refused(origin, &error))
                }
                // It is told with the cells, when it fails again.
                Err(_) => Ok(0),
                Ok(size) => Ok(size),
            }
        });
        let mut sizes = stream::iter(sizes).buffer_unordered(self.at_once.0);
        let mut sum = 0_usize;
        while let Some(size) = sizes.next().await {
            sum = sum.saturating_add(size?);
        }
        Ok(sum)
    }

    /// Opens what is missing; one outcome for each target, in order. Shows how far it is of `total` connections.
    pub(super) async fn open(&self, total: usize) -> Vec<Result<WarmReport, Error>> {
        let line = Arc::new(Mutex::new(Line::new(total)));
        let opened = self.origins.iter().map(async |origin| {
            let shown = Arc::clone(&line);
            // Of this target, as it was last told.
            let failed = AtomicUsize::new(0);
            let progress = move |now: &WarmProgress| {
                let before = failed.swap(now.failed, Ordering::Relaxed);
                let more = now.failed.saturating_sub(before);
                let mut line = shown.lock().unwrap_or_else(PoisonError::into_inner);
                line.step(more);
            };
            let plan = self.plan(origin).progress(Arc::new(progress));
            self.pool.warm(&plan).await
        });
        let opened = stream::iter(opened).buffered(self.at_once.0).collect();
        let opened = opened.await;
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        line.progress.clear();
        opened
    }

    /// Opens what is missing and says nothing. Returns how many connections stayed missing.
    pub(super) async fn reopen(&self) -> usize {
        let opened = self
            .origins
            .iter()
            .map(async |origin| self.pool.warm(&self.plan(origin)).await);
        let opened = stream::iter(opened).buffer_unordered(self.at_once.0);
        let missing = opened.map(|outcome| outcome.map_or(1, |report| report.failed()));
        missing.fold(0, async |sum, missing| sum + missing).await
    }
}

/// How far all targets together are.
struct Line {
    progress: Progress,
    done: usize,
    failed: usize,
    total: usize,
}

impl Line {
    fn new(total: usize) -> Self {
        Self {
            progress: Progress::new(),
            done: 0,
            failed: 0,
            total,
        }
    }

    /// One connection more was tried, and so many more have failed.
    fn step(&mut self, failed: usize) {
        self.done += 1;
        self.failed += failed;
        let Self {
            done,
            total,
            failed,
            ..
        } = *self;
        self.progress
            .show(|| format!("warm: {}", bar(done, total, failed)));
    }
}
