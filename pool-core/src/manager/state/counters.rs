//! What has happened on one host, counted.

use std::collections::BTreeMap;

use crate::manager::reason::CloseReason;

/// Counts of what has happened; at every quiescent point they conserve: `acquired = released + leased`,
/// `opened = closed + open`, `dials = dialled + failed + in flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) acquired: u64,
    pub(crate) released: u64,
    pub(crate) handed_off: u64,
    pub(crate) queued: u64,
    pub(crate) turned_away: u64,
    pub(crate) cancelled: u64,
    pub(crate) opened: u64,
    pub(crate) closed: BTreeMap<CloseReason, u64>,
    pub(crate) dials: u64,
    pub(crate) dialled: u64,
    pub(crate) dials_failed: u64,
}

impl Counters {
    /// Adds the counts of a host that was forgotten.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let Self {
            acquired,
            released,
            handed_off,
            queued,
            turned_away,
            cancelled,
            opened,
            closed,
            dials,
            dialled,
            dials_failed,
        } = other;
        self.acquired += acquired;
        self.released += released;
        self.handed_off += handed_off;
        self.queued += queued;
        self.turned_away += turned_away;
        self.cancelled += cancelled;
        self.opened += opened;
        for (reason, count) in closed {
            *self.closed.entry(*reason).or_default() += count;
        }
        self.dials += dials;
        self.dialled += dialled;
        self.dials_failed += dials_failed;
    }
}
