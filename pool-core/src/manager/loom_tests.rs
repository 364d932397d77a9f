//! The races we can name, each in every order that matters.

mod conns;
mod hosts;
mod sites;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex as StdMutex;
use std::task::{Context, Poll, Wake, Waker};

use loom::thread;

use super::*;
use crate::error::{Error, ErrorKind};

type Manager = ConnectionManager<()>;

/// Counts how often it was woken; what is read is decided by the locks around it.
#[derive(Default)]
struct Woken(AtomicU64);

impl Woken {
    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Somebody who waits, polled by hand.
struct Asker {
    future: Option<Acquire<()>>,
    woken: StdArc<Woken>,
}

impl Asker {
    fn new(host: &HostHandle<()>) -> Self {
        Self {
            future: Some(host.acquire()),
            woken: StdArc::default(),
        }
    }

    /// One that has joined the queue.
    fn queued(host: &HostHandle<()>) -> Self {
        let mut asker = Self::new(host);
        assert!(asker.poll().is_pending());
        asker
    }

    fn poll(&mut self) -> Poll<Result<Lease<()>, Error>> {
        let waker = Waker::from(self.woken.clone());
        let future = self.future.as_mut().expect("it is not cancelled");
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    fn cancel(&mut self) {
        self.future = None;
    }

    /// The outcome, after everybody else has done what they do: if it was not woken for it, the wake-up was lost.
    fn outcome(&mut self) -> Result<Lease<()>, Error> {
        let woken = self.woken.count();
        match self.poll() {
            Poll::Ready(outcome) => {
                assert!(woken > 0, "an outcome without a wake-up");
                outcome
            }
            Poll::Pending => panic!("nobody serves it"),
        }
    }
}

/// Answers lookups at once and keeps dials for the test to end.
#[derive(Default)]
struct Fake {
    dials: StdMutex<VecDeque<Ticket<()>>>,
}

impl Driver<()> for Fake {
    fn resolve(&self, host: HostHandle<()>) {
        host.set_addresses(&[target()]);
    }

    fn dial(&self, ticket: Ticket<()>) {
        self.dials.lock().unwrap().push_back(ticket);
    }

    fn close(&self, _: &Entry<()>, _: CloseReason) -> Closing {
        Closing::Done
    }

    fn wake_at(&self, _: HostHandle<()>, _: Instant) {}
}

impl Fake {
    fn next(&self) -> Option<Ticket<()>> {
        self.dials.lock().unwrap().pop_front()
    }

    fn connect_all(&self) {
        while let Some(ticket) = self.next() {
            ticket.succeed((), 1, false);
        }
    }
}

fn target() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 80))
}

fn key(name: &str) -> Key {
    Key::new(Scheme::Http, name, 80)
}

fn driven(limits: Limits) -> (Manager, StdArc<Fake>) {
    let config = Config {
        limits,
        ..Config::default()
    };
    let fake = StdArc::new(Fake::default());
    (Manager::with_driver(&config, fake.clone()), fake)
}

/// A manager with one host that has `conns` connections.
fn stocked(conns: usize) -> (Manager, HostHandle<()>) {
    let manager = Manager::new(&Limits::default());
    for _ in 0..conns {
        let _added = manager
            .add(&key("a"), NewConn::exclusive(target(), ()))
            .unwrap();
    }
    let host = manager.host(&key("a"));
    (manager, host)
}

fn leased(host: &HostHandle<()>) -> Lease<()> {
    host.try_acquire().expect("there is room")
}

#[test]
fn loom_a_grant_to_a_waiter_that_cancels_reaches_the_next() {
    loom::model(|| {
        let (_manager, host) = stocked(1);
        let held = leased(&host);
        let (mut first, mut second) = (Asker::queued(&host), Asker::queued(&host));
        let release = thread::spawn(move || drop(held));
        first.cancel();
        release.join().unwrap();
        drop(second.outcome().unwrap());
    });
}

#[test]
fn loom_a_release_beside_a_join_is_not_missed() {
    loom::model(|| {
        let (_manager, host) = stocked(1);
        let held = leased(&host);
        let mut asker = Asker::new(&host);
        let release = thread::spawn(move || drop(held));
        match asker.poll() {
            Poll::Ready(lease) => drop(lease.unwrap()),
            Poll::Pending => {
                release.join().unwrap();
                drop(asker.outcome().unwrap());
            }
        }
    });
}

