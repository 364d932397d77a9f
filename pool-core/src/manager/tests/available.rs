//! Waiting with a timer, for one connection or for any of a host; and what the end of a manager means to those who wait.

use super::*;
use crate::Phase;
use crate::priority::Priority;

const SOON: Duration = Duration::from_secs(5);

fn one() -> (Manager, Census, ConnHandle<Held>) {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let id = add(&manager, "a", &census);
    let conn = manager.by_id(id).expect("it is there");
    (manager, census, conn)
}

#[tokio::test(start_paused = true)]
async fn eight_wait_for_one_connection_and_one_return_makes_one_owner() {
    let (_manager, _census, conn) = one();
    let held = conn.try_acquire().expect("it is idle");
    let mut waiters: Vec<_> = (0..8).map(|_| spawn(conn.wait_available(SOON))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    drop(held);
    let woken = waiters.iter().filter(|waiter| waiter.is_woken()).count();
    assert_eq!(woken, 1);
    let owner = assert_ready!(waiters[0].poll()).expect("it is granted");
    for waiter in &mut waiters[1..] {
        assert_pending!(waiter.poll());
    }
    assert_eq!((owner.id(), conn.status().in_flight), (conn.id(), 1));
}

#[tokio::test(start_paused = true)]
async fn eight_wait_for_a_host_and_one_return_makes_one_owner() {
    let (manager, _census, conn) = one();
    let host = manager.host(&key("a"));
    let held = conn.try_acquire().expect("it is idle");
    let mut waiters: Vec<_> = (0..8).map(|_| spawn(host.wait_available(SOON))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    drop(held);
    let woken = waiters.iter().filter(|waiter| waiter.is_woken()).count();
    assert_eq!(woken, 1);
    let _owner = assert_ready!(waiters[0].poll()).expect("it is granted");
    for waiter in &mut waiters[1..] {
        assert_pending!(waiter.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn closing_gives_everybody_who_waits_a_typed_error() {
    let (manager, census, conn) = one();
    let host = manager.host(&key("a"));
    let held = conn.try_acquire().expect("it is idle");
    let mut for_one: Vec<_> = (0..4).map(|_| spawn(conn.wait_available(SOON))).collect();
    let mut for_any: Vec<_> = (0..4).map(|_| spawn(host.wait_available(SOON))).collect();
    for waiter in &mut for_one {
        assert_pending!(waiter.poll());
    }
    for waiter in &mut for_any {
        assert_pending!(waiter.poll());
    }
    manager.close();
    manager.close();
    for waiter in &mut for_one {
        assert!(waiter.is_woken());
        let error = assert_ready!(waiter.poll()).expect_err("it is closed");
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    for waiter in &mut for_any {
        assert!(waiter.is_woken());
        let error = assert_ready!(waiter.poll()).expect_err("it is closed");
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    let late = host.wait_available(SOON).await.expect_err("it is closed");
    assert_eq!(late.kind(), ErrorKind::Closed);
    let late = manager
        .acquire(&key("new"))
        .await
        .expect_err("it is closed");
    assert_eq!(late.kind(), ErrorKind::Closed);
    assert!(manager.try_acquire(&key("a")).is_none() && conn.try_acquire().is_none());
    drop(held);
    assert_eq!((census.alive(), manager.permits_in_use()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_time_out_leaves_nothing_behind() {
    let (manager, _census, conn) = one();
    let host = manager.host(&key("a"));
    let held = conn.try_acquire().expect("it is idle");
    let begun = now();
    for error in [
        conn.wait_available(SOON).await.expect_err("it is in use"),
        host.wait_available(SOON).await.expect_err("it is in use"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
    }
    assert_eq!(now() - begun, 2 * SOON);
    assert_eq!(manager.snapshot().totals.waiting, 0);
    assert_eq!(manager.shared.budget.waiting(), 0);
    drop(held);
    assert!(conn.status().is_idle(), "nobody who left got it");
    let zero = conn.wait_available(Duration::ZERO).await;
    assert_eq!(zero.expect("it is idle").id(), conn.id());
    let ever = host.wait_available(Duration::MAX).await;
    assert_eq!(ever.expect("it is idle").id(), conn.id());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_one_connection_is_told_when_it_goes() {
    let (manager, census, conn) = one();
    let held = conn.try_acquire().expect("it is idle");
    let mut waiter = spawn(conn.wait_available(SOON));
    assert_pending!(waiter.poll());
    assert!(manager.remove(conn.id()));
    assert!(waiter.is_woken());
    let error = assert_ready!(waiter.poll()).expect_err("it is on its way out");
    assert_eq!(error.kind(), ErrorKind::ConnGone);
    let late = conn.wait_available(SOON).await.expect_err("it is gone");
    assert_eq!(late.kind(), ErrorKind::ConnGone);
    drop(held);
    assert_eq!(census.alive(), 0);
}

#[test]
fn those_who_wait_share_hand_offs_by_their_priority() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    add(&manager, "a", &census);
    let mut held = manager.try_acquire(&key("a")).expect("it is idle");
    let mut askers = Vec::new();
    for _ in 0..13 {
        // The least first: it is not the order of arrival that counts.
        for priority in Priority::ALL.into_iter().rev() {
            let mut asker = spawn(manager.acquire(&key("a")).priority(priority));
            assert_pending!(asker.poll());
            askers.push((priority, asker));
        }
    }
    let mut served = [0; 3];
    for _ in 0..13 {
        drop(held);
        let mut woken = askers
            .iter()
            .enumerate()
            .filter(|(_, (_, asker))| asker.is_woken());
        let at = woken.next().expect("somebody is served").0;
        assert!(woken.next().is_none(), "and nobody beside it");
        let (priority, mut asker) = askers.remove(at);
        served[priority as usize] += 1;
        held = lease(&mut asker);
    }
    assert_eq!(served, [9, 3, 1]);
}

#[test]
fn a_host_without_an_address_says_so_to_everybody() {
    struct Nowhere;

    impl Driver<Held> for Nowhere {
        fn resolve(&self, host: HostHandle<Held>) {
            host.set_addresses(&[]);
        }
        fn dial(&self, _: Ticket<Held>) {
            panic!("there is nothing to dial");
        }
        fn close(&self, _: &Entry<Held>, _: CloseReason) -> Closing {
            Closing::Done
        }
        fn wake_at(&self, _: HostHandle<Held>, _: Instant) {}
    }

    let manager = Manager::with_driver(&Config::default(), StdArc::new(Nowhere));
    for _ in 0..2 {
        let mut asker = ask(&manager, "a");
        // Whoever asks first has the addresses looked up, and is told by the answer.
        let outcome = match asker.poll() {
            std::task::Poll::Ready(outcome) => outcome,
            std::task::Poll::Pending => assert_ready!(asker.poll()),
        };
        assert_eq!(outcome.expect_err("nowhere").kind(), ErrorKind::Unavailable);
    }
    assert_eq!(manager.permits_in_use(), (0, 0));
    assert_conserved(&manager);
}
