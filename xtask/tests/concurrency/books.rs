//! What a pool's own books must say when nothing is going on.

use std::time::Duration;

use pool_core::manager::Totals;
use pool_core::{Pool, PoolSnapshot};
use tokio::task::yield_now;
use tokio::time::timeout;

/// Closes the pool gently and checks that its counters conserve: nothing is leased, queued, dialled or open any more.
pub(crate) async fn close_balanced(pool: &Pool) -> PoolSnapshot {
    let closed = pool.close(Duration::from_secs(10)).await;
    assert_eq!(closed.aborted, 0, "nothing was in flight");
    // The permit comes back with the socket, the entry in the books a step later.
    let booked = async {
        while pool.snapshot().connections.totals.open > 0 {
            yield_now().await;
        }
    };
    let booked = timeout(Duration::from_secs(5), booked).await;
    booked.expect("every socket that is gone is booked as closed");
    let snapshot = pool.snapshot();
    assert_conserved(&snapshot.connections.totals);
    snapshot
}

/// Checks that everything that began has ended.
pub(crate) fn assert_conserved(totals: &Totals) {
    assert_eq!(totals.acquired, totals.released, "{totals:?}");
    assert_eq!(totals.leased, 0, "{totals:?}");
    assert_eq!(totals.waiting, 0, "{totals:?}");
    assert_eq!(totals.dialling, 0, "{totals:?}");
    assert_eq!(
        totals.dials,
        totals.dialled + totals.dials_failed,
        "{totals:?}"
    );
    assert_eq!(
        totals.opened,
        totals.closed.values().sum::<u64>() + totals.open as u64,
        "{totals:?}"
    );
}
