//! What holds for every list and prefix, whoever leases in whatever order.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use pool_localip::{
    AddrSet, AllocContext, Cidr, Exhausted, Lease, LocalAddrAllocator, Prefix, SourceSpec,
    StickyBy, Strategy, WhenBusy,
};
use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_assume, prop_oneof, proptest,
};
use proptest::strategy::Strategy as _;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(SocketAddr::from(([192, 0, 2, 1], 443)), Instant::now())
}

/// A dial to a target of this address's family.
fn cx_like(addr: IpAddr) -> AllocContext<'static> {
    let mut cx = cx();
    if addr.is_ipv6() {
        cx.target = "[2001:db8::1]:443".parse().expect("an address");
    }
    cx
}

fn addr_of(lease: &Lease) -> IpAddr {
    lease.addr().expect("a list chooses the address")
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

fn with_last_byte(addr: IpAddr, byte: u8) -> IpAddr {
    match addr {
        IpAddr::V4(addr) => Ipv4Addr::from_bits(addr.to_bits() & !0xff | u32::from(byte)).into(),
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() & !0xff | u128::from(byte)).into(),
    }
}

fn any_addr() -> impl proptest::strategy::Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop_oneof![
        Just(Strategy::RoundRobin),
        any::<u64>().prop_map(|seed| Strategy::Random { seed }),
        Just(Strategy::LeastUsed),
    ]
}

/// Addresses and prefixes that often overlap.
fn specs() -> impl proptest::strategy::Strategy<Value = Vec<SourceSpec>> {
    let spec = (0u8..64, 26u8..=32, any::<bool>()).prop_map(|(host, len, single)| {
        let addr = Ipv4Addr::new(127, 0, 2, host);
        if single {
            SourceSpec::from(IpAddr::V4(addr))
        } else {
            SourceSpec::from(Cidr::new(addr, len).expect("at most 32"))
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

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
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
    fn leases_are_conserved_and_never_above_the_limit(specs in specs(), strategy in strategies(), cap in 1usize..4, per_thread in vec(steps(), 1..4)) {
        let set = AddrSet::new(specs).expect("not empty").strategy(strategy).max_per_addr(cap);
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
    fn a_prefix_of_any_length_leases_only_what_is_inside(addr in any_addr(), len in 0u8..=128, wants in vec(any_addr(), 8), near in vec(any::<u8>(), 4), strategy in strategies()) {
        let len = if addr.is_ipv4() { len % 33 } else { len };
        let prefix = Cidr::new(addr, len).expect("not too long");
        prop_assert!(prefix.contains(addr) && prefix.contains(prefix.first()) && prefix.contains(prefix.last()));
        prop_assert_eq!(number(prefix.last()) - number(prefix.first()), (1u128.checked_shl(prefix.host_bits().into()).unwrap_or(0)).wrapping_sub(1));
        prop_assert_eq!(prefix, prefix.to_string().parse().unwrap());
        let Ok(sources) = Prefix::new(prefix) else {
            prop_assume!(false);
            unreachable!()
        };
        let sources = sources.strategy(strategy);
        let anycast = addr.is_ipv6() && prefix.host_bits() > 1;
        let cx = cx_like(addr);
        let cycle = sources.as_set().size().min(300);
        let mut leases = Vec::new();
        let mut given = HashSet::new();
        for _ in 0..cycle {
            let lease = sources.allocate(&cx).unwrap();
            prop_assert!(prefix.contains(addr_of(&lease)));
            prop_assert!(given.insert(addr_of(&lease)), "{} came twice in one cycle", addr_of(&lease));
            leases.push(lease);
        }
        prop_assert_eq!(sources.in_use() as u128, cycle);
        drop(leases);
        let near = near.into_iter().map(|host| with_last_byte(prefix.first(), host));
        for want in wants.into_iter().chain(near).chain([prefix.first(), prefix.last()]) {
            let leased = sources.allocate(&cx.with_want(want));
            let used = prefix.contains(want) && !want.is_unspecified() && !(anycast && want == prefix.first());
            prop_assert_eq!(leased.is_ok(), used, "{}", want);
        }
        prop_assert_eq!(sources.in_use(), 0);
    }

    #[test]
    fn slices_are_disjoint_and_complete(specs in specs(), of in 1u32..9, v6_len in 118u8..=128) {
        let mut specs = specs;
        specs.push("2001:db8::".parse::<IpAddr>().map(|addr| Cidr::new(addr, v6_len).unwrap().into()).unwrap());
        let whole = AddrSet::new(specs).unwrap();
        let mut seen = HashSet::new();
        for slice in (0..of).filter_map(|index| whole.slice(index, of).ok()) {
            for addr in slice.sources() {
                prop_assert!(whole.contains(addr) && seen.insert(addr), "{} is in two slices", addr);
            }
        }
        prop_assert_eq!(seen.len() as u128, whole.size());
    }

    #[test]
    fn one_address_of_a_wide_prefix_is_in_exactly_one_slice(host in any::<u64>(), of in 1u32..100) {
        let whole: AddrSet = "2001:db8::/64".parse().unwrap();
        let addr = IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(host)));
        let holders = (0..of).filter(|&index| whole.slice(index, of).unwrap().contains(addr)).count();
        prop_assert_eq!(holders, usize::from(host != 0), "the anycast address is in none");
    }

    #[test]
    fn a_sticky_host_keeps_its_address_over_restarts(hosts in vec("[a-z]{1,12}", 1..8), seed in any::<u64>()) {
        let started = || {
            let set: AddrSet = "127.0.2.0/24,2001:db8::/64".parse().unwrap();
            set.strategy(Strategy::Sticky { by: StickyBy::Host, seed, when_busy: WhenBusy::Wait })
        };
        let (before, after) = (started(), started());
        for host in hosts.iter().rev() {
            drop(before.allocate(&cx().with_host(host)));
        }
        for host in &hosts {
            for like in ["127.0.0.1", "::1"] {
                let cx = cx_like(like.parse().unwrap()).with_host(host);
                let chosen = |set: &AddrSet| addr_of(&set.allocate(&cx).unwrap());
                prop_assert_eq!(chosen(&before), chosen(&after));
                prop_assert_eq!(chosen(&before), chosen(&before));
            }
        }
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
