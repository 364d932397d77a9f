//! Getting and cleaning up at once, on threads: what is in use stays, and what goes, goes once.

use std::sync::Barrier;
use std::thread;

use super::threads::block_on;
use super::*;

/// Rounds of each thread.
const ROUNDS: usize = if cfg!(debug_assertions) { 300 } else { 1_000 };

fn owned(lease: &Lease<Held>) {
    let owners = &lease.conn().owners;
    assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0, "two owners");
    // Whoever cleans up has time to do it wrong.
    thread::yield_now();
    assert_eq!(owners.fetch_sub(1, Ordering::SeqCst), 1, "two owners");
}

#[test]
fn sixty_four_tasks_get_a_thousand_times_while_connections_come_and_go() {
    let limits = Limits {
        per_host: 8,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    for _ in 0..8 {
        add(&manager, "a", &census);
    }
    let (start, done) = (Barrier::new(66), AtomicBool::new(false));
    thread::scope(|scope| {
        // One takes out, one puts in: there are always some.
        scope.spawn(|| {
            start.wait();
            while !done.load(Ordering::SeqCst) {
                let host = manager.host(&key("a"));
                if host.counts().open() > 4
                    && let Some(conn) = host.connections().first()
                {
                    conn.remove();
                }
                thread::yield_now();
            }
        });
        scope.spawn(|| {
            start.wait();
            while !done.load(Ordering::SeqCst) {
                let conn = NewConn::exclusive(target(1), census.born());
                drop(manager.add(&key("a"), conn));
                thread::yield_now();
            }
        });
        let workers: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..ROUNDS {
                        owned(&block_on(manager.acquire(&key("a"))).expect("it is granted"));
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("no owner met another");
        }
        done.store(true, Ordering::SeqCst);
    });
    let totals = manager.snapshot().totals;
    assert_eq!((totals.leased, totals.waiting), (0, 0));
    assert_conserved(&manager);
    assert_eq!(census.alive(), totals.open, "what is gone is dropped");
    manager.close();
    assert_eq!((census.alive(), manager.permits_in_use()), (0, (0, 0)));
}

#[test]
fn cleaning_up_beside_acquiring_spares_what_is_in_use_and_takes_the_rest_once() {
    let limits = Limits {
        per_host: 64,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    let fill = || {
        for _ in 0..32 {
            let conn = NewConn::exclusive(target(1), census.born());
            drop(manager.add(&key("a"), conn));
        }
    };
    let mut removed = 0;
    for round in 0..ROUNDS / 10 {
        fill();
        let start = Barrier::new(6);
        removed += thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..8 {
                        if let Some(lease) = manager.try_acquire(&key("a")) {
                            // Idle connections alone are taken out: this one is in use.
                            assert_eq!(lease.status().phase, ConnPhase::Ready, "taken out in use");
                            owned(&lease);
                            assert_eq!(lease.status().phase, ConnPhase::Ready, "taken out in use");
                        }
                    }
                });
            }
            let cleaners: [fn(&Manager) -> usize; 2] = match round % 2 {
                0 => [
                    |m| m.evict_idle(Duration::ZERO),
                    |m| m.evict_idle(Duration::ZERO),
                ],
                _ => [
                    |m| m.retain(|_, conn| !conn.is_idle()),
                    |m| m.evict_idle(Duration::ZERO),
                ],
            };
            let cleaners = cleaners.map(|clean| {
                let (start, manager) = (&start, &manager);
                scope.spawn(move || {
                    start.wait();
                    (0..4).map(|_| clean(manager)).sum::<usize>()
                })
            });
            cleaners
                .map(|cleaner| cleaner.join().expect("it cleans"))
                .iter()
                .sum::<usize>()
        });
        let totals = manager.snapshot().totals;
        assert_eq!(
            totals.closed.values().sum::<u64>(),
            removed as u64 + replaced(&totals)
        );
        assert_eq!(census.alive(), totals.open, "each is dropped once");
    }
    assert!(removed > 0, "nothing was cleaned up");
    assert_conserved(&manager);
}

#[test]
fn an_idle_connection_that_is_leased_while_it_is_judged_is_left_alone() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let id = add(&manager, "a", &census);
    let mut held = None;
    let removed = manager.retain(|key, conn| {
        assert!(conn.is_idle(), "as it was when it was looked at");
        held = manager.try_acquire(key);
        false
    });
    let held = held.expect("no lock is held while it is judged");
    assert_eq!((removed, held.id()), (0, id));
    assert_eq!(held.status().phase, ConnPhase::Ready);
    drop(held);
    assert_eq!(manager.retain(|_, _| false), 1);
    assert_eq!(census.alive(), 0);
}

fn replaced(totals: &Totals) -> u64 {
    totals.closed.get("replaced").copied().unwrap_or(0)
}
