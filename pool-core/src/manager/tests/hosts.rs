//! Hosts: looked up, forgotten, closed, and outlived.

use super::*;

#[test]
fn a_connection_is_found_by_its_target_and_its_key() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let id = add(&manager, "a", &census);
    add(&manager, "b", &census);
    let found = manager.by_target(target(1));
    assert_eq!(found.len(), 2, "one address, two hosts, two connections");
    assert!(
        found
            .iter()
            .any(|conn| conn.id() == id && conn.host().key() == &key("a"))
    );
    assert!(manager.by_target(target(2)).is_empty());
}

#[test]
fn a_rejected_connection_is_given_back() {
    let limits = Limits {
        per_host: 1,
        total: 2,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    let try_add = |name, at| {
        let conn = NewConn::exclusive(target(at), census.born());
        manager
            .add(&key(name), conn)
            .map_err(|rejected| rejected.reason)
    };
    assert!(try_add("a", 1).is_ok());
    assert_eq!(try_add("a", 2), Err(RejectReason::PerHost(1)));
    assert!(try_add("b", 1).is_ok());
    assert_eq!(try_add("c", 1), Err(RejectReason::Total(2)));
    assert_eq!(census.alive(), 2);
    assert_eq!(manager.permits_in_use(), (2, 0));
    manager.close();
    assert_eq!(try_add("a", 1), Err(RejectReason::Closed));
    assert_eq!((census.alive(), manager.permits_in_use()), (0, (0, 0)));
}

#[test]
fn empty_hosts_are_forgotten_and_their_counts_kept() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    for host in 0..10_000 {
        manager.host(&key(&format!("host-{host}")));
    }
    add(&manager, "kept", &census);
    drop(manager.try_acquire(&key("kept")));
    assert_eq!(manager.forget_empty_hosts(100), 9_901);
    assert_eq!(manager.hosts().len(), 100);
    assert_eq!(manager.forget_empty_hosts(0), 99);
    assert_eq!(manager.hosts()[0].key(), &key("kept"));
    assert_eq!(manager.snapshot().totals.acquired, 1);
}

#[test]
fn any_number_of_new_hosts_leaves_a_bounded_number() {
    let limits = Limits {
        hosts: 80,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    add(&manager, "kept", &census);
    for host in 0..2_000 {
        manager.host(&key(&format!("host-{host}")));
        assert!(manager.hosts().len() <= 91);
    }
    assert!(manager.try_acquire(&key("kept")).is_some());
}

#[test]
fn hosts_in_use_are_kept_above_the_limit_and_newcomers_are_served() {
    let limits = Limits {
        hosts: 1,
        ..Limits::default()
    };
    let (manager, census) = (Manager::new(&limits), Census::default());
    for host in 0..20 {
        add(&manager, &format!("host-{host}"), &census);
    }
    assert_eq!(manager.hosts().len(), 20);
    manager.close();
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_forgotten_host_keeps_its_counts_once() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    add(&manager, "a", &census);
    let mut held = manager.try_acquire(&key("a")).unwrap();
    held.discard(CloseReason::Removed);
    drop(held);
    for _ in 0..3 {
        manager.forget_empty_hosts(0);
    }
    let totals = manager.snapshot().totals;
    assert_eq!((totals.acquired, totals.released, totals.opened), (1, 1, 1));
    assert_eq!(totals.closed["removed"], 1);
}

#[test]
fn whoever_holds_a_forgotten_host_finds_its_successor() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let held = manager.host(&key("a"));
    assert_eq!(manager.forget_empty_hosts(0), 1);
    let mut waiter = spawn(held.acquire());
    assert_pending!(waiter.poll());
    add(&manager, "a", &census);
    assert!(waiter.is_woken());
    drop(lease(&mut waiter));
    assert_eq!(manager.hosts().len(), 1);
}

#[test]
fn closing_refuses_waiters_and_newcomers_and_lets_leases_finish() {
    let (manager, fake) = driven(Limits {
        per_host: 1,
        ..Limits::default()
    });
    let mut owner = ask(&manager, "a");
    assert_pending!(owner.poll());
    fake.connect_all();
    let held = lease(&mut owner);
    let mut waiter = ask(&manager, "a");
    assert_pending!(waiter.poll());
    manager.close();
    manager.close();
    assert_eq!(kind(&mut waiter), ErrorKind::Closed);
    assert_eq!(kind(&mut ask(&manager, "a")), ErrorKind::Closed);
    assert_eq!(kind(&mut ask(&manager, "new")), ErrorKind::Closed);
    assert_eq!(fake.census.alive(), 1);
    drop(held);
    assert_eq!(fake.census.alive(), 0);
    assert_eq!(manager.permits_in_use(), (0, 0));
    assert_conserved(&manager);
}

#[test]
fn a_dial_that_ends_after_the_close_leaves_nothing() {
    let (manager, fake) = driven(Limits::default());
    let mut waiter = ask(&manager, "a");
    assert_pending!(waiter.poll());
    let ticket = fake.next().unwrap();
    manager.close();
    ticket.succeed(fake.census.born(), 1, false);
    assert_eq!(fake.census.alive(), 0);
    assert_eq!(manager.permits_in_use(), (0, 0));
    assert_eq!(fake.closes()[0].1, CloseReason::PoolClosed);
}

#[test]
fn nothing_outlives_the_last_handle() {
    let (manager, fake) = driven(Limits {
        total: 2,
        ..Limits::default()
    });
    let other = manager.clone();
    let mut askers = [ask(&manager, "a"), ask(&manager, "b"), ask(&manager, "c")];
    for asker in &mut askers {
        assert_pending!(asker.poll());
    }
    fake.connect_all();
    let held = lease(&mut askers[0]);
    drop(lease(&mut askers[1]));
    fake.connect_all();
    drop(manager);
    let mut waiter = ask(&other, "a");
    assert_pending!(waiter.poll());
    drop(other);
    assert_eq!(kind(&mut waiter), ErrorKind::Closed);
    assert!(fake.next().is_none());
    drop((askers, waiter));
    assert_eq!(fake.census.alive(), 1, "the leased one");
    // A lease outlives the manager, and ends on any thread.
    std::thread::spawn(move || drop(held)).join().unwrap();
    assert_eq!(fake.census.alive(), 0);
    fake.timers.lock().unwrap().clear();
    assert_eq!(StdArc::strong_count(&fake), 1, "what hosts share is gone");
}

#[test]
fn a_host_handle_that_outlives_the_manager_does_not_revive_it() {
    let (manager, fake) = driven(Limits::default());
    let held = manager.host(&key("a"));
    manager.forget_empty_hosts(0);
    drop(manager);
    let mut waiter = spawn(held.acquire());
    assert_eq!(kind(&mut waiter), ErrorKind::Closed);
    drop((waiter, held));
    assert_eq!(StdArc::strong_count(&fake), 1);
}

#[test]
fn a_lease_on_a_connection_that_is_gone_still_counts_back() {
    let (manager, fake) = driven(Limits::default());
    let mut asker = ask(&manager, "a");
    assert_pending!(asker.poll());
    let ticket = fake.next().unwrap();
    let registered = ticket.succeed(fake.census.born(), 1, false).unwrap();
    let held = lease(&mut asker);
    registered.closed(CloseReason::PeerClosed);
    assert_eq!(manager.forget_empty_hosts(0), 0, "a lease is out");
    assert_eq!(manager.snapshot().totals.leased, 1);
    drop(held);
    assert_eq!(manager.forget_empty_hosts(0), 1);
    assert_conserved(&manager);
    assert_eq!(manager.snapshot().totals.leased, 0);
}
