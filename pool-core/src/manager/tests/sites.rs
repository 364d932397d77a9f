//! Hosts that differ in their source class alone: together they are one site, with the limit of one host.

use super::*;
use crate::key::{Partition, SourceClass};

fn per_host(per_host: usize) -> Limits {
    Limits {
        per_host,
        min_reclaim_idle: Duration::ZERO,
        ..Limits::default()
    }
}

/// The key of requests to `name` that ask for this source; 0 asks for none.
fn from(name: &str, source: u8) -> Key {
    match source {
        0 => key(name),
        last => key(name).source(SourceClass::Exact([127, 0, 2, last].into())),
    }
}

fn ask_from(manager: &Manager, name: &str, source: u8) -> Asker {
    spawn(manager.acquire(&from(name, source)))
}

/// As [`ask_from`], begun: what it gets, it has.
fn begun(manager: &Manager, name: &str, source: u8) -> Asker {
    let mut asker = ask_from(manager, name, source);
    assert_pending!(asker.poll());
    asker
}

fn dialling(fake: &Fake) -> usize {
    fake.dials.lock().unwrap().len()
}

#[test]
fn many_sources_get_no_more_connections_than_one() {
    let (manager, fake) = driven(per_host(4));
    let mut askers: Vec<Asker> = (0..20).map(|source| begun(&manager, "a", source)).collect();
    assert_eq!(dialling(&fake), 4);
    let mut served = 0;
    while !askers.is_empty() {
        fake.connect_all();
        assert!(manager.permits_in_use().0 <= 4);
        let before = served;
        askers.retain_mut(|asker| match asker.poll() {
            std::task::Poll::Ready(lease) => {
                drop(lease.expect("it is granted"));
                served += 1;
                false
            }
            std::task::Poll::Pending => true,
        });
        // Whoever has a connection gives it up for one of another source that waits.
        assert!(served > before, "nobody is served any more");
    }
    assert_eq!(served, 20);
    assert_conserved(&manager);
}

#[test]
fn an_idle_connection_of_one_source_makes_room_for_another_source() {
    let (manager, fake) = driven(per_host(1));
    let mut first = begun(&manager, "a", 1);
    fake.connect_all();
    drop(lease(&mut first));
    assert_eq!(fake.closes(), []);
    let mut second = begun(&manager, "a", 2);
    fake.tick();
    let reasons: Vec<_> = fake
        .closes()
        .into_iter()
        .map(|(_, reason)| reason)
        .collect();
    assert_eq!(reasons, [CloseReason::Reclaimed]);
    fake.connect_all();
    drop(lease(&mut second));
    assert_eq!(manager.permits_in_use(), (1, 0));
}

#[test]
fn a_site_at_its_limit_is_in_nobody_elses_way() {
    let (manager, fake) = driven(per_host(1));
    let mut holder = begun(&manager, "a", 1);
    fake.connect_all();
    let held = lease(&mut holder);
    let mut waits = begun(&manager, "a", 2);
    // Another site is served, also with connections that nobody waits for, and keeps what it has.
    let mut other = begun(&manager, "b", 0);
    fake.connect_all();
    drop(lease(&mut other));
    assert_eq!(fake.closes(), []);
    let spare = manager.host(&key("c"));
    spare.set_addresses(&[target(1)]);
    assert!(spare.dial(target(1), None).is_some());
    assert_pending!(waits.poll());
    drop(held);
    fake.connect_all();
    drop(lease(&mut waits));
}

#[test]
fn partitions_are_sites_of_their_own() {
    let (manager, fake) = driven(per_host(1));
    let tenant = |name: &str| key("a").partition(Partition::named(name));
    let mut askers = [
        spawn(manager.acquire(&tenant("x"))),
        spawn(manager.acquire(&tenant("y"))),
    ];
    for asker in &mut askers {
        assert_pending!(asker.poll());
    }
    assert_eq!(dialling(&fake), 2);
}

#[test]
fn who_says_so_gets_as_many_for_each_source() {
    let (manager, fake) = driven(Limits {
        per_site: Some(usize::MAX),
        ..per_host(1)
    });
    let _askers: Vec<Asker> = (0..20).map(|source| begun(&manager, "a", source)).collect();
    assert_eq!(dialling(&fake), 20);
}

#[test]
fn a_lower_limit_closes_what_is_idle_over_all_sources() {
    let (manager, fake) = driven(per_host(6));
    let mut askers: Vec<Asker> = (0..6).map(|source| begun(&manager, "a", source)).collect();
    fake.connect_all();
    askers.iter_mut().for_each(|asker| drop(lease(asker)));
    assert_eq!(manager.permits_in_use(), (6, 0));
    manager.set_limits(&Config {
        limits: per_host(2),
        ..Config::default()
    });
    assert_eq!(manager.permits_in_use(), (2, 0));
    assert_eq!(fake.closes().len(), 4);
}

#[test]
fn busy_connections_of_all_sources_above_a_lower_limit_close_when_they_come_back() {
    let (manager, fake) = driven(per_host(6));
    let mut askers: Vec<Asker> = (0..6).map(|source| begun(&manager, "a", source)).collect();
    fake.connect_all();
    let mut leases: Vec<_> = askers.iter_mut().map(lease).collect();
    manager.set_limits(&Config {
        limits: per_host(2),
        ..Config::default()
    });
    assert_eq!(manager.permits_in_use(), (6, 0));
    leases.clear();
    assert_eq!(manager.permits_in_use(), (2, 0));
    assert_eq!(fake.closes().len(), 4);
}

#[test]
fn two_sources_that_are_always_busy_share_a_single_connection() {
    let (manager, fake) = driven(per_host(1));
    let mut askers: Vec<(u8, Asker)> = (0..6)
        .map(|at| (at % 2, ask_from(&manager, "a", at % 2)))
        .collect();
    let mut served = [0_usize; 2];
    while served.iter().sum::<usize>() < 1_000 {
        fake.connect_all();
        for (source, asker) in &mut askers {
            if let std::task::Poll::Ready(lease) = asker.poll() {
                drop(lease.expect("it is granted"));
                served[usize::from(*source)] += 1;
                *asker = ask_from(&manager, "a", *source);
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
fn what_is_brought_counts_too() {
    let (manager, _fake) = driven(per_host(2));
    let census = Census::default();
    let bring = |source| {
        let conn = NewConn::exclusive(target(1), census.born());
        manager.add(&from("a", source), conn)
    };
    assert!(bring(1).is_ok() && bring(2).is_ok());
    let rejected = bring(3).expect_err("two are all");
    assert!(matches!(rejected.reason, RejectReason::PerHost(2)));
}
