//! Many threads at once: one owner at a time, and everyone served.

use std::sync::Barrier;
use std::task::{Context, Poll, Wake};
use std::thread;

use super::*;

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: StdArc<Self>) {
        self.0.unpark();
    }
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = StdArc::new(Unpark(thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn ten_times_ten_connections_added_at_once_are_all_there() {
    let limits = Limits {
        per_host: 100,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    let start = Barrier::new(10);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..10 {
                    add(&manager, "a", &census);
                }
            });
        }
    });
    assert_eq!(manager.by_target(target(1)).len(), 100);
    assert_eq!(manager.hosts().len(), 1);
    assert_eq!(census.alive(), 100);
    let totals = manager.snapshot().totals;
    assert_eq!((totals.open, totals.idle, totals.opened), (100, 100, 100));
}

#[test]
fn no_connection_ever_has_two_owners_and_everybody_is_served() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    for _ in 0..10 {
        add(&manager, "a", &census);
    }
    let host = manager.host(&key("a"));
    let start = Barrier::new(64);
    thread::scope(|scope| {
        for worker in 0..64 {
            let (host, start) = (host.clone(), &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..1_000 {
                    if (worker + round) % 16 == 0 {
                        // Given up, perhaps after it was granted.
                        let mut gone = spawn(host.acquire());
                        if gone.poll().is_pending() {
                            continue;
                        }
                    }
                    let lease = block_on(host.acquire()).expect("it is granted");
                    let owners = &lease.conn().owners;
                    assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0, "two owners");
                    assert_eq!(owners.fetch_sub(1, Ordering::SeqCst), 1);
                }
            });
        }
    });
    let totals = manager.snapshot().totals;
    assert_eq!((totals.leased, totals.waiting, totals.idle), (0, 0, 10));
    assert_conserved(&manager);
    drop((host, manager));
    assert_eq!(census.alive(), 0);
}

#[test]
fn connections_that_die_under_load_are_replaced_and_no_permit_is_lost() {
    let limits = Limits {
        per_host: 4,
        total: 6,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                fake.connect_all();
                thread::yield_now();
            }
        });
        let workers: Vec<_> = (0..16)
            .map(|worker| {
                let manager = manager.clone();
                scope.spawn(move || {
                    let name = ["a", "b", "c"][worker % 3];
                    for round in 0..200 {
                        let mut lease =
                            block_on(manager.acquire(&key(name))).expect("it is granted");
                        let owners = lease.conn().owners.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(owners, 0, "two owners");
                        lease.conn().owners.store(0, Ordering::SeqCst);
                        if round % 7 == 0 {
                            lease.discard(CloseReason::Error);
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    fake.connect_all();
    assert_conserved(&manager);
    manager.close();
    assert_eq!(manager.permits_in_use(), (0, 0));
    assert_eq!(fake.census.alive(), 0);
}
