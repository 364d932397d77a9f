//! Two hosts of one site under its limit.

use super::*;
use crate::key::SourceClass;

fn one_per_site() -> Limits {
    Limits {
        per_host: 1,
        fair_turn: 1,
        // No timer ticks here: those who starve must be seen by those who park.
        min_reclaim_idle: Duration::ZERO,
        ..Limits::default()
    }
}

/// A host with the only connection there may be, leased, and another of its site.
fn siblings() -> (
    Manager,
    StdArc<Fake>,
    HostHandle<()>,
    HostHandle<()>,
    Lease<()>,
) {
    let (manager, fake) = driven(one_per_site());
    let host = manager.host(&key("a"));
    let source = SourceClass::Exact([127, 0, 2, 1].into());
    let sibling = manager.host(&key("a").source(source));
    let mut owner = Asker::queued(&host);
    fake.connect_all();
    let held = owner.outcome().unwrap();
    (manager, fake, host, sibling, held)
}

#[test]
fn loom_a_release_beside_a_sibling_that_begins_to_starve_serves_it() {
    loom::model(|| {
        let (_manager, fake, _host, sibling, held) = siblings();
        let release = thread::spawn(move || drop(held));
        let mut asker = Asker::queued(&sibling);
        release.join().unwrap();
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}

#[test]
fn loom_a_claim_beside_a_sibling_that_begins_to_starve_does_not_strand_it() {
    loom::model(|| {
        let (_manager, fake, host, sibling, held) = siblings();
        drop(held);
        let claim = thread::spawn(move || drop(host.try_acquire()));
        let mut asker = Asker::queued(&sibling);
        claim.join().unwrap();
        fake.connect_all();
        drop(asker.outcome().unwrap());
    });
}

#[test]
fn loom_a_limit_raised_beside_a_sibling_that_begins_to_starve_serves_it() {
    loom::model(|| {
        let (manager, fake, _host, sibling, held) = siblings();
        let raised = Config {
            limits: Limits {
                per_site: Some(2),
                ..one_per_site()
            },
            ..Config::default()
        };
        let changed = manager.clone();
        let raise = thread::spawn(move || changed.set_limits(&raised));
        let mut asker = Asker::queued(&sibling);
        raise.join().unwrap();
        fake.connect_all();
        drop(asker.outcome().unwrap());
        drop(held);
    });
}
