//! What has happened on one host, counted.

use std::collections::BTreeMap;

use super::{DialFailure, HostState};
use crate::manager::reason::CloseReason;

/// Counts of what has happened; at every quiescent point they conserve: `acquired = released + leased`,
/// `opened = closed + open`, `dials = dialled + failed + in flight`.
///
/// Those that a claim and its release count come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Counters {
    pub(crate) acquired: u64,
    pub(crate) released: u64,
    pub(crate) handed_off: u64,
    pub(crate) queued: u64,
    /// The longest queue there was.
    pub(crate) longest_queue: usize,
    pub(crate) turned_away: u64,
    pub(crate) cancelled: u64,
    pub(crate) opened: u64,
    pub(crate) closed: BTreeMap<CloseReason, u64>,
    pub(crate) dials: u64,
    pub(crate) dialled: u64,
    /// Dials that did not bring one, by whose fault it was.
    pub(crate) failed_there: u64,
    pub(crate) failed_here: u64,
    pub(crate) abandoned: u64,
    pub(crate) orphaned: u64,
    /// Idle connections given up for another host.
    pub(crate) stolen: u64,
    /// Times that reuse of HTTP/1.1 connections was suspended.
    pub(crate) quarantines: u64,
}

impl HostState {
    /// Counts a suspension of reuse.
    pub(crate) fn count_quarantine(&mut self) {
        self.counters.quarantines += 1;
    }
}

impl Counters {
    /// Counts a dial that brought no connection.
    pub(crate) fn failed(&mut self, failure: DialFailure) {
        *match failure {
            DialFailure::Endpoint | DialFailure::Denied => &mut self.failed_there,
            DialFailure::Local => &mut self.failed_here,
            DialFailure::Abandoned => &mut self.abandoned,
            DialFailure::RuntimeGone => &mut self.orphaned,
        } += 1;
    }

    /// Dials that brought no connection.
    pub(crate) fn dials_failed(&self) -> u64 {
        self.failed_there + self.failed_here + self.abandoned + self.orphaned
    }

    /// Adds the counts of a host that was forgotten.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let Self {
            acquired,
            released,
            handed_off,
            queued,
            longest_queue,
            turned_away,
            cancelled,
            opened,
            closed,
            dials,
            dialled,
            failed_there,
            failed_here,
            abandoned,
            orphaned,
            stolen,
            quarantines,
        } = other;
        self.acquired += acquired;
        self.released += released;
        self.handed_off += handed_off;
        self.queued += queued;
        self.longest_queue = self.longest_queue.max(*longest_queue);
        self.turned_away += turned_away;
        self.cancelled += cancelled;
        self.opened += opened;
        for (reason, count) in closed {
            *self.closed.entry(*reason).or_default() += count;
        }
        self.dials += dials;
        self.dialled += dialled;
        self.failed_there += failed_there;
        self.failed_here += failed_here;
        self.abandoned += abandoned;
        self.orphaned += orphaned;
        self.stolen += stolen;
        self.quarantines += quarantines;
    }
}
