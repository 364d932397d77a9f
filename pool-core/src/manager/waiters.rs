//! The queue of those who wait for a connection of one host: first in, first out, bounded.

use std::time::Instant;

use slab::Slab;

use super::list::{Linked, Links, List};

/// Names one waiter; a serial number tells it from later waiters in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterRef {
    pub(crate) slot: usize,
    pub(crate) serial: u64,
}

/// Where a newcomer joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind everybody.
    Back,
    /// Before everybody: it was at the head already, and what it was given turned out dead.
    Front,
}

#[derive(Debug)]
struct Waiter {
    serial: u64,
    deadline: Option<Instant>,
    /// Failed dials that were to serve this waiter.
    charged: u32,
    links: Links,
}

#[derive(Debug)]
enum Queue {}

impl Linked<Queue> for Waiter {
    fn links(&self) -> Links {
        self.links
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// Waiters by slot; those still queued are linked in arrival order, the others have an outcome to collect.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Slab<Waiter>,
    queue: List<Queue>,
    serials: u64,
}

impl Waiters {
    /// How many are queued.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether nobody is queued and every outcome has been collected.
    pub(crate) fn is_settled(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn join(&mut self, place: Place, deadline: Option<Instant>) -> WaiterRef {
        self.serials += 1;
        let serial = self.serials;
        let slot = self.slots.insert(Waiter {
            serial,
            deadline,
            charged: 0,
            links: Links::default(),
        });
        match place {
            Place::Back => self.queue.push_back(&mut self.slots, slot),
            Place::Front => self.queue.push_front(&mut self.slots, slot),
        }
        WaiterRef { slot, serial }
    }

    /// The waiter at the head of the queue.
    pub(crate) fn head(&self) -> Option<WaiterRef> {
        self.queue.front().map(|slot| self.name(slot))
    }

    /// Whether the waiter's deadline has passed.
    pub(crate) fn is_late(&self, waiter: WaiterRef, now: Instant) -> bool {
        self.slots[waiter.slot].deadline.is_some_and(|at| at <= now)
    }

    /// Takes a waiter out of the queue; its slot stays until [`collect`](Self::collect).
    pub(crate) fn settle(&mut self, waiter: WaiterRef) {
        self.queue.remove(&mut self.slots, waiter.slot);
    }

    /// Frees the slot. Returns whether the waiter was still queued.
    pub(crate) fn collect(&mut self, waiter: WaiterRef) -> bool {
        let Some(entry) = self.slots.get(waiter.slot) else {
            return false;
        };
        if entry.serial != waiter.serial {
            return false;
        }
        let queued = entry.links.is_linked();
        if queued {
            self.queue.remove(&mut self.slots, waiter.slot);
        }
        self.slots.remove(waiter.slot);
        queued
    }

    /// Counts one failed dial against each of the first `covered` waiters.
    pub(crate) fn charge(&mut self, covered: usize) {
        let mut at = self.queue.front();
        for _ in 0..covered {
            let Some(slot) = at else { return };
            self.slots[slot].charged += 1;
            at = self.slots[slot].links.next();
        }
    }

    /// The queued waiters that have been charged at least `limit` times, in order.
    pub(crate) fn exhausted(&self, limit: u32) -> Vec<WaiterRef> {
        self.queue
            .iter(&self.slots)
            .filter(|&slot| self.slots[slot].charged >= limit)
            .map(|slot| self.name(slot))
            .collect()
    }

    /// Everybody queued, in order.
    pub(crate) fn all(&self) -> Vec<WaiterRef> {
        self.queue
            .iter(&self.slots)
            .map(|slot| self.name(slot))
            .collect()
    }

    fn name(&self, slot: usize) -> WaiterRef {
        WaiterRef {
            slot,
            serial: self.slots[slot].serial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_cancel_does_not_touch_the_next_waiter_of_the_slot() {
        let mut waiters = Waiters::default();
        let first = waiters.join(Place::Back, None);
        assert!(waiters.collect(first));
        let second = waiters.join(Place::Back, None);
        assert_eq!(first.slot, second.slot);

        assert!(!waiters.collect(first));
        assert_eq!(waiters.head(), Some(second));
    }

    #[test]
    fn a_failed_dial_is_charged_to_those_it_was_to_serve() {
        let mut waiters = Waiters::default();
        let all: Vec<_> = (0..3).map(|_| waiters.join(Place::Back, None)).collect();
        waiters.charge(2);
        assert_eq!(waiters.exhausted(1), all[..2]);
        waiters.charge(usize::MAX);
        assert_eq!(waiters.exhausted(1), all);
        assert_eq!(waiters.exhausted(2), all[..2]);
    }
}
