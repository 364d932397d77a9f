//! What no wrapper may lose sight of while addresses, limits and leases change under it: an exclusive address has one holder, and what
//! was given comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_localip::{
    AddrSet, AllocContext, Caps, Cooldown, Exclude, Lease, LocalAddrAllocator, Outcome, PortBudget,
    Strategy, WorkingSet,
};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

#[derive(Clone, Debug)]
enum Step {
    /// Asks for the target of this number.
    Ask(u8),
    /// Ends the lease at this index with this report.
    End(usize, Option<Outcome>),
    Wait(u64),
    /// Excludes the addresses whose bits are set.
    Exclude(u8),
    /// Uses so many addresses at a time.
    Resize(usize),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        Just(None),
        Just(Some(Outcome::Connected)),
        Just(Some(Outcome::AddrInUse)),
        Just(Some(Outcome::Unbindable)),
        Just(Some(Outcome::TargetFailed)),
    ];
    let step = prop_oneof![
        10 => (0..TARGETS).prop_map(Step::Ask),
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        2 => (0u64..20).prop_map(Step::Wait),
        1 => any::<u8>().prop_map(Step::Exclude),
        2 => (1usize..=8).prop_map(Step::Resize),
    ];
    vec(step, 0..200)
}

const ADDRS: u8 = 8;
const TARGETS: u8 = 3;

fn target(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1000 + u16::from(number)))
}

fn addr(number: u8) -> IpAddr {
    IpAddr::from([127, 0, 2, number])
}

fn chosen(bits: u8) -> BTreeSet<IpAddr> {
    let set = (0..ADDRS).filter(|number| bits & (1 << number) != 0);
    set.map(addr).collect()
}

proptest! {
    #[test]
    fn an_exclusive_address_has_one_holder_whatever_changes(steps in steps(), strategy in prop_oneof![
        Just(Strategy::RoundRobin),
        any::<u64>().prop_map(|seed| Strategy::Random { seed }),
        Just(Strategy::LeastUsed),
    ]) {
        let set: AddrSet = "127.0.2.0/29".parse().unwrap();
        let set = Arc::new(set.strategy(strategy));
        let working = WorkingSet::new(Arc::clone(&set), 4);
        let handle = working.handle();
        let caps = Arc::new(Caps::new(working).per_target(1));
        let ports = Arc::new(PortBudget::new(Arc::clone(&caps), 2));
        let cooldown = Arc::new(Cooldown::new(Arc::clone(&ports)));
        let stack = Exclude::new(Arc::clone(&cooldown), [] as [IpAddr; 0]);

        let mut excluded = BTreeSet::new();
        let mut leases: Vec<(Lease, IpAddr, SocketAddr)> = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing; the steps shift this one")]
        let mut now = Instant::now();
        for step in steps {
            match step {
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Resize(size) => handle.resize(size),
                Step::Exclude(bits) => {
                    excluded = chosen(bits);
                    stack.set(excluded.iter().copied());
                }
                Step::End(which, outcome) => if !leases.is_empty() {
                    let (lease, ..) = leases.swap_remove(which % leases.len());
                    outcome.into_iter().for_each(|outcome| lease.report(outcome));
                },
                Step::Ask(number) => {
                    let target = target(number);
                    if let Ok(lease) = stack.allocate(&AllocContext::new(target, now)) {
                        let given = lease.addr().unwrap();
                        prop_assert!(!excluded.contains(&given), "{} is excluded", given);
                        prop_assert!(handle.members().contains(&given), "{} is no member", given);
                        let pair = (given, target);
                        prop_assert!(leases.iter().all(|(_, a, t)| (*a, *t) != pair), "{:?} was given twice", pair);
                        leases.push((lease, given, target));
                    }
                }
            }
            let mut held: BTreeMap<IpAddr, usize> = BTreeMap::new();
            for (_, addr, _) in &leases {
                *held.entry(*addr).or_default() += 1;
            }
            prop_assert_eq!(set.counts(), held.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(caps.in_use(), leases.len());
            prop_assert!(handle.members().len() <= handle.size());
            let members: BTreeSet<IpAddr> = handle.members().into_iter().collect();
            let draining: Vec<IpAddr> = held.into_keys().filter(|addr| !members.contains(addr)).collect();
            prop_assert_eq!(handle.draining(), draining);
        }

        drop(leases);
        prop_assert_eq!((set.in_use(), caps.in_use(), handle.draining()), (0, 0, vec![]));
        // The wrappers learn the time from those who ask: what ended before this ask began to rest no later than now.
        drop(stack.allocate(&AllocContext::new(target(0), now)));
        let later = now + Duration::from_secs(60 * 60);
        prop_assert_eq!(cooldown.resting(later), 0);
        // All capacity is back: each address once for each target.
        stack.set([] as [IpAddr; 0]);
        handle.resize(ADDRS.into());
        let mut whole = Vec::new();
        for number in 0..TARGETS {
            let cx = AllocContext::new(target(number), later);
            let mut given = BTreeSet::new();
            while let Ok(lease) = stack.allocate(&cx) {
                prop_assert!(given.insert(lease.addr().unwrap()));
                whole.push(lease);
            }
            prop_assert_eq!(given.len(), usize::from(ADDRS));
        }
        drop(whole);
        prop_assert_eq!(set.counts(), []);
    }
}
