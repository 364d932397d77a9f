//! The queue of those who wait for a connection of one host: classes by weight, first in first out within each.

use std::collections::HashMap;
use std::time::Instant;

use slab::Slab;

use super::list::{Linked, Links, List, begin_with_one};
use crate::info::ConnId;
use crate::priority::Priority;

/// Names one waiter; a serial number tells it from later waiters in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterRef {
    pub(crate) slot: usize,
    pub(crate) serial: u64,
}

/// Where a newcomer joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind everybody of its class.
    Back(Priority),
    /// Before everybody but others of this kind: it was at the head already, and what it was given turned out dead.
    Front,
    /// Beside the queue, for this one connection and no other.
    On(ConnId),
}

#[derive(Clone, Debug)]
struct Waiter {
    serial: u64,
    place: Place,
    joined: Instant,
    deadline: Option<Instant>,
    /// Failed dials that were to serve this waiter.
    charged: u32,
    links: Links,
}

#[derive(Clone, Debug)]
enum Queue {}

impl Linked<Queue> for Waiter {
    fn links(&self) -> Links {
        self.links
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// One priority class. Classes are served in the order of `pass`; each service moves a class on by its stride, the
/// shorter the greater its weight (stride scheduling).
#[derive(Clone, Debug, Default)]
struct Class {
    queue: List<Queue>,
    pass: u64,
}

/// Waiters by slot; those still queued are linked in arrival order, the others have an outcome to collect.
///
/// What every claim looks at comes last, beside what it looks at in the host.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Waiters {
    /// Those who wait for one connection and no other.
    pinned: HashMap<ConnId, List<Queue>>,
    classes: [Class; Priority::ALL.len()],
    /// The pass of the class served last: one that was empty meanwhile has not saved up for it.
    pass: u64,
    front: List<Queue>,
    serials: u64,
    slots: Slab<Waiter>,
    /// How many wait for any connection.
    len: usize,
}

impl Waiters {
    /// How many wait for any connection.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits for any connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many are queued, those for one certain connection included.
    pub(crate) fn queued(&self) -> usize {
        self.len + self.pinned.values().map(List::len).sum::<usize>()
    }

    /// Whether nobody is queued and every outcome has been collected.
    pub(crate) fn is_settled(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn join(
        &mut self,
        place: Place,
        deadline: Option<Instant>,
        now: Instant,
    ) -> WaiterRef {
        self.serials += 1;
        let serial = self.serials;
        begin_with_one(&mut self.slots);
        let slot = self.slots.insert(Waiter {
            serial,
            place,
            joined: now,
            deadline,
            charged: 0,
            links: Links::default(),
        });
        match place {
            Place::Front => self.front.push_back(&mut self.slots, slot),
            Place::Back(priority) => {
                let class = &mut self.classes[priority as usize];
                if class.queue.is_empty() {
                    class.pass = class.pass.max(self.pass);
                }
                class.queue.push_back(&mut self.slots, slot);
            }
            Place::On(conn) => {
                let queue = self.pinned.entry(conn).or_default();
                queue.push_back(&mut self.slots, slot);
            }
        }
        self.len += usize::from(!matches!(place, Place::On(_)));
        WaiterRef { slot, serial }
    }

    /// Who is next to get this connection: of the head of the queue and the first who waits for this connection alone,
    /// the one that came earlier.
    #[inline]
    pub(crate) fn next(&self, conn: ConnId) -> Option<WaiterRef> {
        if self.slots.is_empty() {
            return None;
        }
        self.next_queued(conn)
    }

    fn next_queued(&self, conn: ConnId) -> Option<WaiterRef> {
        let head = self.front.front().or_else(|| {
            let (_, class) = self.class_in_turn()?;
            class.queue.front()
        });
        let pinned = self.pinned.get(&conn).and_then(List::front);
        let earlier = |slot: &usize| {
            (
                self.slots[*slot].place != Place::Front,
                self.slots[*slot].serial,
            )
        };
        let next = head.into_iter().chain(pinned).min_by_key(earlier)?;
        Some(self.name(next))
    }

    /// Takes a waiter out of the queue because it is served: its class has had this turn.
    pub(crate) fn serve(&mut self, waiter: WaiterRef) {
        if let Place::Back(priority) = self.slots[waiter.slot].place {
            let class = &mut self.classes[priority as usize];
            self.pass = class.pass;
            class.pass += STRIDE / u64::from(priority.weight());
        }
        self.settle(waiter);
    }

    /// Takes a waiter out of the queue; its slot stays until [`collect`](Self::collect).
    pub(crate) fn settle(&mut self, waiter: WaiterRef) {
        self.unlink(waiter.slot);
    }

    /// Whether the waiter's deadline has passed.
    pub(crate) fn is_late(&self, waiter: WaiterRef, now: Instant) -> bool {
        self.slots[waiter.slot].deadline.is_some_and(|at| at <= now)
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
            self.unlink(waiter.slot);
        }
        self.slots.remove(waiter.slot);
        queued
    }

