//! What a pool says has happened, to wait for.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::manager::{CloseReason, Totals};
use pool_core::{Event, Observer, Pool};

use crate::dice::rounds;
use tokio::sync::Notify;

/// One event of a pool, with what scenarios ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Opened(SocketAddr),
    Closed(CloseReason),
    DialFailed(SocketAddr),
    Ejected(SocketAddr),
    Readmitted(SocketAddr),
    Retried,
}

/// An observer that remembers everything and wakes those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    seen: Mutex<Vec<Seen>>,
    changed: Notify,
}

impl Witness {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How many events `which` picks.
    pub(crate) fn count(&self, which: impl Fn(Seen) -> bool) -> usize {
        let seen = self.seen.lock().expect("nothing panics under this lock");
        seen.iter().filter(|seen| which(**seen)).count()
    }

    /// Waits for so many events that `which` picks.
    pub(crate) async fn wait_for(&self, times: usize, which: impl Fn(Seen) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.count(&which) >= times {
                return;
            }
            changed.await;
        }
    }

    /// Waits until every connection that was opened has closed in the books as well.
    pub(crate) async fn wait_for_every_close(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let opened = self.count(|seen| matches!(seen, Seen::Opened(_)));
            if self.count(|seen| matches!(seen, Seen::Closed(_))) == opened {
                return;
            }
            changed.await;
        }
    }
}

impl Observer for Witness {
    fn on(&self, event: &Event<'_>) {
        let seen = match *event {
            Event::Opened { facts, .. } => Seen::Opened(facts.target),
            Event::Closed { reason, .. } => Seen::Closed(reason),
            Event::DialFailed { target, .. } => Seen::DialFailed(target),
            Event::Ejected { target, .. } => Seen::Ejected(target),
            Event::Readmitted { target, .. } => Seen::Readmitted(target),
            Event::Retried { .. } => Seen::Retried,
            _ => return,
        };
        let mut all = self.seen.lock().expect("nothing panics under this lock");
        all.push(seen);
        drop(all);
        self.changed.notify_waiters();
    }
}

/// The counters conserve, as they do in every snapshot.
pub(crate) fn assert_conserved(pool: &Pool) -> Totals {
    let totals = pool.snapshot().connections.totals;
    let closed: u64 = totals.closed.values().sum();
    assert_eq!(
        totals.acquired,
        totals.released + totals.leased,
        "{totals:?}"
    );
    assert_eq!(totals.opened, closed + totals.open as u64, "{totals:?}");
    let ended = totals.dialled + totals.dials_failed;
    assert_eq!(totals.dials, ended + totals.dialling as u64, "{totals:?}");
    totals
}

/// Closes the pool and asserts that its books are empty and conserve.
pub(crate) async fn close_and_balance(pool: &Pool, witness: &Witness) {
    pool.close(Duration::from_secs(5)).await;
    witness.wait_for_every_close().await;
    // A check that the close cut short drops its lease after its socket, on whichever thread it was.
    while pool.snapshot().connections.totals.leased > 0 {
        tokio::task::yield_now().await;
    }
    let totals = assert_conserved(pool);
    assert_eq!(
        (totals.leased, totals.open, totals.dialling, totals.waiting),
        (0, 0, 0, 0),
        "{totals:?}"
    );
}

/// No scenario takes longer, whatever hangs.
pub(crate) async fn bounded<T>(scenario: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(rounds(60, 600));
    tokio::time::timeout(limit, scenario)
        .await
        .expect("a scenario ends")
}
