//! Several hosts under one budget, and hosts that come and go.

use super::*;

fn total(total: usize) -> Limits {
    Limits {
        total,
        fair_turn: 1,
        // No timer ticks here: those who starve must be seen by those who park.
        min_reclaim_idle: Duration::ZERO,
        ..Limits::default()
    }
}

/// A host with the only connection there may be, leased.
fn owner(limits: Limits) -> (Manager, StdArc<Fake>, HostHandle<()>, Lease<()>) {
    let (manager, fake) = driven(limits);
    let host = manager.host(&key("a"));
    let mut owner = Asker::queued(&host);
    fake.connect_all();
    let held = owner.outcome().unwrap();
    (manager, fake, host, held)
}

#[test]
fn loom_a_turn_that_ends_beside_an_acquire_elsewhere_serves_both() {
    loom::model(|| {
        let (manager, fake, busy, held) = owner(total(1));
        let mut next = Asker::queued(&busy);
        let starving = manager.host(&key("b"));
        let release = thread::spawn(move || drop(held));
        let mut asker = Asker::queued(&starving);
        release.join().unwrap();
        // Whoever is served first gives back, and the other is served.
        for _ in 0..3 {
            fake.connect_all();
            for waiting in [&mut next, &mut asker] {
                if waiting.future.is_some()
                    && let Poll::Ready(lease) = waiting.poll()
                {
                    drop(lease.unwrap());
                    waiting.cancel();
                }
            }
        }
        assert!(
            next.future.is_none() && asker.future.is_none(),
            "nobody serves it"
        );
    });
}

#[test]
fn loom_a_claim_beside_a_host_that_begins_to_starve_does_not_strand_it() {
    loom::model(|| {
        let (manager, fake, busy, held) = owner(total(1));
        drop(held);
        let starving = manager.host(&key("b"));
        let claim = thread::spawn(move || drop(busy.try_acquire()));
        let mut asker = Asker::queued(&starving);
        claim.join().unwrap();
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}

/// One host dials once more for throughput while another begins to starve. `per_host` says whether it may.
fn spread_beside_a_starving_host(per_host: usize) {
    let limits = Limits {
        per_host,
        // The host has the last word, not the budget.
        per_site: Some(usize::MAX),
        ..total(2)
    };
    let (manager, fake) = driven(limits);
    let busy = manager.host(&key("a"));
    busy.set_addresses(&[target()]);
    let conn = NewConn::multiplexed(target(), (), 9);
    let _added = manager.add(&key("a"), conn).unwrap();
    let held = leased(&busy);
    let starving = manager.host(&key("b"));
    let spread = thread::spawn(move || Host::spread(&busy.0));
    let mut asker = Asker::queued(&starving);
    spread.join().unwrap();
    while let Some(ticket) = fake.next() {
        if ticket.spreads() {
            ticket.abandon();
        } else {
            ticket.succeed((), 1, false);
        }
    }
    drop(asker.outcome().unwrap());
    drop(held);
}

#[test]
fn loom_one_connection_more_beside_a_host_that_begins_to_starve_does_not_strand_it() {
    loom::model(|| spread_beside_a_starving_host(2));
}

#[test]
fn loom_one_connection_more_that_may_not_be_gives_its_permits_to_whoever_starves() {
    loom::model(|| spread_beside_a_starving_host(1));
}

#[test]
fn loom_two_hosts_that_begin_to_starve_are_both_served() {
    loom::model(|| {
        let (manager, fake, _busy, held) = owner(total(1));
        let (first, second) = (manager.host(&key("b")), manager.host(&key("c")));
        let other = thread::spawn(move || Asker::queued(&first));
        let mut here = Asker::queued(&second);
        let mut there = other.join().unwrap();
        drop(held);
        for _ in 0..3 {
            fake.connect_all();
            for waiting in [&mut here, &mut there] {
                if waiting.future.is_some()
                    && let Poll::Ready(lease) = waiting.poll()
                {
                    drop(lease.unwrap());
                    waiting.cancel();
                }
            }
        }
        assert!(
            here.future.is_none() && there.future.is_none(),
            "nobody serves it"
        );
    });
}

#[test]
fn loom_a_dial_that_succeeds_beside_a_cancelled_waiter_keeps_its_connection() {
    loom::model(|| {
        let (manager, fake) = driven(Limits::default());
        let host = manager.host(&key("a"));
        let mut asker = Asker::queued(&host);
        let ticket = fake.next().unwrap();
        let dial = thread::spawn(move || drop(ticket.succeed((), 1, false)));
        asker.cancel();
        dial.join().unwrap();
        assert_eq!(manager.permits_in_use(), (1, 0));
        assert!(host.try_acquire().is_some(), "it is idle");
    });
}

#[test]
fn loom_an_acquire_beside_the_forgetting_of_its_host_is_served_by_the_next() {
    loom::model(|| {
        let manager = Manager::new(&Limits::default());
        let host = manager.host(&key("a"));
        let other = manager.clone();
        let forget = thread::spawn(move || other.forget_empty_hosts(0));
        let mut asker = Asker::new(&host);
        assert!(asker.poll().is_pending());
        forget.join().unwrap();
        let _added = manager
            .add(&key("a"), NewConn::exclusive(target(), ()))
            .unwrap();
        drop(asker.outcome().unwrap());
    });
}

#[test]
fn loom_an_add_beside_an_add_at_the_limit_has_one_winner() {
    loom::model(|| {
        let manager = Manager::new(&total(1));
        let other = manager.clone();
        let conn = || NewConn::exclusive(target(), ());
        let add = thread::spawn(move || other.add(&key("b"), conn()).is_ok());
        let here = manager.add(&key("a"), conn()).is_ok();
        assert!(add.join().unwrap() ^ here, "one permit, one connection");
        assert_eq!(manager.permits_in_use(), (1, 0));
    });
}

#[test]
fn loom_an_add_beside_a_close_leaves_nothing() {
    loom::model(|| {
        let (manager, _host) = stocked(0);
        let other = manager.clone();
        let close = thread::spawn(move || other.close());
        drop(manager.add(&key("a"), NewConn::exclusive(target(), ())));
        close.join().unwrap();
        assert_eq!(manager.permits_in_use(), (0, 0));
        assert!(manager.try_acquire(&key("a")).is_none());
    });
}