    /// Counts one failed dial against each of the first `covered` who wait for any connection.
    pub(crate) fn charge(&mut self, covered: usize) {
        let slots: Vec<usize> = self.in_line().take(covered).collect();
        for slot in slots {
            self.slots[slot].charged += 1;
        }
    }

    /// Those who have been charged at least `limit` times.
    pub(crate) fn exhausted(&self, limit: u32) -> Vec<WaiterRef> {
        self.in_line()
            .filter(|&slot| self.slots[slot].charged >= limit)
            .map(|slot| self.name(slot))
            .collect()
    }

    /// Since when the one waits that is next after the `covered` who have waited longest, whatever their class.
    pub(crate) fn waiting_since(&self, covered: usize) -> Option<Instant> {
        let [high, normal, low] = &self.classes;
        let queues = [&self.front, &high.queue, &normal.queue, &low.queue];
        let joined = |slot| self.slots[slot].joined;
        let mut heads = queues.map(|queue| queue.iter(&self.slots).map(joined).peekable());
        for _ in 0..covered {
            let waiting = heads
                .iter_mut()
                .filter_map(|head| Some((*head.peek()?, head)));
            let (_, longest) = waiting.min_by_key(|(joined, _)| *joined)?;
            longest.next();
        }
        heads
            .iter_mut()
            .filter_map(|head| head.peek().copied())
            .min()
    }

    /// Everybody who waits for any connection, class by class.
    pub(crate) fn all(&self) -> Vec<WaiterRef> {
        self.in_line().map(|slot| self.name(slot)).collect()
    }

    /// Everybody who waits for one certain connection, whichever it is.
    pub(crate) fn all_pinned(&self) -> Vec<WaiterRef> {
        let queues = self.pinned.values();
        let slots = queues.flat_map(|queue| queue.iter(&self.slots));
        slots.map(|slot| self.name(slot)).collect()
    }

    /// Which connection it waits for, if for one alone.
    #[cfg(test)]
    pub(crate) fn pin_of(&self, waiter: WaiterRef) -> Option<ConnId> {
        match self.slots[waiter.slot].place {
            Place::On(conn) => Some(conn),
            Place::Back(_) | Place::Front => None,
        }
    }

    /// Everybody who waits for this one connection, in order.
    pub(crate) fn pinned_to(&self, conn: ConnId) -> Vec<WaiterRef> {
        if self.pinned.is_empty() {
            return Vec::new();
        }
        let queue = self.pinned.get(&conn);
        let slots = queue.into_iter().flat_map(|queue| queue.iter(&self.slots));
        slots.map(|slot| self.name(slot)).collect()
    }

    /// Those before every class, then class by class: who is served before whom depends on what comes meanwhile.
    fn in_line(&self) -> impl Iterator<Item = usize> + '_ {
        let classes = self.classes.iter().map(|class| &class.queue);
        std::iter::once(&self.front)
            .chain(classes)
            .flat_map(|queue| queue.iter(&self.slots))
    }

    /// The class whose turn it is among those with somebody waiting.
    fn class_in_turn(&self) -> Option<(usize, &Class)> {
        let classes = self.classes.iter().enumerate();
        classes
            .filter(|(_, class)| !class.queue.is_empty())
            .min_by_key(|(at, class)| (class.pass, *at))
    }

    fn unlink(&mut self, slot: usize) {
        match self.slots[slot].place {
            Place::Front => self.front.remove(&mut self.slots, slot),
            Place::Back(priority) => {
                let class = &mut self.classes[priority as usize];
                class.queue.remove(&mut self.slots, slot);
            }
            Place::On(conn) => {
                let queue = self.pinned.get_mut(&conn);
                let queue = queue.expect("whoever is linked is in the list of its place");
                queue.remove(&mut self.slots, slot);
                if queue.is_empty() {
                    self.pinned.remove(&conn);
                }
                return;
            }
        }
        self.len -= 1;
    }

    fn name(&self, slot: usize) -> WaiterRef {
        WaiterRef {
            slot,
            serial: self.slots[slot].serial,
        }
    }
}

