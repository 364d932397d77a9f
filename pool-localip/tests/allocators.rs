//! The built-in allocators: what they lease, what they refuse, how they are configured.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use pool_localip::{
    AddrList, AddrSet, AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator,
    MAX_SOURCES, OptionsError, OsAssigned, Outcome, Prefix, SourceProblem, SourceSpec, Sources,
    StickyBy, Strategy, Weighted, WhenBusy,
};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn to(target: &str) -> AllocContext<'static> {
    AllocContext::new(
        target.parse::<SocketAddr>().expect("an address"),
        Instant::now(),
    )
}

fn v4() -> AllocContext<'static> {
    to("192.0.2.1:443")
}

fn v6() -> AllocContext<'static> {
    to("[2001:db8::1]:443")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn leased(lease: &Result<Lease, Exhausted>) -> Option<IpAddr> {
    lease.as_ref().expect("a lease").addr()
}

fn refused(lease: Result<Lease, Exhausted>) -> ExhaustedReason {
    lease.expect_err("a refusal").reason
}

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_operating_system_chooses_unless_one_address_is_wanted() {
    assert_eq!(leased(&OsAssigned.allocate(&v4())), None);
    let wanted = OsAssigned.allocate(&v4().with_want(ip("127.0.2.9")));
    assert_eq!(leased(&wanted), Some(ip("127.0.2.9")));
    let mismatch = OsAssigned.allocate(&v4().with_want(ip("::1")));
    assert!(
        matches!(refused(mismatch), ExhaustedReason::FamilyMismatch { target } if target == v4().target)
    );
}

#[test]
fn a_target_without_a_source_of_its_family_is_refused_for_good() {
    let prefix: Prefix = "127.0.2.0/27".parse().unwrap();
    let refusal = prefix.allocate(&v6()).unwrap_err();
    assert_eq!(refusal, Exhausted::family_mismatch(v6().target));
    assert!(!refusal.is_temporary());
    assert_eq!(
        refusal.to_string(),
        "no IPv6 local address for the target [2001:db8::1]:443"
    );
}

#[test]
fn each_family_has_its_own_rotation() {
    let list: AddrList = "127.0.2.1,::1,127.0.2.2,127.0.2.1".parse().unwrap();
    assert_eq!(
        list.sources(),
        [ip("127.0.2.1"), ip("::1"), ip("127.0.2.2")]
    );
    let turns = [v4(), v6(), v4(), v6(), v4()].map(|cx| leased(&list.allocate(&cx)).unwrap());
    assert_eq!(
        turns.map(|a| a.to_string()),
        ["127.0.2.1", "::1", "127.0.2.2", "::1", "127.0.2.1"]
    );
}

#[test]
fn a_wanted_address_is_leased_exactly_or_refused_by_reason() {
    let set: AddrSet = "127.0.2.0/30,::1".parse().unwrap();
    let set = set.max_per_addr(1);
    let want = v4().with_want(ip("127.0.2.3"));
    let held = set.allocate(&want);
    assert_eq!(leased(&held), Some(ip("127.0.2.3")));
    assert_eq!(refused(set.allocate(&want)), ExhaustedReason::AllBusy);
    let outside = v4().with_want(ip("127.0.2.4"));
    assert_eq!(
        refused(set.allocate(&outside)),
        ExhaustedReason::NotAllocated(ip("127.0.2.4"))
    );
    let other_family = v4().with_want(ip("::1"));
    assert_eq!(
        set.allocate(&other_family).unwrap_err(),
        Exhausted::family_mismatch(v4().target)
    );
    assert_eq!(
        refused(set.allocate(&v4().with_class("eu"))),
        ExhaustedReason::UnknownClass
    );
    assert_eq!(set.counts(), [(ip("127.0.2.3"), 1)]);
    drop(held);
    assert_eq!(set.in_use(), 0);
}

#[test]
fn a_full_set_refuses_until_one_lease_drops_and_then_leases_that_address() {
    let list: AddrList = "127.0.2.1,127.0.2.2".parse().unwrap();
    let list = list.max_per_addr(2);
    let mut leases: Vec<_> = (0..4).map(|_| list.allocate(&v4()).unwrap()).collect();
    let refusal = list.allocate(&v4()).unwrap_err();
    assert_eq!(refusal, Exhausted::all_busy());
    assert!(refusal.is_temporary());
    let freed = leases.remove(1).addr();
    assert_eq!(leased(&list.allocate(&v4())), freed);
}

