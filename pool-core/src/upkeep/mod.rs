//! The work beside requests: separate tasks that never block an acquire.
//!
//! Each task holds no more than a weak reference and the close signal, so it ends with the pool's last handle, not at
//! its next turn.

mod access;
mod ended_bans;
mod evict;
mod follow;
mod health;
mod matrix;
mod precedence;
mod probe;
mod refresh;
mod shortage;
mod warm;

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::time::timeout_at;

pub(crate) use self::access::enforce_access;
pub(crate) use self::ended_bans::EndedBans;
pub(crate) use self::evict::evict;
pub(crate) use self::follow::{Followed, follow};
pub(crate) use self::health::{check_all, check_claimed};
pub(crate) use self::precedence::Precedence;
pub use self::warm::{Warm, WarmCell, WarmOutcome, WarmProgress, WarmReport};
pub(crate) use self::warm::{size as warm_size, warm};
use crate::clock;
use crate::config::Upkeep;
use crate::pool::{Inner, Live, finite};

/// One round of a task.
type Round = fn(Arc<Inner>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts every task on the pool's runtime.
pub(crate) fn start(inner: &Arc<Inner>) {
    every(
        inner,
        |upkeep| upkeep.idle_interval,
        |inner| {
            Box::pin(async move {
                enforce_access(&inner);
                evict(&inner, |name| name != LIFETIME);
                let most = inner.env.live().config.limits.hosts;
                inner.manager.forget_empty_hosts(most);
            })
        },
    );
    // Apart from the clean-up, which is not to wait for lookups.
    every(
        inner,
        |upkeep| upkeep.idle_interval,
        |inner| Box::pin(async move { ended_bans::round(&inner).await }),
    );
    every(
        inner,
        |upkeep| upkeep.lifetime_interval,
        |inner| {
            Box::pin(async move {
                evict(&inner, |name| name == LIFETIME);
            })
        },
    );
    every(
        inner,
        |upkeep| upkeep.health_interval,
        |inner| {
            Box::pin(async move {
                if !inner.env.live().health.is_empty() {
                    check_all(&inner).await;
                    health::recover(&inner).await;
                }
            })
        },
    );
    every(
        inner,
        |upkeep| upkeep.refresh_interval,
        |inner| Box::pin(async move { refresh::refresh(&inner).await }),
    );
}

/// Runs `round` every `interval` until the pool closes, which also ends a round under way. The first is one interval
/// from now; an interval that changes meanwhile counts from the round before.
fn every(inner: &Arc<Inner>, interval: fn(&Upkeep) -> Duration, round: Round) {
    let mut closing = inner.env.closing.subscribe();
    let mut settings = inner.env.subscribe();
    let pool: Weak<Inner> = Arc::downgrade(inner);
    inner.env.spawn(async move {
        loop {
            {
                let closed = pin!(closing.wait_for(|closed| *closed));
                let pause = pin!(pause(&mut settings, interval));
                if let Either::Left(_) = select(closed, pause).await {
                    return;
                }
            }
            let Some(inner) = pool.upgrade() else { return };
            let closed = pin!(closing.wait_for(|closed| *closed));
            if let Either::Left(_) = select(closed, round(inner)).await {
                return;
            }
        }
    });
}

/// Waits for one interval, as it is by then.
async fn pause(settings: &mut watch::Receiver<Arc<Live>>, interval: fn(&Upkeep) -> Duration) {
    let began = clock::now();
    loop {
        let length = interval(&settings.borrow_and_update().config.upkeep);
        let due = finite(length).and_then(|length| began.checked_add(length));
        let changed = settings.changed();
        match due {
            // Err is the whole interval without a change.
            Some(due) => match timeout_at(due.into(), changed).await {
                Err(_) => return,
                Ok(Ok(())) => {}
                Ok(Err(_gone)) => std::future::pending().await,
            },
            None => {
                if changed.await.is_err() {
                    // The pool is gone, and with it whoever would have waited.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// The policy that has a task of its own, so that a long list of idle connections does not delay it.
pub(crate) const LIFETIME: &str = "lifetime";
