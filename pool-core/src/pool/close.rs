//! The end of a pool: drain, cut, nothing left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::Inner;
use crate::clock;
use crate::manager::CloseReason;

/// How a close went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Connections that were open when the close began and ended by themselves within the deadline.
    pub drained: usize,
    /// Connections that were cut at the deadline.
    pub aborted: usize,
}

/// How long sockets that were cut may take to go; their tasks only have to be scheduled.
const AFTER_ABORT: Duration = Duration::from_secs(5);

pub(super) async fn close(inner: &Arc<Inner>, deadline: Duration) -> Closed {
    let open = inner.manager.permits_in_use().0;
    inner.close();
    let at = clock::now().checked_add(deadline);
    if empty_by(inner, at).await {
        return Closed {
            drained: open,
            aborted: 0,
        };
    }
    let aborted = inner.manager.permits_in_use().0;
    for host in inner.manager.hosts() {
        for entry in host.entries() {
            entry.value().abort(CloseReason::PoolClosed);
        }
    }
    empty_by(inner, clock::now().checked_add(AFTER_ABORT)).await;
    Closed {
        drained: open.saturating_sub(aborted),
        aborted,
    }
}

/// Waits until no connection and no dial holds a permit, and the end of every connection has been told. `false` at the
/// deadline.
async fn empty_by(inner: &Inner, deadline: Option<Instant>) -> bool {
    loop {
        let mut less = std::pin::pin!(inner.env.less_is_open.notified());
        // Before looking, so that what ends between the look and the wait is not missed.
        less.as_mut().enable();
        // A permit returns with its socket, and the books hear of it a moment later.
        let nothing_held = inner.manager.permits_in_use() == (0, 0);
        if nothing_held && inner.manager.snapshot().totals.open == 0 {
            return true;
        }
        match deadline {
            Some(at) => {
                if timeout_at(at.into(), less).await.is_err() {
                    return false;
                }
            }
            None => less.await,
        }
    }
}
