//! Carrying out the plans of several targets side by side.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};
use pool_core::config::Limits;
use pool_core::{Error, ErrorKind, Pool, Warm, WarmProgress, WarmReport};

use crate::exit::Failure;
use crate::output::Progress;

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
        let line = Arc::new(Mutex::new((Progress::new(), 0_usize)));
        let shown = Arc::clone(&line);
        let progress: Arc<dyn Fn(&WarmProgress) + Send + Sync> = Arc::new(move |_| {
            let mut line = shown.lock().unwrap_or_else(PoisonError::into_inner);
            let (progress, done) = &mut *line;
            *done += 1;
            progress.show(|| format!("warm: {done} of {total} connections"));
        });
        let opened = self.origins.iter().map(async |origin| {
            let plan = self.plan(origin).progress(Arc::clone(&progress));
            self.pool.warm(&plan).await
        });
        let opened = stream::iter(opened).buffered(self.at_once.0).collect();
        let opened = opened.await;
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        line.0.clear();
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
