//! The built-in allocators: what they lease, what they refuse, how they are configured.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use pool_localip::{
    AddrList, AddrSet, AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator,
    MAX_SOURCES, OptionsError, OsAssigned, Prefix, SourceProblem,
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