/// The stride of a class with weight 1; every weight divides it.
const STRIDE: u64 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: Place = Place::Back(Priority::Normal);
    const CONN: ConnId = ConnId(1);

    fn join(waiters: &mut Waiters, place: Place) -> WaiterRef {
        waiters.join(place, None, crate::clock::now())
    }

    fn serve(waiters: &mut Waiters, conn: ConnId) -> Option<WaiterRef> {
        let next = waiters.next(conn)?;
        waiters.serve(next);
        Some(next)
    }

    #[test]
    fn one_at_a_time_needs_room_for_one() {
        let mut waiters = Waiters::default();
        for _ in 0..3 {
            let waiter = join(&mut waiters, BACK);
            assert!(waiters.collect(waiter));
        }
        assert_eq!(waiters.slots.capacity(), 1);
    }

    #[test]
    fn a_late_cancel_does_not_touch_the_next_waiter_of_the_slot() {
        let mut waiters = Waiters::default();
        let first = join(&mut waiters, BACK);
        assert!(waiters.collect(first));
        let second = join(&mut waiters, BACK);
        assert_eq!(first.slot, second.slot);

        assert!(!waiters.collect(first));
        assert_eq!(waiters.next(CONN), Some(second));
    }

    #[test]
    fn a_failed_dial_is_charged_to_those_it_was_to_serve() {
        let mut waiters = Waiters::default();
        let all: Vec<_> = (0..3).map(|_| join(&mut waiters, BACK)).collect();
        waiters.charge(2);
        assert_eq!(waiters.exhausted(1), all[..2]);
        waiters.charge(usize::MAX);
        assert_eq!(waiters.exhausted(1), all);
        assert_eq!(waiters.exhausted(2), all[..2]);
    }

    #[test]
    fn classes_share_by_weight_and_keep_their_order() {
        let mut waiters = Waiters::default();
        let mut class_of = HashMap::new();
        for round in 0..26 {
            for priority in Priority::ALL {
                let waiter = join(&mut waiters, Place::Back(priority));
                class_of.insert(waiter.serial, (priority, round));
            }
        }
        let mut served: HashMap<Priority, Vec<i32>> = HashMap::new();
        for _ in 0..26 {
            let next = serve(&mut waiters, CONN).expect("somebody waits");
            let (priority, round) = class_of[&next.serial];
            served.entry(priority).or_default().push(round);
        }
        assert_eq!(served[&Priority::High], (0..18).collect::<Vec<_>>());
        assert_eq!(served[&Priority::Normal], (0..6).collect::<Vec<_>>());
        assert_eq!(served[&Priority::Low], (0..2).collect::<Vec<_>>());
    }

    #[test]
    fn no_class_waits_for_more_than_twelve_others() {
        let mut waiters = Waiters::default();
        for _ in 0..100 {
            join(&mut waiters, Place::Back(Priority::High));
            join(&mut waiters, BACK);
        }
        for _ in 0..50 {
            serve(&mut waiters, CONN);
        }
        for _ in 0..2 {
            let low = join(&mut waiters, Place::Back(Priority::Low));
            let before = std::iter::from_fn(|| serve(&mut waiters, CONN))
                .take_while(|&served| served != low)
                .count();
            assert!(before <= 12, "{before} were served before it");
        }
    }

    #[test]
    fn a_class_that_was_empty_has_not_saved_up() {
        let mut waiters = Waiters::default();
        for _ in 0..40 {
            join(&mut waiters, BACK);
        }
        for _ in 0..20 {
            serve(&mut waiters, CONN);
        }
        for _ in 0..20 {
            join(&mut waiters, Place::Back(Priority::Low));
        }
        let low = (0..8)
            .filter_map(|_| serve(&mut waiters, CONN))
            .filter(|served| served.serial > 40)
            .count();
        assert_eq!(low, 2, "one in four, from the first on");
    }

    #[test]
    fn whoever_had_a_dead_connection_comes_before_every_class() {
        let mut waiters = Waiters::default();
        let high = join(&mut waiters, Place::Back(Priority::High));
        let again = join(&mut waiters, Place::Front);
        let later = join(&mut waiters, Place::Front);
        assert_eq!(serve(&mut waiters, CONN), Some(again));
        assert_eq!(serve(&mut waiters, CONN), Some(later));
        assert_eq!(serve(&mut waiters, CONN), Some(high));
    }

    #[test]
    fn whoever_waits_for_one_connection_gets_that_one_in_its_turn() {
        let mut waiters = Waiters::default();
        let first = join(&mut waiters, BACK);
        let pinned = join(&mut waiters, Place::On(CONN));
        let last = join(&mut waiters, BACK);
        assert_eq!((waiters.len(), waiters.queued()), (2, 3));

        assert_eq!(serve(&mut waiters, CONN), Some(first));
        assert_eq!(waiters.next(ConnId(2)), Some(last), "another connection");
        assert_eq!(serve(&mut waiters, CONN), Some(pinned));
        assert_eq!(serve(&mut waiters, CONN), Some(last));
        assert_eq!(waiters.queued(), 0);
    }
}
