//! Those who wait, as plain queues: one before every class, one for each class, one list for single connections.

use std::collections::VecDeque;
use std::time::Instant;

use crate::info::ConnId;
use crate::manager::waiters::{Place, WaiterRef};
use crate::priority::Priority;

/// Somebody who waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) waiter: WaiterRef,
    pub(super) deadline: Option<Instant>,
    /// Failed dials that were to serve it.
    pub(super) charged: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    front: VecDeque<Waiting>,
    classes: [VecDeque<Waiting>; 3],
    /// How far each class has been served, in ninths of its weight.
    passes: [u64; 3],
    pass: u64,
    /// In the order they came.
    pinned: Vec<(ConnId, Waiting)>,
}

impl Queues {
    pub(super) fn join(&mut self, place: Place, waiting: Waiting) {
        match place {
            Place::Front => self.front.push_back(waiting),
            Place::Back(priority) => {
                let class = priority as usize;
                if self.classes[class].is_empty() {
                    self.passes[class] = self.passes[class].max(self.pass);
                }
                self.classes[class].push_back(waiting);
            }
            Place::On(conn) => self.pinned.push((conn, waiting)),
        }
    }

    /// Who must be next to get this connection.
    pub(super) fn next(&self, conn: ConnId) -> Option<Waiting> {
        if let Some(first) = self.front.front() {
            return Some(*first);
        }
        let class = (0..3)
            .filter(|&class| !self.classes[class].is_empty())
            .min_by_key(|&class| self.passes[class]);
        let head = class.map(|class| self.classes[class][0]);
        let pinned = self.pinned.iter().find(|(to, _)| *to == conn);
        let pinned = pinned.map(|(_, waiting)| *waiting);
        head.into_iter()
            .chain(pinned)
            .min_by_key(|waiting| waiting.waiter.serial)
    }

    /// Takes it out because it was served. `false`: it was not there.
    pub(super) fn serve(&mut self, waiter: WaiterRef) -> bool {
        for (class, queue) in self.classes.iter().enumerate() {
            if queue.iter().any(|waiting| waiting.waiter == waiter) {
                self.pass = self.passes[class];
                self.passes[class] += 9 / u64::from(Priority::ALL[class].weight());
            }
        }
        self.remove(waiter)
    }

    /// Takes it out for any other cause. `false`: it was not there.
    pub(super) fn remove(&mut self, waiter: WaiterRef) -> bool {
        let before = self.queued();
        self.front.retain(|waiting| waiting.waiter != waiter);
        for queue in &mut self.classes {
            queue.retain(|waiting| waiting.waiter != waiter);
        }
        self.pinned.retain(|(_, waiting)| waiting.waiter != waiter);
        self.queued() < before
    }

    /// Those who wait for any connection, class by class.
    pub(super) fn in_line(&self) -> impl Iterator<Item = &Waiting> {
        self.front.iter().chain(self.classes.iter().flatten())
    }

    pub(super) fn pinned(&self) -> &[(ConnId, Waiting)] {
        &self.pinned
    }

    /// How many wait for any connection.
    pub(super) fn len(&self) -> usize {
        self.in_line().count()
    }

    pub(super) fn queued(&self) -> usize {
        self.len() + self.pinned.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Waiting> {
        self.in_line().chain(self.pinned.iter().map(|(_, w)| w))
    }

    pub(super) fn find(&self, waiter: WaiterRef) -> Option<Waiting> {
        self.all().find(|waiting| waiting.waiter == waiter).copied()
    }

    /// The connection it waits for alone, if it does.
    pub(super) fn pin_of(&self, waiter: WaiterRef) -> Option<ConnId> {
        let pinned = self.pinned.iter().find(|(_, w)| w.waiter == waiter);
        pinned.map(|(conn, _)| *conn)
    }

    /// Whether it is first of those in its place.
    pub(super) fn is_head(&self, waiter: WaiterRef) -> bool {
        let heads = std::iter::once(&self.front).chain(&self.classes);
        let mut heads = heads.filter_map(VecDeque::front);
        let first_pinned = |conn| {
            let first = self.pinned.iter().find(|(to, _)| *to == conn);
            first.is_some_and(|(_, first)| first.waiter == waiter)
        };
        heads.any(|head| head.waiter == waiter) || self.pin_of(waiter).is_some_and(first_pinned)
    }

    /// One failed dial against each of the first `covered` who wait for any connection.
    pub(super) fn charge(&mut self, covered: usize) {
        let line = self
            .front
            .iter_mut()
            .chain(self.classes.iter_mut().flatten());
        for waiting in line.take(covered) {
            waiting.charged += 1;
        }
    }
}

/// For whoever compares worlds: the queues without names, each waiter by its rank in order of arrival.
impl Queues {
    pub(super) fn shape(&self, rank: impl Fn(ConnId) -> usize) -> Vec<u64> {
        let mut serials: Vec<u64> = self.all().map(|w| w.waiter.serial).collect();
        serials.sort_unstable();
        let place = |w: &Waiting| {
            let at = serials.binary_search(&w.waiter.serial);
            at.expect("it is among all") as u64 * 64 + u64::from(w.charged)
        };
        let mut shape = Vec::new();
        // What an empty class has not used is lost when somebody comes.
        let pass = |class: usize| {
            if self.classes[class].is_empty() {
                self.passes[class].max(self.pass)
            } else {
                self.passes[class]
            }
        };
        let first = (0..3).map(pass).chain([self.pass]).min().unwrap_or(0);
        shape.push(self.pass - first);
        for (class, queue) in self.classes.iter().enumerate() {
            shape.push(pass(class) - first);
            shape.push(queue.len() as u64);
            shape.extend(queue.iter().map(place));
        }
        shape.push(self.front.len() as u64);
        shape.extend(self.front.iter().map(place));
        let pinned = self.pinned.iter();
        shape.extend(pinned.flat_map(|(conn, w)| [rank(*conn) as u64, place(w)]));
        shape
    }
}
