//! One connection: who claims it, who waits for it, who takes it out.

use super::*;

/// The one connection of a host.
fn only(host: &HostHandle<()>) -> ConnHandle<()> {
    host.connections().pop().expect("there is one")
}

/// A host with one HTTP/2 connection of `streams` streams.
fn multiplexed(streams: usize) -> (Manager, HostHandle<()>) {
    let manager = Manager::new(&Limits::default());
    let conn = NewConn::multiplexed(target(), (), streams);
    let _added = manager.add(&key("a"), conn).unwrap();
    let host = manager.host(&key("a"));
    (manager, host)
}

/// Somebody who waits for this connection and no other.
fn pinned(conn: &ConnHandle<()>) -> Asker {
    Asker {
        future: Some(conn.acquire()),
        woken: StdArc::default(),
    }
}

#[test]
fn loom_an_acquire_a_cancel_and_a_grant_leave_nobody_out() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let held = leased(&host);
        let mut leaving = Asker::queued(&host);
        let release = thread::spawn(move || drop(held));
        let cancel = thread::spawn(move || leaving.cancel());
        let mut asker = Asker::new(&host);
        match asker.poll() {
            Poll::Ready(lease) => drop(lease.unwrap()),
            Poll::Pending => {
                release.join().unwrap();
                cancel.join().unwrap();
                drop(asker.outcome().unwrap());
                let totals = manager.snapshot().totals;
                assert_eq!((totals.leased, totals.waiting), (0, 0));
                return;
            }
        }
        release.join().unwrap();
        cancel.join().unwrap();
        let totals = manager.snapshot().totals;
        assert_eq!((totals.leased, totals.waiting, totals.idle), (0, 0, 1));
    });
}

#[test]
fn loom_a_stream_that_ends_beside_a_join_is_not_missed() {
    loom::model(|| {
        let (_manager, host) = multiplexed(2);
        let (first, second) = (leased(&host), leased(&host));
        let release = thread::spawn(move || drop(first));
        let mut asker = Asker::new(&host);
        let lease = match asker.poll() {
            Poll::Ready(lease) => {
                release.join().unwrap();
                lease
            }
            Poll::Pending => {
                release.join().unwrap();
                asker.outcome()
            }
        };
        assert_eq!(only(&host).status().in_flight, 2);
        drop((lease.unwrap(), second));
    });
}

#[test]
fn loom_a_goaway_beside_a_new_stream_lets_every_stream_finish() {
    loom::model(|| {
        let (manager, host) = multiplexed(2);
        let first = leased(&host);
        let conn = only(&host);
        let drain = thread::spawn(move || conn.remove());
        let second = host.try_acquire();
        assert!(drain.join().unwrap());
        assert!(host.try_acquire().is_none(), "no stream after a GOAWAY");
        drop(first);
        let left = usize::from(second.is_some());
        assert_eq!(manager.permits_in_use(), (left, 0));
        drop(second);
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_a_removal_beside_a_claim_of_the_same_connection_closes_it_once() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let other = conn.clone();
        let remove = thread::spawn(move || other.remove());
        let lease = conn.try_acquire();
        assert!(remove.join().unwrap(), "it was there");
        assert!(!conn.remove() && conn.try_acquire().is_none());
        assert_eq!(manager.permits_in_use().0, usize::from(lease.is_some()));
        drop(lease);
        assert_eq!(manager.permits_in_use(), (0, 0));
        assert_eq!(conn.status().phase, ConnPhase::Closed);
        assert_eq!(manager.snapshot().totals.closed["removed"], 1);
    });
}

#[test]
fn loom_a_removal_by_id_beside_another_has_one_winner() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let other = conn.clone();
        let remove = thread::spawn(move || other.remove());
        let here = manager.remove(conn.id());
        assert!(remove.join().unwrap() ^ here, "it is removed once");
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_a_check_that_passes_beside_a_drain_does_not_bring_the_connection_back() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let check = host.claim_for_check(conn.conn).expect("it is idle");
        let passed = thread::spawn(move || drop(check));
        assert!(conn.remove());
        passed.join().unwrap();
        assert!(host.try_acquire().is_none(), "handed out after its drain");
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_a_check_that_fails_beside_a_join_closes_what_nobody_gets() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let mut check = host.claim_for_check(conn.conn).expect("it is idle");
        let failed = thread::spawn(move || {
            check.discard(CloseReason::Unhealthy);
            drop(check);
        });
        let mut asker = Asker::new(&host);
        assert!(asker.poll().is_pending(), "handed out under a check");
        failed.join().unwrap();
        assert!(asker.poll().is_pending());
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_a_check_beside_a_claim_has_one_winner() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let other = host.clone();
        let name = conn.conn;
        let check = thread::spawn(move || other.claim_for_check(name));
        let lease = host.try_acquire();
        let check = check.join().unwrap();
        assert_ne!(check.is_some(), lease.is_some(), "two owners, or none");
        drop((check, lease));
        assert_eq!(manager.snapshot().totals.idle, 1);
    });
}

#[test]
fn loom_whoever_waits_for_one_connection_beside_its_release_gets_it() {
    loom::model(|| {
        let (_manager, host) = stocked(1);
        let conn = only(&host);
        let held = leased(&host);
        let release = thread::spawn(move || drop(held));
        let mut asker = pinned(&conn);
        let lease = match asker.poll() {
            Poll::Ready(lease) => lease,
            Poll::Pending => {
                release.join().unwrap();
                asker.outcome()
            }
        };
        assert_eq!(lease.unwrap().id(), conn.id());
    });
}

#[test]
fn loom_whoever_waits_for_one_connection_beside_its_removal_is_told() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let held = leased(&host);
        let other = conn.clone();
        let remove = thread::spawn(move || other.remove());
        let mut asker = pinned(&conn);
        let outcome = match asker.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                remove.join().unwrap();
                asker.outcome()
            }
        };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnGone);
        drop(held);
        drop(asker);
        assert_eq!(manager.snapshot().totals.waiting, 0);
    });
}

#[test]
fn loom_whoever_waits_for_one_connection_beside_a_close_is_refused() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let conn = only(&host);
        let held = leased(&host);
        let other = manager.clone();
        let close = thread::spawn(move || other.close());
        let mut asker = pinned(&conn);
        let outcome = match asker.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                close.join().unwrap();
                asker.outcome()
            }
        };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
        drop(held);
    });
}

#[test]
fn loom_a_close_beside_a_claim_lets_the_lease_finish() {
    loom::model(|| {
        let (manager, host) = stocked(1);
        let other = manager.clone();
        let close = thread::spawn(move || other.close());
        let lease = host.try_acquire();
        close.join().unwrap();
        assert!(host.try_acquire().is_none());
        assert_eq!(manager.permits_in_use().0, usize::from(lease.is_some()));
        drop(lease);
        assert_eq!(manager.permits_in_use(), (0, 0));
    });
}

#[test]
fn loom_a_connection_told_to_close_beside_one_who_looks_ends_closed() {
    loom::model(|| {
        let (_manager, host) = stocked(1);
        let conn = only(&host);
        let other = conn.clone();
        let remove = thread::spawn(move || other.remove());
        let seen = conn.status();
        assert!(seen.in_flight == 0, "nobody leased it: {seen:?}");
        remove.join().unwrap();
        assert_eq!(conn.status().phase, ConnPhase::Closed);
    });
}
