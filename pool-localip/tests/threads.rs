//! Many threads at once: nothing is given twice, nothing is lost, and nobody waits for a drop that never comes.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pool_localip::{
    AddrSet, AllocContext, Caps, Cooldown, Exhausted, Lease, LocalAddrAllocator, Outcome,
    PortBudget, RestScope, Strategy, WorkingSet,
};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing; the tests only shift this one"
)]
fn start() -> Instant {
    Instant::now()
}

fn target(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// Splitmix64, so that every run does the same as far as threads let it.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// An allocator that never asks what the wrappers permit.
#[derive(Debug)]
struct Deaf(AddrSet);

impl LocalAddrAllocator for Deaf {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let plain = AllocContext::new(cx.target, cx.now).with_want(cx.want);
        self.0.allocate(&plain)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.0.sources()
    }
}

/// What a pool does around an allocator: it wakes all who wait whenever a lease was dropped.
#[derive(Default)]
struct Drops {
    count: Mutex<u64>,
    more: Condvar,
}

impl Drops {
    fn seen(&self) -> u64 {
        *self.count.lock().expect("no panic")
    }

    fn tell(&self) {
        *self.count.lock().expect("no panic") += 1;
        self.more.notify_all();
    }

    fn wait_for_more_than(&self, seen: u64) {
        let lost = Duration::from_secs(30);
        let more = self
            .more
            .wait_timeout_while(self.count.lock().expect("no panic"), lost, |n| *n == seen);
        assert!(
            !more.expect("no panic").1.timed_out(),
            "no lease was dropped, and no time was named"
        );
    }
}

/// Four threads take one lease at a time, each pair of address and target being exclusive; a thread that is refused waits as a
/// pool does.
fn exclusive_per_target(allocator: &dyn LocalAddrAllocator, outcomes: &[Outcome]) {
    const ROUNDS: u64 = 3000;
    let (held, drops) = (Mutex::new(HashSet::new()), Drops::default());
    let start = start();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (held, drops) = (&held, &drops);
            scope.spawn(move || {
                let mut draws = Draws(seed);
                let mut now = start;
                for _ in 0..ROUNDS {
                    let target = target(1 + draws.below(3) as u16);
                    let lease = loop {
                        let seen = drops.seen();
                        match allocator.allocate(&AllocContext::new(target, now)) {
                            Ok(lease) => break lease,
                            Err(refusal) => {
                                assert!(refusal.is_temporary(), "{refusal}");
                                match refusal.retry_at {
                                    Some(at) => now = now.max(at),
                                    None => drops.wait_for_more_than(seen),
                                }
                            }
                        }
                    };
                    let pair = (lease.addr().expect("an address"), target);
                    assert!(
                        held.lock().expect("no panic").insert(pair),
                        "{pair:?} was given twice"
                    );
                    if draws.below(4) == 0 {
                        thread::yield_now();
                    }
                    if let Some(&outcome) = outcomes.get(draws.below(4) as usize) {
                        lease.report(outcome);
                    }
                    held.lock().expect("no panic").remove(&pair);
                    drop(lease);
                    drops.tell();
                }
            });
        }
    });
}

#[test]
fn an_address_is_never_given_twice_at_a_time_where_it_is_exclusive() {
    for strategy in [
        Strategy::RoundRobin,
        Strategy::Random { seed: 1 },
        Strategy::LeastUsed,
    ] {
        let set: AddrSet = "127.0.2.1,127.0.2.2,127.0.2.3".parse().unwrap();
        let set = set.strategy(strategy).max_per_addr(1);
        exclusive_per_target(&set, &[]);
        assert_eq!(set.in_use(), 0);
    }
}

#[test]
fn a_stack_of_wrappers_gives_no_pair_twice_and_ends_empty() {
    let set: AddrSet = "127.0.2.0/24".parse().unwrap();
    let set = Arc::new(set.strategy(Strategy::LeastUsed).max_per_addr(2));
    let working = WorkingSet::new(Arc::clone(&set), 2);
    let handle = working.handle();
    let caps = Arc::new(Caps::new(working).per_target(1));
    let ports = Arc::new(PortBudget::new(Arc::clone(&caps), 3).linger(Duration::from_millis(50)));
    let stack = Cooldown::new(Arc::clone(&ports)).rest(
        Outcome::AddrInUse,
        RestScope::AddrAndTarget,
        Duration::from_millis(1),
    );
    thread::scope(|scope| {
        let done = Arc::new(());
        let watch = Arc::downgrade(&done);
        scope.spawn(move || {
            let mut draws = Draws(7);
            while watch.upgrade().is_some() {
                handle.resize(1 + draws.below(3) as usize);
                thread::yield_now();
            }
        });
        exclusive_per_target(&stack, &[Outcome::Connected, Outcome::AddrInUse]);
        drop(done);
    });
    assert_eq!((set.in_use(), caps.in_use()), (0, 0));
    let day = start() + Duration::from_secs(24 * 60 * 60);
    assert_eq!(stack.resting(day), 0);
    for addr in set.sources() {
        assert_eq!(ports.in_use_of(addr, target(1), day), 0);
    }
}

#[test]
fn nobody_waits_because_of_a_lease_that_was_given_back_at_once() {
    // The allocator gives what the caps refuse, so that leases are held for a moment and given back unseen.
    let set: AddrSet = "127.0.2.1,127.0.2.2".parse().unwrap();
    let caps = Caps::new(Deaf(set.max_per_addr(2))).per_target(1);
    exclusive_per_target(&caps, &[]);
    assert_eq!(caps.in_use(), 0);
}