#[test]
fn loom_an_eviction_beside_a_claim_has_one_winner() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = host.0.look(|core| core.state.idle().next().unwrap());
        let other = host.clone();
        let evict = thread::spawn(move || {
            Host::event(&other.0, |state, at, out| {
                state.evict_idle(conn, CloseReason::Idle, at, out)
            })
        });
        let lease = host.try_acquire();
        let evicted = evict.join().unwrap();
        assert_ne!(evicted, lease.is_some(), "closed under a lease, or lost");
        drop(lease);
        assert_eq!(manager.permits_in_use().0, usize::from(!evicted));
    });
}

#[test]
fn loom_a_drain_beside_a_claim_lets_the_lease_finish() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = host.0.look(|core| core.state.idle().next().unwrap());
        let other = host.clone();
        let drain = thread::spawn(move || {
            Host::event(&other.0, |state, at, out| {
                state.drain(conn, CloseReason::GoAway, at, out)
            })
        });
        let lease = host.try_acquire();
        assert!(drain.join().unwrap());
        assert_eq!(manager.permits_in_use().0, usize::from(lease.is_some()));
        drop(lease);
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_whoever_joins_beside_a_close_is_refused() {
    loom::model(|| {
        let manager = Manager::new(&Limits::default());
        let other = manager.clone();
        let close = thread::spawn(move || other.close());
        let mut asker = Asker::new(&manager.host(&key("a")));
        let outcome = match asker.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                close.join().unwrap();
                asker.outcome()
            }
        };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn loom_limits_lowered_beside_a_release_hold() {
    loom::model(|| {
        let (manager, host) = stocked(2);
        let (first, second) = (leased(&host), leased(&host));
        let other = manager.clone();
        let lower = thread::spawn(move || {
            let mut config = Config::default();
            config.limits.per_host = 1;
            other.set_limits(&config);
        });
        drop(first);
        lower.join().unwrap();
        drop(second);
        assert_eq!(manager.permits_in_use(), (1, 0));
    });
}

#[test]
fn loom_limits_raised_beside_a_join_serve_it() {
    loom::model(|| {
        let limits = Limits {
            per_host: 1,
            ..Limits::default()
        };
        let (manager, fake) = driven(limits);
        let host = manager.host(&key("a"));
        let mut first = Asker::queued(&host);
        fake.connect_all();
        let held = first.outcome().unwrap();
        let other = manager.clone();
        let raise = thread::spawn(move || other.set_limits(&Config::default()));
        let mut asker = Asker::queued(&host);
        raise.join().unwrap();
        fake.connect_all();
        drop((asker.outcome().unwrap(), held));
    });
}

#[test]
fn loom_a_failed_dial_beside_a_cancelled_waiter_strands_nobody() {
    loom::model(|| {
        let (manager, fake) = driven(Limits::default());
        let host = manager.host(&key("a"));
        let (mut first, mut second) = (Asker::queued(&host), Asker::queued(&host));
        let tickets = [fake.next().unwrap(), fake.next().unwrap()];
        let fail = thread::spawn(move || {
            for ticket in tickets {
                ticket.fail(Error::new(ErrorKind::Refused));
            }
        });
        first.cancel();
        fail.join().unwrap();
        assert_eq!(second.outcome().unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_two_releases_beside_each_other_serve_one_waiter_once() {
    loom::model(|| {
        let (manager, host) = stocked(2);
        let (first, second) = (leased(&host), leased(&host));
        let mut asker = Asker::queued(&host);
        let release = thread::spawn(move || drop(first));
        drop(second);
        release.join().unwrap();
        let lease = asker.outcome().unwrap();
        assert_eq!(asker.woken.count(), 1);
        let totals = manager.snapshot().totals;
        assert_eq!((totals.leased, totals.idle), (1, 1));
        drop(lease);
    });
}

#[test]
fn loom_the_last_handle_beside_a_dial_that_ends_leaves_nothing() {
    loom::model(|| {
        let (manager, fake) = driven(Limits::default());
        let host = manager.host(&key("a"));
        let mut asker = Asker::queued(&host);
        let ticket = fake.next().unwrap();
        let dial = thread::spawn(move || drop(ticket.succeed((), 1, false)));
        drop(manager);
        dial.join().unwrap();
        // Served or refused, but told.
        drop(asker.outcome());
        assert_eq!(host.0.shared.budget.in_use(), (0, 0));
        drop((asker, host));
        assert_eq!(StdArc::strong_count(&fake), 1, "what hosts share is gone");
    });
}

#[test]
fn loom_a_lookup_beside_the_last_handle_leaves_nothing() {
    loom::model(|| {
        let (manager, fake) = driven(Limits::default());
        let host = manager.host(&key("a"));
        manager.forget_empty_hosts(0);
        let drop_last = thread::spawn(move || drop(manager));
        let mut asker = Asker::new(&host);
        let outcome = match asker.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                drop_last.join().unwrap();
                asker.outcome()
            }
        };
        assert_eq!(outcome.map(drop).unwrap_err().kind(), ErrorKind::Closed);
        while fake.next().is_some() {}
        drop((asker, host));
    });
}

#[test]
fn loom_a_connection_parked_beside_a_host_that_begins_to_starve_is_given_up() {
    loom::model(|| {
        let limits = Limits {
            total: 1,
            // No timer ticks here: the two must see each other.
            min_reclaim_idle: Duration::ZERO,
            ..Limits::default()
        };
        let (manager, fake) = driven(limits);
        let (busy, starving) = (manager.host(&key("a")), manager.host(&key("b")));
        let mut owner = Asker::queued(&busy);
        fake.connect_all();
        let held = owner.outcome().unwrap();
        let release = thread::spawn(move || drop(held));
        let mut asker = Asker::queued(&starving);
        release.join().unwrap();
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}

#[test]
fn loom_a_permit_that_returns_beside_an_enrolment_is_not_missed() {
    loom::model(|| {
        let limits = Limits {
            total: 1,
            ..Limits::default()
        };
        let (manager, fake) = driven(limits);
        let (busy, starving) = (manager.host(&key("a")), manager.host(&key("b")));
        let mut owner = Asker::queued(&busy);
        let ticket = fake.next().unwrap();
        let fail = thread::spawn(move || ticket.fail(Error::new(ErrorKind::Refused)));
        let mut asker = Asker::queued(&starving);
        fail.join().unwrap();
        assert!(owner.outcome().is_err());
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}

#[test]
fn loom_a_waiter_that_leaves_the_ring_beside_one_that_joins_strands_nobody() {
    loom::model(|| {
        let limits = Limits {
            total: 1,
            ..Limits::default()
        };
        let (manager, fake) = driven(limits);
        let (busy, starving) = (manager.host(&key("a")), manager.host(&key("b")));
        let mut owner = Asker::queued(&busy);
        fake.connect_all();
        let held = owner.outcome().unwrap();
        let mut leaving = Asker::queued(&starving);
        let leave = thread::spawn(move || leaving.cancel());
        let mut asker = Asker::queued(&starving);
        leave.join().unwrap();
        drop(held);
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}

#[test]
fn loom_a_peer_limit_raised_beside_a_join_serves_it() {
    loom::model(|| {
        let manager = Manager::new(&Limits::default());
        let conn = NewConn::multiplexed(target(), (), 0);
        let _added = manager.add(&key("a"), conn).unwrap();
        let host = manager.host(&key("a"));
        let conn = host.0.look(|core| core.state.idle().next().unwrap());
        let other = host.clone();
        let raise = thread::spawn(move || {
            Host::event(&other.0, |state, at, out| {
                state.set_peer_limit(conn, 1, at, out);
            });
        });
        let mut asker = Asker::new(&host);
        match asker.poll() {
            Poll::Ready(lease) => drop(lease.unwrap()),
            Poll::Pending => {
                raise.join().unwrap();
                drop(asker.outcome().unwrap());
            }
        }
    });
}

#[test]
fn loom_a_host_forgotten_beside_an_acquire_is_found_again() {
    loom::model(|| {
        let manager = Manager::new(&Limits::default());
        let host = manager.host(&key("a"));
        let other = manager.clone();
        let add = thread::spawn(move || {
            let _added = other
                .add(&key("a"), NewConn::exclusive(target(), ()))
                .unwrap();
        });
        manager.forget_empty_hosts(0);
        add.join().unwrap();
        let mut asker = Asker::new(&host);
        assert!(asker.poll().is_ready(), "the connection is in the map");
    });
}

#[test]
fn loom_permits_put_back_beside_an_enrolment_are_not_missed() {
    loom::model(|| {
        let limits = Limits {
            total: 1,
            ..Limits::default()
        };
        let (manager, fake) = driven(limits);
        let (needless, starving) = (manager.host(&key("a")), manager.host(&key("b")));
        needless.set_addresses(&[target()]);
        starving.set_addresses(&[target()]);
        let mut first = Asker::new(&needless);
        let ask = thread::spawn(move || drop(first.poll()));
        let refuse = thread::spawn(move || needless.set_addresses(&[]));
        let mut asker = Asker::queued(&starving);
        ask.join().unwrap();
        refuse.join().unwrap();
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}