#[test]
fn leases_outlive_their_allocator() {
    let list: AddrList = "127.0.2.1".parse().unwrap();
    let lease = list.allocate(&v4());
    drop(list);
    assert_eq!(leased(&lease), Some(ip("127.0.2.1")));
}

#[test]
fn the_whole_address_space_is_leased_without_being_listed() {
    let all: Prefix = "0.0.0.0/0".parse().unwrap();
    assert_eq!(
        all.as_set().size(),
        (1 << 32) - 1,
        "all but the unspecified address"
    );
    assert_eq!(leased(&all.allocate(&v4())), Some(ip("0.0.0.1")));
    let last = v4().with_want(ip("255.255.255.255"));
    assert_eq!(leased(&all.allocate(&last)), last.want);
    assert_eq!(all.sources().len(), MAX_SOURCES);
}

#[test]
fn the_first_and_the_last_address_of_a_prefix_are_used() {
    let prefix: Prefix = "127.0.2.7/30".parse().unwrap();
    let expected = ["127.0.2.4", "127.0.2.5", "127.0.2.6", "127.0.2.7"].map(ip);
    assert_eq!(prefix.sources(), expected);
    assert!(prefix.prefix().has_host_bits());
}

#[test]
fn a_64_bit_prefix_is_leased_at_the_cost_of_what_is_in_use() {
    let target = v6();
    for strategy in [
        Strategy::RoundRobin,
        Strategy::Random { seed: 11 },
        Strategy::LeastUsed,
    ] {
        let prefix: Prefix = "2001:db8::/64".parse().unwrap();
        let prefix = prefix.strategy(strategy).max_per_addr(1);
        assert_eq!(prefix.as_set().size(), (1 << 64) - 1);
        let leases: Vec<Lease> = (0..20_000)
            .map(|_| prefix.allocate(&target).expect("room"))
            .collect();
        let distinct: HashSet<_> = leases.iter().map(|lease| lease.addr()).collect();
        assert_eq!(
            distinct.len(),
            leases.len(),
            "none twice among those in use"
        );
        assert!(
            !distinct.contains(&Some(ip("2001:db8::"))),
            "the anycast address"
        );
        drop(leases);
        assert_eq!(prefix.as_set().counts(), []);
    }
}

#[test]
fn the_subnet_router_anycast_address_is_left_out_where_there_is_one() {
    for (text, first, size) in [
        ("2001:db8::/126", "2001:db8::1", 3),
        ("2001:db8::/127", "2001:db8::", 2),
        ("2001:db8::/128", "2001:db8::", 1),
        ("2001:db8::/126,2001:db8::", "2001:db8::1", 4),
        ("127.0.2.0/30", "127.0.2.0", 4),
    ] {
        let set: AddrSet = text.parse().unwrap();
        assert_eq!((set.sources()[0], set.size()), (ip(first), size), "{text}");
    }
    let all: AddrSet = "::/0,0.0.0.0/0".parse().unwrap();
    assert_eq!(all.size(), u128::MAX);
    assert_eq!(leased(&all.allocate(&v6())), Some(ip("::1")));
}

