//! One more connection for throughput, over all hosts: it takes what is there, and nobody gives way for it.

use super::*;

/// Many leases on one HTTP/2 connection of `name`, for longer than a burst lasts.
async fn load(manager: &Manager, fake: &Fake, name: &str) -> Vec<Lease<Held>> {
    let mut first = ask(manager, name);
    assert_pending!(first.poll());
    let ticket = fake.next().expect("a cold host is dialled");
    ticket.succeed(fake.census.born(), 100, true);
    let mut held = vec![lease(&mut first)];
    go_on(manager, name, &mut held, 15).await;
    held
}

/// So many leases more, and the load lasts.
async fn go_on(manager: &Manager, name: &str, held: &mut Vec<Lease<Held>>, more: usize) {
    let claim = || manager.try_acquire(&key(name)).expect("there are streams");
    held.extend(std::iter::repeat_with(claim).take(more));
    tokio::time::advance(SPREAD_AFTER).await;
    held.push(claim());
}

#[tokio::test(start_paused = true)]
async fn a_load_that_lasts_makes_one_dial() {
    let (manager, fake) = driven(Limits::default());
    let held = load(&manager, &fake, "a").await;
    let ticket = fake.next().expect("one more");
    assert!(ticket.spreads());
    assert!(fake.next().is_none(), "and no other");
    ticket.succeed(fake.census.born(), 100, true);
    assert_eq!(manager.permits_in_use(), (2, 0));
    drop(held);
    assert_conserved(&manager);
}

#[tokio::test(start_paused = true)]
async fn no_other_host_gives_way_for_it() {
    let limits = Limits {
        total: 2,
        min_reclaim_idle: Duration::ZERO,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    add(&manager, "idle", &fake.census);
    let mut held = load(&manager, &fake, "a").await;
    assert!(fake.next().is_none(), "there is no permit to spare");
    assert_eq!(fake.closes(), []);
    assert_eq!(manager.permits_in_use(), (2, 0));
    assert_eq!(manager.remove_host(&key("idle")), 1);
    go_on(&manager, "a", &mut held, 1).await;
    assert!(fake.next().is_some(), "there is one now");
}

#[tokio::test(start_paused = true)]
async fn it_does_not_overtake_a_host_that_waits_for_a_dial() {
    let limits = Limits {
        dials_total: 1,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    let mut held = load(&manager, &fake, "a").await;
    fake.next().expect("one more").abandon();
    let (mut slow, mut starving) = (ask(&manager, "slow"), ask(&manager, "starving"));
    assert_pending!(slow.poll());
    assert_pending!(starving.poll());
    go_on(&manager, "a", &mut held, 1).await;
    let ticket = fake.next().expect("the slow one");
    assert!(!ticket.spreads());
    ticket.abandon();
    let ticket = fake.next().expect("the next in the ring");
    assert_eq!(ticket.host().key(), &key("starving"));
    ticket.abandon();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_meanwhile_is_served_by_what_comes_first() {
    let limits = Limits {
        streams_per_conn: 17,
        ..Limits::default()
    };
    let (manager, fake) = driven(limits);
    let held = load(&manager, &fake, "a").await;
    let mut waiting = ask(&manager, "a");
    assert_pending!(waiting.poll());
    let ticket = fake.next().expect("one more");
    assert!(fake.next().is_none(), "it will serve whoever waits too");
    // Given up, it leaves nobody behind.
    ticket.abandon();
    let ticket = fake.next().expect("another, for the one who waits");
    assert!(!ticket.spreads());
    ticket.succeed(fake.census.born(), 100, true);
    drop((lease(&mut waiting), held));
    assert_conserved(&manager);
}

#[tokio::test(start_paused = true)]
async fn never_when_busy_is_one_connection() {
    let mut config = Config::default();
    config.dial.when_busy = DialWhenBusy::Never;
    let fake = StdArc::new(Fake::default());
    let manager = Manager::with_driver(&config, fake.clone());
    let held = load(&manager, &fake, "a").await;
    assert!(fake.next().is_none());
    drop(held);
}
