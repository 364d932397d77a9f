//! What the manager promises under its locks, without a network.

mod available;
mod budget;
mod cleanup;
mod ejections;
mod hosts;
mod identity;
mod load;
mod machine;
mod quarantine;
mod sites;
mod threads;
mod waiting;

use std::collections::VecDeque;
use std::sync::Mutex as StdMutex;

use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

use super::sync::now;
use super::*;
use crate::error::{Error, ErrorKind};

/// What the manager holds in these tests: it is counted, and knows its owners.
#[derive(Debug)]
struct Held {
    alive: StdArc<AtomicUsize>,
    owners: AtomicUsize,
}

/// Counts how many values are alive.
#[derive(Clone, Default)]
struct Census(StdArc<AtomicUsize>);

impl Census {
    fn born(&self) -> Held {
        self.0.fetch_add(1, Ordering::SeqCst);
        Held {
            alive: self.0.clone(),
            owners: AtomicUsize::new(0),
        }
    }

    fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

type Manager = ConnectionManager<Held>;
type Asker = Spawn<Acquire<Held>>;

/// A driver that answers lookups at once, and keeps dials and timers for the test to end.
#[derive(Default)]
struct Fake {
    dials: StdMutex<VecDeque<Ticket<Held>>>,
    timers: StdMutex<Vec<(HostHandle<Held>, Instant)>>,
    closes: StdMutex<Vec<(ConnId, CloseReason)>>,
    census: Census,
}

impl Driver<Held> for Fake {
    fn resolve(&self, host: HostHandle<Held>) {
        host.set_addresses(&[target(1), target(2)]);
    }

    fn dial(&self, ticket: Ticket<Held>) {
        self.dials.lock().unwrap().push_back(ticket);
    }

    fn close(&self, entry: &Entry<Held>, reason: CloseReason) -> Closing {
        self.closes.lock().unwrap().push((entry.id(), reason));
        Closing::Done
    }

    fn wake_at(&self, host: HostHandle<Held>, at: Instant) {
        self.timers.lock().unwrap().push((host, at));
    }
}

impl Fake {
    /// The longest running dial.
    fn next(&self) -> Option<Ticket<Held>> {
        self.dials.lock().unwrap().pop_front()
    }

    /// Lets every dial succeed with an HTTP/1.1 connection.
    fn connect_all(&self) {
        while let Some(ticket) = self.next() {
            ticket.succeed(self.census.born(), 1, false);
        }
    }

    /// Ticks the hosts whose time has come.
    fn tick(&self) {
        let now = now();
        let (due, later) = std::mem::take(&mut *self.timers.lock().unwrap())
            .into_iter()
            .partition(|(_, at)| *at <= now);
        *self.timers.lock().unwrap() = later;
        for (host, _) in due {
            host.tick();
        }
    }

    fn closes(&self) -> Vec<(ConnId, CloseReason)> {
        std::mem::take(&mut *self.closes.lock().unwrap())
    }
}

fn driven(limits: Limits) -> (Manager, StdArc<Fake>) {
    let config = Config {
        limits,
        ..Config::default()
    };
    let fake = StdArc::new(Fake::default());
    (Manager::with_driver(&config, fake.clone()), fake)
}

fn key(name: &str) -> Key {
    Key::new(Scheme::Http, name, 80)
}

fn target(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 80))
}

fn ask(manager: &Manager, name: &str) -> Asker {
    spawn(manager.acquire(&key(name)))
}

fn add(manager: &Manager, name: &str, census: &Census) -> ConnId {
    manager
        .add(&key(name), NewConn::exclusive(target(1), census.born()))
        .expect("the limits allow it")
        .id()
}

fn lease(asker: &mut Asker) -> Lease<Held> {
    assert_ready!(asker.poll()).expect("it is granted")
}

fn kind(asker: &mut Asker) -> ErrorKind {
    assert_ready!(asker.poll())
        .expect_err("it is refused")
        .kind()
}

/// Nothing is out, so what came in went out.
fn assert_conserved(manager: &Manager) {
    let totals = manager.snapshot().totals;
    assert_eq!(totals.acquired, totals.released + totals.leased);
    let closed: u64 = totals.closed.values().sum();
    assert_eq!(totals.opened, closed + totals.open as u64);
    let dials = totals.dialled + totals.dials_failed;
    assert!(totals.dials >= dials && totals.dials <= dials + totals.dialling as u64);
}
