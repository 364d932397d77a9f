//! The work beside requests: separate tasks that never block an acquire.
//!
//! Each task holds no more than a weak reference and the close signal, so it ends with the pool's last handle, not at
//! its next turn.

mod evict;
mod health;
mod probe;
mod refresh;
mod warm;

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::timeout;

pub(crate) use self::evict::evict;
pub(crate) use self::health::check_all;
pub(crate) use self::warm::warm;
pub use self::warm::{Warm, WarmCell, WarmOutcome, WarmProgress, WarmReport};
use crate::pool::{Inner, finite};

/// One round of a task.
type Round = fn(Arc<Inner>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts every task on the pool's runtime.
pub(crate) fn start(inner: &Arc<Inner>) {
    let upkeep = &inner.env.config.upkeep;
    every(inner, upkeep.idle_interval, |inner| {
        Box::pin(async move {
            evict(&inner, |name| name != LIFETIME);
            let most = inner.env.config.limits.hosts;
            inner.manager.forget_empty_hosts(most);
        })
    });
    every(inner, upkeep.lifetime_interval, |inner| {
        Box::pin(async move {
            evict(&inner, |name| name == LIFETIME);
        })
    });
    if !inner.env.plugins.health.is_empty() {
        every(inner, upkeep.health_interval, |inner| {
            Box::pin(async move {
                check_all(&inner).await;
                health::recover(&inner).await;
            })
        });
    }
    every(inner, upkeep.refresh_interval, |inner| {
        Box::pin(async move { refresh::refresh(&inner).await })
    });
}

/// Runs `round` every `interval` until the pool closes, which also ends a round under way. The first is one interval
/// from now.
fn every(inner: &Arc<Inner>, interval: Duration, round: Round) {
    let Some(interval) = finite(interval) else {
        return;
    };
    let mut closing = inner.env.closing.subscribe();
    let pool: Weak<Inner> = Arc::downgrade(inner);
    inner.env.spawn(async move {
        loop {
            // Err is a whole interval without a close.
            if timeout(interval, closing.wait_for(|closed| *closed))
                .await
                .is_ok()
            {
                return;
            }
            let Some(inner) = pool.upgrade() else { return };
            let closed = std::pin::pin!(closing.wait_for(|closed| *closed));
            if let Either::Left(_) = select(closed, round(inner)).await {
                return;
            }
        }
    });
}

/// The policy that has a task of its own, so that a long list of idle connections does not delay it.
pub(crate) const LIFETIME: &str = "lifetime";
