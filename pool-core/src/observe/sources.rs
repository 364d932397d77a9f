//! What became of dials, by the local address they were made from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool_localip::{Lease, Outcome};

/// Addresses without connections that are remembered one by one; beyond, their counts are summed.
///
/// A prefix has more addresses than memory. As many as [`MAX_SOURCES`](pool_localip::MAX_SOURCES), which bounds a plan.
const REMEMBERED: usize = pool_localip::MAX_SOURCES;

/// Connections and dials from one local address.
///
/// At any time `dials` is the sum of `dialling`, `connected`, `no_free_port`, `unbindable`, `target_failed` and `given_up`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SourceCounts {
    /// TCP connections that are open now.
    pub open: usize,
    /// Dials whose TCP connection is not there yet.
    pub dialling: usize,
    /// Dials that were given the address.
    pub dials: u64,
    /// Of these, those that brought a TCP connection.
    pub connected: u64,
    /// Those for which it had no free port, or was not there any more.
    pub no_free_port: u64,
    /// Those for which it could not be bound.
    pub unbindable: u64,
    /// Those that the target refused, reset or did not answer.
    pub target_failed: u64,
    /// Those that ended for another reason: given up, or no address was to blame.
    pub given_up: u64,
}

/// The local addresses that dials were made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SourcesSnapshot {
    /// Each address with its counts, ascending; `None`, where the operating system chose, comes first.
    pub each: Vec<SourceSnapshot>,
    /// The sum over addresses that are no longer listed: of those without connections up to 4096 are.
    pub others: SourceCounts,
}

/// One local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SourceSnapshot {
    /// Which; `None` if the operating system chose.
    pub addr: Option<IpAddr>,
    /// What became of it.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub counts: SourceCounts,
}

impl SourcesSnapshot {
    /// The sum over all addresses.
    pub fn total(&self) -> SourceCounts {
        let mut total = self.others;
        for source in &self.each {
            total.add(&source.counts);
        }
        total
    }
}

impl SourceCounts {
    fn add(&mut self, other: &Self) {
        let Self {
            open,
            dialling,
            dials,
            connected,
            no_free_port,
            unbindable,
            target_failed,
            given_up,
        } = other;
        self.open += open;
        self.dialling += dialling;
        self.dials += dials;
        self.connected += connected;
        self.no_free_port += no_free_port;
        self.unbindable += unbindable;
        self.target_failed += target_failed;
        self.given_up += given_up;
    }

    fn is_in_use(&self) -> bool {
        self.open + self.dialling > 0
    }

    /// A dial ended, or the connection that it brought.
    fn ended(&mut self, outcome: Option<Outcome>) {
        if outcome == Some(Outcome::Connected) {
            self.open -= 1;
            return;
        }
        self.dialling -= 1;
        let count = match outcome {
            Some(Outcome::AddrInUse) => &mut self.no_free_port,
            Some(Outcome::Unbindable) => &mut self.unbindable,
            Some(Outcome::TargetFailed) => &mut self.target_failed,
            _ => &mut self.given_up,
        };
        *count += 1;
    }
}

/// Keeps the counts. Memory grows with the addresses in use, and with 4096 others.
#[derive(Debug, Default)]
pub(crate) struct SourceBook {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    each: HashMap<Option<IpAddr>, SourceCounts>,
    /// Of those in `each`, how many are not in use.
    unused: usize,
    others: SourceCounts,
}

impl SourceBook {
    /// A dial has been given this lease; its end is counted when the lease is dropped.
    pub(crate) fn dialling(self: &Arc<Self>, lease: Lease) -> Lease {
        let addr = lease.addr();
        {
            let mut state = self.lock();
            let known = state.each.contains_key(&addr);
            let counts = state.each.entry(addr).or_default();
            let was_unused = known && !counts.is_in_use();
            counts.dials += 1;
            counts.dialling += 1;
            state.unused -= usize::from(was_unused);
        }
        let book = self.clone();
        lease.and_then(move |released| book.lock().ended(released.addr, released.outcome))
    }

    /// The dial has connected. Its lease has been told so.
    pub(crate) fn connected(&self, addr: Option<IpAddr>) {
        let mut state = self.lock();
        if let Some(counts) = state.each.get_mut(&addr) {
            counts.dialling -= 1;
            counts.connected += 1;
            counts.open += 1;
        }
    }

    pub(crate) fn snapshot(&self) -> SourcesSnapshot {
        let state = self.lock();
        let each = state.each.iter();
        let mut each: Vec<SourceSnapshot> = each
            .map(|(&addr, &counts)| SourceSnapshot { addr, counts })
            .collect();
        let others = state.others;
        drop(state);
        each.sort_unstable_by_key(|source| source.addr);
        SourcesSnapshot { each, others }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ended(&mut self, addr: Option<IpAddr>, outcome: Option<Outcome>) {
        let Some(counts) = self.each.get_mut(&addr) else {
            return;
        };
        counts.ended(outcome);
        if counts.is_in_use() {
            return;
        }
        if self.unused < REMEMBERED {
            self.unused += 1;
        } else if let Some(counts) = self.each.remove(&addr) {
            self.others.add(&counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(i: u32) -> IpAddr {
        IpAddr::from((0x7f00_0000 + i).to_be_bytes())
    }

    fn lease(book: &Arc<SourceBook>, i: u32) -> Lease {
        book.dialling(Lease::new(addr(i), |_| {}))
    }

    #[test]
    fn every_dial_is_counted_by_how_it_ended() {
        let book = Arc::new(SourceBook::default());
        let connected = lease(&book, 1);
        connected.report(Outcome::Connected);
        book.connected(connected.addr());
        let _dialling = lease(&book, 1);
        for outcome in [
            Outcome::AddrInUse,
            Outcome::Unbindable,
            Outcome::TargetFailed,
        ] {
            lease(&book, 1).report(outcome);
        }
        drop(lease(&book, 1));
        let wanted = SourceCounts {
            open: 1,
            dialling: 1,
            dials: 6,
            connected: 1,
            no_free_port: 1,
            unbindable: 1,
            target_failed: 1,
            given_up: 1,
        };
        assert_eq!(book.snapshot().each[0].counts, wanted);
        drop(connected);
        assert_eq!(book.snapshot().total(), SourceCounts { open: 0, ..wanted });
    }

    #[test]
    fn what_is_forgotten_stays_in_the_sum() {
        let book = Arc::new(SourceBook::default());
        let all = REMEMBERED as u32 + 100;
        let held = lease(&book, all);
        for i in 0..all {
            lease(&book, i).report(Outcome::AddrInUse);
        }
        // A second time, for those that are known and those that are not.
        for i in 0..all {
            lease(&book, i).report(Outcome::TargetFailed);
        }
        let snapshot = book.snapshot();
        assert_eq!(snapshot.each.len(), REMEMBERED + 1);
        assert_eq!(snapshot.others.dials, 200);
        let total = snapshot.total();
        assert_eq!(total.dials, u64::from(2 * all + 1));
        assert_eq!(total.no_free_port, u64::from(all));
        assert_eq!(total.target_failed, u64::from(all));
        drop(held);
        assert_eq!(book.snapshot().each.len(), REMEMBERED);
        assert_eq!(book.snapshot().total().given_up, 1);
    }
}
