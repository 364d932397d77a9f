//! What holds for every list and prefix, whoever leases in whatever order.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use pool_localip::{
    AddrSet, AllocContext, Exhausted, Ipv4Cidr, Ipv4Prefix, Lease, LocalAddrAllocator, SourceSpec,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(SocketAddr::from(([192, 0, 2, 1], 443)), Instant::now())
}

fn addr_of(lease: &Lease) -> IpAddr {
    lease.addr().expect("a list chooses the address")
}

/// Addresses and prefixes that often overlap.
fn specs() -> impl Strategy<Value = Vec<SourceSpec>> {
    let spec = (0u8..64, 26u8..=32, any::<bool>()).prop_map(|(host, len, single)| {
        let addr = Ipv4Addr::new(127, 0, 2, host);
        if single {
            SourceSpec::from(IpAddr::V4(addr))
        } else {
            SourceSpec::from(Ipv4Cidr::new(addr, len).expect("at most 32"))
        }
    });
    vec(spec, 1..6)
}

#[derive(Clone, Debug)]
enum Step {
    Take,
    TakeExactly(u8),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Take),
        1 => (0u8..70).prop_map(Step::TakeExactly),
        3 => any::<usize>().prop_map(Step::Drop),
    ];
    vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn leases_are_conserved_and_never_above_the_limit(specs in specs(), cap in 1usize..4, per_thread in vec(steps(), 1..4)) {
        let set = AddrSet::new(specs).expect("not empty").max_per_addr(cap);
        // Counted up after a take and down before a drop: never more than what is held.
        let held: HashMap<IpAddr, AtomicUsize> = set.sources().into_iter().map(|a| (a, AtomicUsize::new(0))).collect();
        thread::scope(|scope| {
            for steps in per_thread {
                let (set, held) = (&set, &held);
                scope.spawn(move || {
                    let mut leases = Vec::new();
                    for step in steps {
                        let taken = match step {
                            Step::Take => set.allocate(&cx()),
                            Step::TakeExactly(host) => {
                                set.allocate(&cx().with_want(IpAddr::from([127, 0, 2, host])))
                            }
                            Step::Drop(which) if !leases.is_empty() => {
                                let lease: Lease = leases.swap_remove(which % leases.len());
                                held[&addr_of(&lease)].fetch_sub(1, SeqCst);
                                drop(lease);
                                continue;
                            }
                            Step::Drop(_) => continue,
                        };
                        if let Ok(lease) = taken {
                            let now_held = held[&addr_of(&lease)].fetch_add(1, SeqCst) + 1;
                            assert!(now_held <= cap, "{now_held} leases of one address");
                            leases.push(lease);
                        }
                    }
                    for lease in &leases {
                        held[&addr_of(lease)].fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        prop_assert_eq!(set.in_use(), 0);
        prop_assert_eq!(set.counts(), []);
        let capacity = usize::try_from(set.size()).unwrap() * cap;
        let whole: Vec<_> = (0..=capacity).map_while(|_| set.allocate(&cx()).ok()).collect();
        prop_assert_eq!(whole.len(), capacity, "all capacity is back");
        prop_assert_eq!(set.allocate(&cx()).unwrap_err(), Exhausted::all_busy());
    }

    #[test]
    fn a_cycle_visits_every_address_once_in_the_order_given(specs in specs(), extra in 0usize..40) {
        let set = AddrSet::new(specs).expect("not empty");
        let sources = set.sources();
        prop_assert_eq!(sources.len() as u128, set.size());
        let leases: Vec<_> = (0..sources.len() + extra).map(|_| set.allocate(&cx()).unwrap()).collect();
        let given: Vec<_> = leases.iter().map(addr_of).collect();
        let expected: Vec<_> = sources.iter().copied().cycle().take(given.len()).collect();
        prop_assert_eq!(&given, &expected);
        prop_assert_eq!(sources.iter().collect::<HashSet<_>>().len(), sources.len());
        let counts: Vec<_> = sources.iter().map(|&a| set.in_use_of(a)).collect();
        let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
        prop_assert!(extra >= sources.len() || most - least <= 1);
        prop_assert_eq!(set.in_use(), given.len());
    }

    #[test]
    fn a_prefix_of_any_length_leases_only_what_is_inside(bits in any::<u32>(), len in 0u8..=32, wants in vec(any::<u32>(), 8)) {
        let prefix = Ipv4Cidr::new(Ipv4Addr::from_bits(bits), len).expect("at most 32");
        prop_assume!(prefix.last() != Ipv4Addr::UNSPECIFIED);
        prop_assert!(prefix.contains(prefix.given()) && prefix.contains(prefix.first()) && prefix.contains(prefix.last()));
        prop_assert_eq!(u64::from(prefix.last().to_bits()) - u64::from(prefix.first().to_bits()) + 1, prefix.size());
        prop_assert_eq!(prefix, prefix.to_string().parse().unwrap());
        let sources = Ipv4Prefix::new(prefix).unwrap();
        let cycle = usize::try_from(prefix.size()).unwrap().min(300);
        let mut leases = HashSet::new();
        for _ in 0..cycle.min(sources.as_set().size() as usize) {
            let IpAddr::V4(addr) = addr_of(&sources.allocate(&cx()).unwrap()) else {
                panic!("an IPv4 prefix");
            };
            prop_assert!(prefix.contains(addr));
            prop_assert!(leases.insert(addr), "{addr} came twice in one cycle");
        }
        for want in wants.into_iter().map(Ipv4Addr::from_bits) {
            let leased = sources.allocate(&cx().with_want(IpAddr::V4(want)));
            prop_assert_eq!(leased.is_ok(), prefix.contains(want) && !want.is_unspecified());
        }
        prop_assert_eq!(sources.in_use(), 0);
    }

    #[test]
    fn any_text_parses_or_is_named_in_the_error(text in "[0-9a-f.:/, \\[\\]-]{0,24}") {
        if let Err(error) = text.parse::<SourceSpec>() {
            let named = error.to_string().contains(&format!("{text:?}"));
            prop_assert!(named, "{}", error);
        }
        drop(text.parse::<AddrSet>());
    }
}
