//! Waiting for a connection, and being woken for it.

use std::pin::Pin;

use super::*;

#[test]
fn one_release_wakes_one_of_eight_waiters_and_makes_one_owner() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    add(&manager, "a", &census);
    let held = manager.try_acquire(&key("a")).unwrap();
    let mut waiters: Vec<Asker> = (0..8).map(|_| ask(&manager, "a")).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    drop(held);
    let woken: Vec<bool> = waiters.iter().map(Asker::is_woken).collect();
    assert_eq!(woken.iter().filter(|&&woken| woken).count(), 1);
    assert!(woken[0], "the one that has waited longest");
    let owner = lease(&mut waiters[0]);
    assert!(manager.try_acquire(&key("a")).is_none());
    for waiter in &mut waiters[1..] {
        assert_pending!(waiter.poll());
    }
    drop(owner);
    assert!(waiters[1].is_woken());
}

#[test]
fn cancelling_a_waiter_frees_its_place() {
    let limits = Limits {
        waiters_total: 1,
        ..Limits::default()
    };
    let manager = Manager::new(&limits);
    let mut first = ask(&manager, "a");
    assert_pending!(first.poll());
    assert_eq!(kind(&mut ask(&manager, "b")), ErrorKind::Saturated);
    drop(first);
    assert_pending!(ask(&manager, "b").poll());
    let totals = manager.snapshot().totals;
    assert_eq!((totals.waiting, totals.cancelled), (0, 2));
}

#[test]
fn a_full_queue_of_one_host_refuses() {
    let limits = Limits {
        waiters_per_host: 1,
        ..Limits::default()
    };
    let manager = Manager::new(&limits);
    let mut first = ask(&manager, "a");
    assert_pending!(first.poll());
    assert_eq!(kind(&mut ask(&manager, "a")), ErrorKind::Saturated);
    let mut other = ask(&manager, "b");
    assert_pending!(other.poll());
    assert_eq!(
        manager.shared.budget.waiting(),
        2,
        "the refused one left no trace"
    );
}

#[test]
fn a_grant_to_a_cancelled_waiter_goes_to_the_next() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    add(&manager, "a", &census);
    let held = manager.try_acquire(&key("a")).unwrap();
    let (mut gone, mut next) = (ask(&manager, "a"), ask(&manager, "a"));
    assert_pending!(gone.poll());
    assert_pending!(next.poll());
    drop(held);
    assert!(gone.is_woken() && !next.is_woken());
    drop(gone);
    assert!(next.is_woken());
    drop(lease(&mut next));
    assert_conserved(&manager);
}

#[test]
fn an_outcome_waits_for_whoever_it_is_for() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    add(&manager, "a", &census);
    let held = manager.try_acquire(&key("a")).unwrap();
    let mut served = ask(&manager, "a");
    assert_pending!(served.poll());
    drop(held);
    assert!(served.is_woken());

    // Before the outcome is collected, others come and go.
    drop(ask(&manager, "a"));
    let mut next = ask(&manager, "a");
    assert_pending!(next.poll());
    let mut third = ask(&manager, "a");
    assert_pending!(third.poll());
    let owner = lease(&mut served);
    assert_pending!(next.poll());
    drop(owner);
    assert!(next.is_woken() && !third.is_woken());
    drop(lease(&mut next));
    drop(lease(&mut third));
    assert_conserved(&manager);
}

#[test]
fn a_waiter_is_woken_by_the_waker_of_its_last_poll() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let mut moved = manager.acquire(&key("a"));
    let mut first = spawn(async {});
    first.enter(|cx, _| assert_pending!(Pin::new(&mut moved).poll(cx)));
    let mut second = spawn(async {});
    second.enter(|cx, _| assert_pending!(Pin::new(&mut moved).poll(cx)));
    add(&manager, "a", &census);
    assert!(second.is_woken() && !first.is_woken());
}