#[test]
fn a_seed_fixes_the_random_order_and_another_seed_another() {
    let order = |seed| {
        let set: AddrSet = "2001:db8::/64,127.0.0.0/8".parse().unwrap();
        let set = set.strategy(Strategy::Random { seed });
        let sources = set.sources();
        let leases: Vec<_> = (0..50)
            .map(|_| leased(&set.allocate(&v6())).unwrap())
            .collect();
        let listed = sources.into_iter().filter(IpAddr::is_ipv6).take(50);
        assert_eq!(
            listed.collect::<Vec<_>>(),
            leases,
            "plans see the order of leases"
        );
        leases
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn the_least_used_address_is_next() {
    let list: AddrList = "127.0.2.1,127.0.2.2,127.0.2.3".parse().unwrap();
    let list = list.strategy(Strategy::LeastUsed);
    let mut leases: Vec<_> = (0..6).map(|_| list.allocate(&v4())).collect();
    let freed = leased(&leases.remove(4));
    assert_eq!(freed, Some(ip("127.0.2.2")));
    assert_eq!(leased(&list.allocate(&v4())), freed);
}

#[test]
fn a_sticky_host_waits_for_its_address_or_takes_the_next_as_told() {
    let sticky = |by, when_busy| {
        let set: AddrSet = "127.0.2.0/29".parse().unwrap();
        let seed = 5;
        let strategy = Strategy::Sticky {
            by,
            seed,
            when_busy,
        };
        set.strategy(strategy).max_per_addr(1)
    };
    let host = v4().with_host("example.com");
    let waits = sticky(StickyBy::Host, WhenBusy::Wait);
    let held = waits.allocate(&host);
    let mine = leased(&held);
    // Written down: were the hash another one, every host would have another address after an update.
    assert_eq!(mine, Some(ip("127.0.2.0")));
    let other_spelling = v4().with_host("EXAMPLE.com");
    assert_eq!(
        waits.allocate(&other_spelling).unwrap_err(),
        Exhausted::all_busy()
    );
    drop(held);
    assert_eq!(leased(&waits.allocate(&other_spelling)), mine);
    let chosen: HashSet<_> = (0..64)
        .map(|i| leased(&waits.allocate(&v4().with_host(&format!("{i}.example")))))
        .collect();
    assert_eq!(chosen.len(), 8, "hosts are spread over all addresses");

    let goes_on = sticky(StickyBy::Host, WhenBusy::Next);
    let leases: Vec<_> = (0..8).map(|_| goes_on.allocate(&host)).collect();
    assert_eq!(leased(&leases[0]), mine);
    assert_eq!(leases.iter().map(leased).collect::<HashSet<_>>().len(), 8);
    assert_eq!(goes_on.allocate(&host).unwrap_err(), Exhausted::all_busy());

    let by_class = sticky(StickyBy::Class, WhenBusy::Wait);
    let of_class = |class| leased(&by_class.allocate(&host.with_class(class)));
    assert_eq!(of_class("eu"), of_class("eu"));
    assert_ne!(of_class("eu"), of_class("us"));
    assert_eq!(
        refused(waits.allocate(&host.with_class("eu"))),
        ExhaustedReason::UnknownClass
    );
}

#[test]
fn a_seed_gives_the_addresses_that_it_gave_in_the_last_release() {
    // Whoever is known by these addresses must stay known by them: a change here is one for the change log.
    let sticky = |by| {
        let set: AddrSet = "127.0.2.0/24,2001:db8::/64".parse().unwrap();
        set.strategy(Strategy::Sticky {
            by,
            seed: 7,
            when_busy: WhenBusy::Wait,
        })
    };
    let by_host = sticky(StickyBy::Host);
    for (host, v4_addr, v6_addr) in [
        ("example.com", "127.0.2.11", "2001:db8::edcb:c0d3:60d9:ed83"),
        (
            "www.example.com",
            "127.0.2.73",
            "2001:db8::1ada:62fc:7bf8:9c18",
        ),
    ] {
        let chosen = |cx: AllocContext<'static>| leased(&by_host.allocate(&cx.with_host(host)));
        assert_eq!(chosen(v4()), Some(ip(v4_addr)), "{host}");
        assert_eq!(chosen(v6()), Some(ip(v6_addr)), "{host}");
    }
    let by_class = sticky(StickyBy::Class);
    assert_eq!(
        leased(&by_class.allocate(&v6().with_class("example.com"))),
        leased(&by_host.allocate(&v6().with_host("example.com")))
    );
    let random: AddrSet = "2001:db8::/64".parse().unwrap();
    let random = random.strategy(Strategy::Random { seed: 7 });
    let first = random.sources().into_iter().take(2);
    assert_eq!(
        first.collect::<Vec<_>>(),
        [
            ip("2001:db8::dfd4:cb91:9105:a98e"),
            ip("2001:db8::6871:40c9:9cb5:7ade")
        ]
    );
}

#[test]
fn two_processes_with_slices_of_one_prefix_never_share_an_address() {
    let slice = |index| {
        let set: AddrSet = "2001:db8::/64,127.0.2.0/31".parse().unwrap();
        let set = set.slice(index, 2).unwrap();
        set.strategy(Strategy::Random { seed: 1 })
    };
    let (mine, yours) = (slice(0), slice(1));
    assert_eq!(mine.size() + yours.size(), (1 << 64) - 1 + 2);
    for _ in 0..1000 {
        assert!(!yours.contains(leased(&mine.allocate(&v6())).unwrap()));
        assert!(!mine.contains(leased(&yours.allocate(&v6())).unwrap()));
    }
    let one: AddrSet = "127.0.2.1".parse().unwrap();
    assert!(one.slice(0, 2).is_ok());
    let none = one.slice(1, 2).unwrap_err();
    assert_eq!(
        (none.problem(), none.input()),
        (SourceProblem::Empty, "slice 1 of 2")
    );
}

#[test]
fn what_is_taken_out_of_a_set_costs_nothing_later() {
    let set: AddrSet = "2001:db8::/64".parse().unwrap();
    let half: SourceSpec = "2001:db8::/65".parse().unwrap();
    let rest = set.without([half]).unwrap();
    assert_eq!(
        leased(&rest.allocate(&v6())),
        Some(ip("2001:db8::8000:0:0:0"))
    );
    let whole: SourceSpec = "2001:db8::/32".parse().unwrap();
    let nothing = set.without([whole]).unwrap_err();
    assert_eq!(nothing.input(), "all but 2001:db8::/32");
}

#[test]
#[should_panic(expected = "the strategy is set before max_per_addr")]
fn a_strategy_after_a_limit_is_refused() {
    let list: AddrList = "127.0.2.1".parse().unwrap();
    drop(list.max_per_addr(1).strategy(Strategy::LeastUsed));
}

#[test]
fn no_sources_and_impossible_sources_are_errors_at_construction() {
    assert_eq!(
        AddrList::new([]).unwrap_err().problem(),
        SourceProblem::Empty
    );
    let unspecified = AddrList::new([ip("127.0.2.1"), ip("::")]).unwrap_err();
    assert_eq!(unspecified.problem(), SourceProblem::Unspecified);
    assert_eq!(unspecified.input(), "::");
    let nothing = "0.0.0.0/32".parse::<Prefix>().unwrap_err();
    assert_eq!(nothing.problem(), SourceProblem::Empty);
    let gap = "127.0.2.1,,127.0.2.2".parse::<AddrSet>().unwrap_err();
    assert_eq!(gap.input(), "127.0.2.1,,127.0.2.2");
    let prefix = "127.0.2.1,127.0.2.8/30".parse::<AddrList>().unwrap_err();
    assert_eq!(prefix.problem(), SourceProblem::NotSingle);
}

#[test]
#[should_panic(expected = "max_per_addr must be at least 1")]
fn a_limit_of_zero_is_refused() {
    let list: AddrList = "127.0.2.1".parse().unwrap();
    drop(list.max_per_addr(0));
}

#[test]
fn a_configuration_makes_the_allocator_it_describes() {
    assert!(OsAssigned::from_options(&options(&[])).is_ok());
    let list = options(&[("addresses", "127.0.2.1, ::1"), ("max_per_addr", "1")]);
    let list = AddrList::from_options(&list).unwrap();
    assert_eq!(list.sources(), [ip("127.0.2.1"), ip("::1")]);
    let _held = list.allocate(&v4()).unwrap();
    assert_eq!(refused(list.allocate(&v4())), ExhaustedReason::AllBusy);
    let prefix = Prefix::from_options(&options(&[("prefix", "127.0.2.0/27")])).unwrap();
    assert_eq!(prefix.sources().len(), 32);
}

#[test]
fn a_configuration_names_strategies_and_wrappers() {
    let random = options(&[
        ("prefix", "2001:db8::/64"),
        ("strategy", "random"),
        ("seed", "4"),
    ]);
    let random = Prefix::from_options(&random).unwrap();
    let same: Prefix = "2001:db8::/64".parse().unwrap();
    let same = same.strategy(Strategy::Random { seed: 4 });
    assert_eq!(random.sources(), same.sources());

    let all = options(&[
        ("sources", "127.0.2.0/24, 2001:db8::/64"),
        ("slice", "1/2"),
        ("exclude", "127.0.2.128/26"),
        ("strategy", "random"),
        ("max_per_addr", "2"),
        ("working_set", "2"),
        ("max_per_target", "1"),
        ("ports", "100"),
        ("cooldown", "500ms"),
    ]);
    let all = Sources::from_options(&all).unwrap();
    let handle = all.working_set().expect("it has one");
    let held = all.allocate(&v4());
    let addr = leased(&held).unwrap();
    assert!(
        (ip("127.0.2.192")..=ip("127.0.2.255")).contains(&addr),
        "{addr}"
    );
    assert_eq!(
        refused(all.allocate(&v4().with_want(addr))),
        ExhaustedReason::AllBusy
    );
    let other = all.allocate(&v4());
    assert_ne!(leased(&other), Some(addr));
    assert_eq!(refused(all.allocate(&v4())), ExhaustedReason::AllBusy);
    handle.resize(3);
    let third = all.allocate(&v4()).unwrap();
    third.report(Outcome::Unbindable);
    let resting = third.addr();
    drop(third);
    let cx = v4();
    let refusal = all.allocate(&cx.with_want(resting)).unwrap_err();
    assert_eq!(
        refusal.retry_at,
        cx.now.checked_add(Duration::from_millis(500))
    );

    let weighted = options(&[("sources", "127.0.2.0/30=2, ::1"), ("max_per_addr", "1")]);
    let weighted = Weighted::from_options(&weighted).unwrap();
    assert_eq!(weighted.sources().len(), 5);
}

#[test]
fn configured_sources_rest_after_a_failure_unless_told_not_to() {
    for (told, rests) in [(&[][..], true), (&[("cooldown", "0s")], false)] {
        let options = options(&[&[("sources", "127.0.2.1")], told].concat());
        let sources = Sources::from_options(&options).unwrap();
        let lease = sources.allocate(&v4()).unwrap();
        lease.report(Outcome::AddrInUse);
        drop(lease);
        assert_eq!(sources.allocate(&v4()).is_err(), rests, "{told:?}");
    }
}

#[test]
fn a_configuration_error_says_what_was_expected() {
    for (key, value, expected) in [
        ("strategy", "fastest", "one of round-robin, random"),
        ("seed", "-1", "a whole number from 0"),
        ("when_busy", "never", "wait or next"),
        ("slice", "2/2", "counted from 0"),
        ("slice", "1", "counted from 0"),
        ("slice", "0/0", "counted from 0"),
        ("cooldown", "5", "a duration such as"),
        ("cooldown", "fast", "a duration such as"),
        ("working_set", "0", "above zero"),
        ("ports", "many", "above zero"),
    ] {
        let text = options(&[("sources", "127.0.2.0/24"), (key, value)]);
        let error = Sources::from_options(&text).unwrap_err();
        assert_eq!(error.key(), key);
        let error = error.to_string();
        for part in [key, value, expected] {
            assert!(error.contains(part), "{error}");
        }
    }
    let sticky = [("sources", "127.0.2.0/24"), ("strategy", "sticky-host")];
    let sticky = options(&[&sticky[..], &[("working_set", "2")]].concat());
    let error = Sources::from_options(&sticky).unwrap_err();
    assert_eq!(
        error.key(),
        "working_set",
        "it would take turns, and not stick"
    );
    let empty = options(&[("sources", "127.0.2.1"), ("exclude", "127.0.2.0/24")]);
    let empty = Sources::from_options(&empty).unwrap_err();
    assert!(matches!(empty, OptionsError::Source { key: "exclude", .. }));
    for entry in ["127.0.2.1=0", "127.0.2.1=many", "127.0.2.1,=2"] {
        let text = options(&[("sources", entry)]);
        let error = Weighted::from_options(&text).unwrap_err();
        assert!(error.to_string().contains("sources"), "{error}");
    }
}

#[test]
fn a_configuration_error_names_the_option_and_the_near_one() {
    let slip = Prefix::from_options(&options(&[("max-per-adr", "1")])).unwrap_err();
    assert!(matches!(
        slip,
        OptionsError::Unknown {
            near: Some("max_per_addr"),
            ..
        }
    ));
    assert_eq!(
        slip.to_string(),
        r#"unknown option "max-per-adr"; did you mean "max_per_addr"?"#
    );
    let far = AddrList::from_options(&options(&[("colour", "red")])).unwrap_err();
    assert_eq!(
        far.to_string(),
        r#"unknown option "colour"; there are addresses, strategy, seed, when_busy, max_per_addr"#
    );
    let none = OsAssigned::from_options(&options(&[("prefix", "x")])).unwrap_err();
    assert_eq!(
        none.to_string(),
        r#"unknown option "prefix"; there are none"#
    );

    let missing = AddrList::from_options(&options(&[])).unwrap_err();
    assert_eq!(missing, OptionsError::Missing { key: "addresses" });
    for zero in ["0", "-1", "many", ""] {
        let text = options(&[("prefix", "127.0.2.0/27"), ("max_per_addr", zero)]);
        let error = Prefix::from_options(&text).unwrap_err();
        assert!(
            matches!(
                error,
                OptionsError::Number {
                    key: "max_per_addr",
                    ..
                }
            ),
            "{zero:?}"
        );
    }
    let bad = AddrList::from_options(&options(&[("addresses", "127.0.2.1,nowhere")])).unwrap_err();
    assert!(bad.to_string().contains("addresses"));
    assert!(bad.source().unwrap().to_string().contains("nowhere"));
}
