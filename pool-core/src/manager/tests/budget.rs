//! Limits that span hosts: who starves, who gives up, and that no permit is lost.

use super::super::host::Host;
use super::*;

fn total(total: usize) -> Limits {
    Limits {
        total,
        ..Limits::default()
    }
}

/// Acquires for `name` with a connection of its own, which goes idle.
fn warm(manager: &Manager, fake: &Fake, name: &str) {
    let mut asker = ask(manager, name);
    assert_pending!(asker.poll());
    fake.connect_all();
    drop(lease(&mut asker));
}

#[test]
fn two_hosts_that_are_always_busy_share_a_single_connection() {
    let (manager, fake) = driven(total(1));
    let names = ["a", "b"];
    let mut askers: Vec<(usize, Asker)> = (0..6)
        .map(|at| (at % 2, ask(&manager, names[at % 2])))
        .collect();
    let (mut served, mut in_a_row, mut last) = ([0_usize; 2], 0, usize::MAX);
    while served.iter().sum::<usize>() < 1_000 {
        fake.connect_all();
        for (host, asker) in &mut askers {
            if let std::task::Poll::Ready(lease) = asker.poll() {
                drop(lease.expect("it is granted"));
                served[*host] += 1;
                in_a_row = if last == *host { in_a_row + 1 } else { 1 };
                last = *host;
                let turn = Limits::default().fair_turn;
                assert!(in_a_row <= turn + 2, "{in_a_row} in a row");
                *asker = ask(&manager, names[*host]);
            }
        }
    }
    assert!(served[0].abs_diff(served[1]) <= 20, "{served:?}");
    drop(askers);
    manager.close();
    fake.connect_all();
    assert_eq!(manager.permits_in_use(), (0, 0));
}

#[test]
fn a_host_alone_under_the_total_limit_keeps_its_connection() {
    let (manager, fake) = driven(total(1));
    let mut owner = ask(&manager, "a");
    assert_pending!(owner.poll());
    fake.connect_all();
    let mut held = lease(&mut owner);
    let id = held.id();
    for _ in 0..50 {
        let mut next = ask(&manager, "a");
        assert_pending!(next.poll());
        drop(held);
        held = lease(&mut next);
        assert_eq!(held.id(), id, "nobody else wants it");
    }
    drop(held);
    assert_eq!(fake.closes(), []);
}