#[test]
fn the_error_of_the_dial_reaches_everyone_it_was_to_serve() {
    let (manager, fake) = driven(Limits::default());
    let https = Key::new(Scheme::Https, "a", 443);
    let mut waiters: Vec<Asker> = (0..8).map(|_| spawn(manager.acquire(&https))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    for _ in 0..2 {
        let ticket = fake.next().unwrap();
        ticket.fail(Error::new(ErrorKind::Refused));
    }
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
        assert_eq!(kind(waiter), ErrorKind::Refused);
    }
    assert!(fake.next().is_none());
    assert_conserved(&manager);
}

#[test]
fn a_dial_lost_with_its_runtime_tells_everyone_and_plans_nothing() {
    let (manager, fake) = driven(Limits::default());
    let mut waiters = [ask(&manager, "a"), ask(&manager, "a")];
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    let tickets = [fake.next().unwrap(), fake.next().unwrap()];
    drop(tickets);
    for waiter in &mut waiters {
        assert_eq!(kind(waiter), ErrorKind::RuntimeGone);
    }
    assert!(fake.next().is_none());
    assert_eq!(manager.permits_in_use(), (0, 0));
    let mut next = ask(&manager, "a");
    assert_pending!(next.poll());
    fake.connect_all();
    drop(lease(&mut next));
}

#[test]
fn a_late_waiter_gets_nothing() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let mut late = spawn(manager.host(&key("a")).acquire_until(now()));
    assert_pending!(late.poll());
    let id = add(&manager, "a", &census);
    assert_eq!(kind(&mut late), ErrorKind::Timeout(crate::Phase::Acquire));
    assert_eq!(manager.try_acquire(&key("a")).unwrap().id(), id);
}

#[test]
fn whoever_got_a_dead_connection_goes_before_the_others() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let mut second = ask(&manager, "a");
    assert_pending!(second.poll());
    let mut first = spawn(manager.acquire(&key("a")).at_the_front());
    assert_pending!(first.poll());
    add(&manager, "a", &census);
    assert!(first.is_woken() && !second.is_woken());
}

#[test]
fn a_manager_without_a_network_waits_for_what_is_added_whatever_addresses_it_is_told() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let mut waiter = ask(&manager, "a");
    assert_pending!(waiter.poll());
    manager.host(&key("a")).set_addresses(&[target(1)]);
    assert_pending!(waiter.poll());
    add(&manager, "a", &census);
    drop(lease(&mut waiter));
}

/// The waker of an executor whose tasks hold leases: the last one to go takes the host's lock.
struct Nosy(HostHandle<Held>);

impl std::task::Wake for Nosy {
    fn wake(self: StdArc<Self>) {}
}

impl Drop for Nosy {
    fn drop(&mut self) {
        assert!(self.0.try_acquire().is_none());
    }
}

/// An error of a resolver, dropped with the same effect.
#[derive(Debug)]
struct NosyError(HostHandle<Held>);

impl fmt::Display for NosyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nosy")
    }
}

impl std::error::Error for NosyError {}

impl Drop for NosyError {
    fn drop(&mut self) {
        assert!(self.0.try_acquire().is_none());
    }
}

#[test]
fn wakers_and_errors_are_dropped_outside_the_lock() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (manager, _fake) = driven(Limits::default());
        let host = manager.host(&key("a"));
        let nosy = || std::task::Waker::from(StdArc::new(Nosy(host.clone())));
        let poll = |waiter: &mut Acquire<Held>, waker: &std::task::Waker| {
            let mut cx = std::task::Context::from_waker(waker);
            Pin::new(waiter).poll(&mut cx).is_ready()
        };
        // Replaced, cancelled, and answered.
        let mut waiter = host.acquire();
        assert!(!poll(&mut waiter, &nosy()));
        assert!(!poll(&mut waiter, &nosy()));
        drop(waiter);
        let failed = || Error::new(ErrorKind::Resolve).with_source(NosyError(host.clone()));
        host.lookup_failed(failed());
        host.lookup_failed(failed());
        done.send(()).expect("the test listens");
        // The last error keeps the host, and the host the error.
        host.lookup_failed(Error::new(ErrorKind::Resolve));
    });
    let in_time = ended.recv_timeout(Duration::from_secs(20));
    assert_eq!(in_time, Ok(()), "a lock was taken twice");
}
