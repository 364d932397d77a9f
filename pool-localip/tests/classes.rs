//! Named sets of sources.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use pool_localip::{
    AddrList, AllocContext, Classes, ExhaustedReason, LocalAddrAllocator, OptionsError,
};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    AllocContext::new(([127, 0, 1, 1], 80).into(), Instant::now())
}

fn of(sources: &str) -> Result<Classes, OptionsError> {
    let options = BTreeMap::from([("sources".to_owned(), sources.to_owned())]);
    Classes::from_options(&options)
}

fn given(classes: &Classes, class: Option<&str>, times: usize) -> Vec<String> {
    let lease = || classes.allocate(&cx().with_class(class));
    (0..times)
        .map(|_| {
            lease().map(|lease| {
                lease
                    .addr()
                    .map_or_else(String::new, |addr| addr.to_string())
            })
        })
        .map(|lease| lease.unwrap_or_else(|exhausted| exhausted.to_string()))
        .collect()
}

#[test]
fn a_class_gives_its_own_addresses_and_no_class_takes_turns_among_all() {
    let classes = of("eu=127.0.2.1, 127.0.2.2, us=127.0.3.1").unwrap();
    assert_eq!(
        given(&classes, Some("eu"), 3),
        ["127.0.2.1", "127.0.2.2", "127.0.2.1"]
    );
    assert_eq!(given(&classes, Some("us"), 2), ["127.0.3.1"; 2]);
    let mut any = given(&classes, None, 4);
    any.sort();
    assert_eq!(any, ["127.0.2.1", "127.0.2.2", "127.0.3.1", "127.0.3.1"]);
    let sources: Vec<String> = classes.sources().iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["127.0.2.1", "127.0.2.2", "127.0.3.1"]);
}

#[test]
fn a_wanted_address_is_found_in_its_class_and_not_in_another() {
    let classes = of("eu=127.0.2.1,us=127.0.3.1").unwrap();
    let want: IpAddr = [127, 0, 3, 1].into();
    for (class, found) in [(None, true), (Some("us"), true), (Some("eu"), false)] {
        let cx = cx().with_class(class).with_want(want);
        assert_eq!(classes.allocate(&cx).is_ok(), found, "{class:?}");
    }
}

#[test]
fn an_unknown_class_is_refused_for_good() {
    let classes = Classes::new().with("eu", "127.0.2.1".parse::<AddrList>().unwrap());
    let refused = classes.allocate(&cx().with_class("asia")).unwrap_err();
    assert_eq!(refused.reason, ExhaustedReason::UnknownClass);
    assert!(!refused.is_temporary());
}

#[test]
fn options_that_name_no_class_or_one_twice_are_refused() {
    for wrong in [
        "127.0.2.1",
        "eu=127.0.2.1,eu=127.0.2.2",
        "=127.0.2.1",
        "eu=",
        "eu=nonsense",
    ] {
        let error = of(wrong).unwrap_err();
        assert_eq!(error.key(), "sources", "{wrong}");
    }
}