#[test]
fn those_who_wait_for_dials_alone_cost_nobody_a_connection() {
    let limits = Limits {
        dials_total: 1,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    warm(&manager, &fake, "warm");
    let (mut slow, mut starving) = (ask(&manager, "slow"), ask(&manager, "starving"));
    assert_pending!(slow.poll());
    assert_pending!(starving.poll());
    for _ in 0..20 {
        drop(manager.try_acquire(&key("warm")).expect("it stays warm"));
    }
    assert_eq!(fake.closes(), []);
    fake.connect_all();
    drop(lease(&mut starving));
}

#[test]
fn a_connection_that_comes_back_is_closed_for_a_host_that_starves() {
    let (manager, fake) = driven(total(1));
    let mut owner = ask(&manager, "a");
    assert_pending!(owner.poll());
    fake.connect_all();
    let held = lease(&mut owner);
    let mut starving = ask(&manager, "b");
    assert_pending!(starving.poll());
    assert!(fake.next().is_none());
    drop(held);
    fake.connect_all();
    drop(lease(&mut starving));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_of_another_host_is_reclaimed_when_it_is_old_enough() {
    let (manager, fake) = driven(total(1));
    warm(&manager, &fake, "idle");
    let mut starving = ask(&manager, "starving");
    assert_pending!(starving.poll());
    assert!(
        fake.next().is_none() && fake.closes().is_empty(),
        "too young"
    );
    tokio::time::advance(Limits::default().min_reclaim_idle).await;
    fake.tick();
    assert_eq!(fake.closes()[0].1, CloseReason::Reclaimed);
    fake.connect_all();
    drop(lease(&mut starving));
    assert_eq!(manager.permits_in_use(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reclaimed_for_a_host_whose_waiters_left() {
    let (manager, fake) = driven(total(1));
    warm(&manager, &fake, "idle");
    let mut starving = ask(&manager, "starving");
    assert_pending!(starving.poll());
    drop(starving);
    tokio::time::advance(Limits::default().min_reclaim_idle).await;
    fake.tick();
    assert_eq!(fake.closes(), []);
}

#[tokio::test(start_paused = true)]
async fn a_host_behind_another_in_the_ring_looks_again() {
    let (manager, fake) = driven(total(2));
    warm(&manager, &fake, "x");
    warm(&manager, &fake, "y");
    let mut starving = [ask(&manager, "a"), ask(&manager, "b")];
    for asker in &mut starving {
        assert_pending!(asker.poll());
    }
    for _ in 0..3 {
        tokio::time::advance(Limits::default().min_reclaim_idle).await;
        fake.tick();
    }
    fake.connect_all();
    let [mut a, mut b] = starving;
    let held = (lease(&mut a), lease(&mut b));
    assert_eq!(fake.closes().len(), 2);
    drop(held);
}

#[test]
fn a_useless_idle_connection_of_its_own_makes_room_for_a_host_that_starves() {
    let (manager, fake) = driven(total(1));
    warm(&manager, &fake, "a");
    let host = manager.host(&key("a"));
    let busy = manager.by_target(target(1)).len();
    let (bad, good) = if busy == 1 { (1, 2) } else { (2, 1) };
    Host::event(&host.0, |state, at, out| {
        state.judge_endpoint(target(bad), Standing::Ejected(None), at, out);
    });
    let mut asker = ask(&manager, "a");
    assert_pending!(asker.poll());
    let ticket = fake.next().expect("the other address is dialled");
    assert_eq!(ticket.target(), target(good));
    ticket.succeed(fake.census.born(), 1, false);
    drop(lease(&mut asker));
}

#[tokio::test(start_paused = true)]
async fn a_replacement_uses_the_permit_of_what_it_replaces() {
    let limits = Limits {
        per_host: 1,
        // So that only the total stands in the way.
        per_site: Some(usize::MAX),
        ..total(2)
    };
    let (manager, fake) = driven(limits);
    warm(&manager, &fake, "bystander");
    tokio::time::advance(Duration::from_secs(60)).await;
    let mut owner = ask(&manager, "a");
    assert_pending!(owner.poll());
    fake.connect_all();
    let mut held = lease(&mut owner);
    let mut next = ask(&manager, "a");
    assert_pending!(next.poll());
    let id = held.id();
    held.discard(CloseReason::Error);
    drop(held);
    fake.connect_all();
    drop(lease(&mut next));
    let closes = fake.closes();
    assert_eq!(closes, [(id, CloseReason::Error)], "and not the bystander");
}

#[test]
fn waiters_that_leave_the_ring_leave_no_dial_behind() {
    let (manager, fake) = driven(total(1));
    let mut owner = ask(&manager, "a");
    assert_pending!(owner.poll());
    fake.connect_all();
    let held = lease(&mut owner);
    let mut gone: Vec<Asker> = (0..3).map(|_| ask(&manager, "b")).collect();
    for asker in &mut gone {
        assert_pending!(asker.poll());
    }
    drop(gone);
    drop(held);
    let mut late = ask(&manager, "b");
    assert_pending!(late.poll());
    drop(manager.try_acquire(&key("a")));
    fake.connect_all();
    drop(lease(&mut late));
    assert_conserved(&manager);
}

#[test]
fn raising_the_total_serves_those_who_starve() {
    let (manager, fake) = driven(total(1));
    let mut askers = [ask(&manager, "a"), ask(&manager, "b")];
    for asker in &mut askers {
        assert_pending!(asker.poll());
    }
    fake.connect_all();
    let held = lease(&mut askers[0]);
    assert!(fake.next().is_none());
    let config = Config {
        limits: total(2),
        ..Config::default()
    };
    manager.set_limits(&config);
    fake.connect_all();
    drop((held, lease(&mut askers[1])));
}

#[test]
fn upkeep_does_not_dial_before_those_who_starve() {
    let (manager, fake) = driven(total(1));
    let host = manager.host(&key("a"));
    host.set_addresses(&[target(1)]);
    let ticket = host.dial(target(1), None).unwrap();
    let mut starving = ask(&manager, "b");
    assert_pending!(starving.poll());
    assert!(host.dial(target(1), None).is_none());
    ticket.abandon();
    assert!(host.dial(target(1), None).is_none(), "the permit went on");
    fake.connect_all();
    drop(lease(&mut starving));
}

#[test]
fn a_permit_returns_when_the_socket_lets_go_of_it() {
    let (manager, fake) = driven(total(1));
    let mut asker = ask(&manager, "a");
    assert_pending!(asker.poll());
    let mut ticket = fake.next().unwrap();
    let socket = ticket.take_permit().unwrap();
    assert!(ticket.take_permit().is_none());
    assert_eq!(manager.permits_in_use(), (1, 1));
    ticket.succeed(fake.census.born(), 1, false);
    lease(&mut asker).discard(CloseReason::Error);
    assert_eq!(
        manager.permits_in_use(),
        (1, 0),
        "its socket is still there"
    );
    drop(socket);
    assert_eq!(manager.permits_in_use(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_waited_for_a_dial_then_for_a_connection_reclaims_one() {
    let limits = Limits {
        dials_total: 1,
        ..total(2)
    };
    let (manager, fake) = driven(limits);
    let mut owner = ask(&manager, "owner");
    assert_pending!(owner.poll());
    let mut starving = ask(&manager, "starving");
    assert_pending!(starving.poll());
    add(&manager, "idle", &fake.census);
    fake.connect_all();
    let held = lease(&mut owner);
    assert_pending!(starving.poll());
    tokio::time::advance(Limits::default().min_reclaim_idle).await;
    fake.tick();
    fake.connect_all();
    drop((lease(&mut starving), held));
}

#[tokio::test(start_paused = true)]
async fn one_idle_connection_among_many_hosts_is_found() {
    let (manager, fake) = driven(total(1));
    for host in 0..5_000 {
        manager.host(&key(&format!("host-{host}")));
    }
    warm(&manager, &fake, "host-4321");
    tokio::time::advance(Limits::default().min_reclaim_idle).await;
    let mut starving = ask(&manager, "starving");
    assert_pending!(starving.poll());
    fake.connect_all();
    drop(lease(&mut starving));
}

#[test]
fn whoever_parks_one_idle_connection_too_many_over_all_hosts_closes_one() {
    let limits = Limits {
        idle_total: 1,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    warm(&manager, &fake, "a");
    assert_eq!(fake.closes(), []);
    warm(&manager, &fake, "b");
    let reasons: Vec<CloseReason> = fake.closes().iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [CloseReason::Surplus]);
    assert!(manager.try_acquire(&key("a")).is_some(), "its own it was");
    assert_conserved(&manager);
}

#[test]
fn everybody_who_waits_at_a_host_in_the_ring_is_served() {
    let (manager, fake) = driven(total(1));
    let mut owner = ask(&manager, "a");
    assert_pending!(owner.poll());
    fake.connect_all();
    let held = lease(&mut owner);
    let mut askers = [ask(&manager, "b"), ask(&manager, "b")];
    for asker in &mut askers {
        assert_pending!(asker.poll());
    }
    let config = Config {
        limits: total(3),
        ..Config::default()
    };
    manager.set_limits(&config);
    fake.connect_all();
    let leases = askers.each_mut().map(lease);
    assert_eq!(manager.permits_in_use(), (3, 0));
    drop((leases, held));
}

#[test]
fn permits_that_a_host_in_the_ring_needs_no_more_are_put_back() {
    let limits = Limits {
        dials_total: 1,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    let (mut slow, mut served) = (ask(&manager, "slow"), ask(&manager, "served"));
    assert_pending!(slow.poll());
    assert_pending!(served.poll());
    add(&manager, "served", &fake.census);
    let held = lease(&mut served);
    fake.connect_all();
    drop(lease(&mut slow));
    assert_eq!(manager.permits_in_use(), (2, 0));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_time_to_reclaim_is_in_force_at_once() {
    let (manager, fake) = driven(total(1));
    warm(&manager, &fake, "a");
    let mut starving = ask(&manager, "b");
    assert_pending!(starving.poll());
    assert!(fake.next().is_none(), "it was used just now");
    let limits = Limits {
        min_reclaim_idle: Duration::ZERO,
        ..total(1)
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    manager.set_limits(&config);
    fake.connect_all();
    drop(lease(&mut starving));
}

/// Hosts that are always asked, more of them than there may be connections.
#[test]
fn no_host_waits_for_more_than_its_share_of_grants_to_others() {
    const HOSTS: usize = 5;
    let limits = Limits {
        total: 2,
        fair_turn: 2,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    let names: Vec<String> = (0..HOSTS).map(|host| format!("host-{host}")).collect();
    let mut askers: Vec<(usize, Asker)> = (0..HOSTS * 3)
        .map(|at| (at % HOSTS, ask(&manager, &names[at % HOSTS])))
        .collect();
    let (mut waited, mut longest) = ([0; HOSTS], 0);
    for _ in 0..500 {
        fake.connect_all();
        for (host, asker) in &mut askers {
            if let std::task::Poll::Ready(lease) = asker.poll() {
                drop(lease.expect("it is granted"));
                for (other, waited) in waited.iter_mut().enumerate() {
                    *waited = if other == *host { 0 } else { *waited + 1 };
                    longest = longest.max(*waited);
                }
                *asker = ask(&manager, &names[*host]);
            }
        }
    }
    // Each of those before it has its turn, with the claim that ends it, on each of two connections.
    let most = (HOSTS - 1) * (2 + 2) * 2;
    assert!(
        longest <= most,
        "I5: {longest} others were served before it"
    );
    drop(askers);
    manager.close();
    fake.connect_all();
    assert_eq!(manager.permits_in_use(), (0, 0));
}
