//! Waiting for a connection, and being woken for it.

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
fn a_waiter_is_woken_by_the_waker_of_its_last_poll() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let mut moved = manager.acquire(&key("a"));
    let mut first = spawn(async {});
    first.enter(|cx, _| assert_pending!(std::pin::Pin::new(&mut moved).poll(cx)));
    let mut second = spawn(async {});
    second.enter(|cx, _| assert_pending!(std::pin::Pin::new(&mut moved).poll(cx)));
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
