//! Who may be dialled: rules, their ends, their sources and their files.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pool_health::{
    Access, AccessAction, AccessChange, AccessChangeKind, AccessContext, AccessList, AccessRule,
    IpPrefix, Moment, Options, PrefixList, format_rules, parse_rules, parse_rules_as,
};

const SECOND: Duration = Duration::from_secs(1);

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn any_instant() -> Instant {
    Instant::now()
}

fn noon() -> Moment {
    Moment {
        instant: any_instant(),
        utc: UNIX_EPOCH + Duration::from_secs(1_900_000_000),
    }
}

fn prefix(text: &str) -> IpPrefix {
    text.parse().expect("a prefix")
}

fn check(list: &PrefixList, addr: &str, now: Instant) -> Access {
    let target = SocketAddr::new(addr.parse().expect("an address"), 443);
    list.check(&AccessContext::new(target, "example.com", now))
}

fn allows(list: &PrefixList, addr: &str) -> bool {
    check(list, addr, any_instant()).is_allowed()
}

fn list(text: &str) -> PrefixList {
    let list = PrefixList::default();
    list.replace("file", parse_rules(text, noon()).expect("rules"));
    list
}

#[test]
fn the_longest_match_decides_in_whatever_order_rules_were_written() {
    let rules = [
        "deny 10.0.0.0/8",
        "allow 10.1.0.0/16",
        "deny 10.1.2.0/24",
        "allow 10.1.2.3",
        "deny 2001:db8::/32",
        "allow 2001:db8:1::/48",
    ];
    let reversed: Vec<&str> = rules.iter().rev().copied().collect();
    for text in [rules.join("\n"), reversed.join("\n")] {
        let list = list(&text);
        for (addr, allowed) in [
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.1.0.0", true),
            ("10.1.2.2", false),
            ("10.1.2.3", true),
            ("10.1.2.4", false),
            ("10.1.3.0", true),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("2001:db8::1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", true),
        ] {
            assert_eq!(allows(&list, addr), allowed, "{addr}");
        }
    }
}

#[test]
fn without_a_match_the_fallback_decides_and_allow_rules_do_not_change_it() {
    let open = PrefixList::default();
    open.insert("config", AccessRule::allow(prefix("192.0.2.1")));
    assert!(allows(&open, "192.0.2.2"), "an exception is no guard");

    let guard = PrefixList::new(AccessAction::Deny);
    assert!(!allows(&guard, "192.0.2.1"));
    let rule = AccessRule::allow(prefix("192.0.2.1"));
    let now = any_instant();
    guard.insert("config", rule.lasting(SECOND, now));
    assert!(check(&guard, "192.0.2.1", now).is_allowed());
    assert!(!check(&guard, "192.0.2.2", now).is_allowed());
    assert!(!check(&guard, "192.0.2.1", now + SECOND).is_allowed());
}

#[test]
fn ipv4_in_the_clothes_of_ipv6_is_judged_as_ipv4() {
    let list = list("deny 127.0.0.0/8\ndeny ::ffff:192.0.2.0/120");
    for denied in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "192.0.2.9",
        "::ffff:192.0.2.9",
        "64:ff9b::127.0.0.1",
    ] {
        assert!(!allows(&list, denied), "{denied}");
    }
    for allowed in [
        "128.0.0.1",
        "::ffff:128.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9c::127.0.0.1",
    ] {
        assert!(allows(&list, allowed), "{allowed}");
    }
}

#[test]
fn either_half_of_a_nat64_address_may_deny_it() {
    let list = PrefixList::new(AccessAction::Deny);
    list.insert("config", AccessRule::allow(prefix("8.8.8.8")));
    assert!(
        allows(&list, "64:ff9b::8.8.8.8"),
        "its IPv4 half is allowed"
    );
    assert!(!allows(&list, "64:ff9b::8.8.4.4"), "neither half is");
    list.insert("config", AccessRule::deny(prefix("64:ff9b::/96")));
    assert!(!allows(&list, "64:ff9b::8.8.8.8"));
}

#[test]
fn the_rule_that_decides_is_told_with_its_source() {
    let list = list("deny 192.0.2.0/24 # ours\nallow 192.0.2.7");
    list.insert("bans", AccessRule::deny(prefix("192.0.2.9")));
    list.insert("other", AccessRule::allow(prefix("64:ff9b::/96")));
    for (addr, expected) in [
        ("192.0.2.1", Some(("file", "192.0.2.0/24"))),
        ("192.0.2.9", Some(("bans", "192.0.2.9/32"))),
        ("192.0.3.1", None),
        ("64:ff9b::c000:309", Some(("other", "64:ff9b::/96"))),
        ("64:ff9b::c000:209", Some(("bans", "192.0.2.9/32"))),
    ] {
        let target = SocketAddr::new(addr.parse().expect("an address"), 443);
        let found = list.rule_for(&AccessContext::new(target, "example.com", any_instant()));
        let expected = expected.map(|(source, text)| (source.into(), prefix(text)));
        assert_eq!(found.map(|(source, rule)| (source, rule.prefix)), expected);
    }
}

#[test]
fn a_rule_for_link_local_addresses_holds_in_every_zone() {
    let list = list("deny fe80::/10");
    for zone in [0, 1, 7] {
        let target = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 443, 9, zone);
        let cx = AccessContext::new(target.into(), "printer.local", any_instant());
        assert!(!list.check(&cx).is_allowed(), "zone {zone}");
    }
}

#[test]
fn a_rule_ends_at_exactly_its_time_and_uncovers_the_shorter_one() {
    let now = any_instant();
    let list = PrefixList::default();
    list.insert("config", AccessRule::deny(prefix("10.0.0.0/8")));
    let allow = AccessRule::allow(prefix("10.0.0.1")).lasting(10 * SECOND, now);
    list.insert("config", allow);
    let nanosecond = Duration::from_nanos(1);
    assert!(check(&list, "10.0.0.1", now + 10 * SECOND - nanosecond).is_allowed());
    assert!(!check(&list, "10.0.0.1", now + 10 * SECOND).is_allowed());
}

#[test]
fn a_time_of_zero_never_counts_and_one_without_end_always_does() {
    let now = any_instant();
    let list = PrefixList::default();
    let rule = |addr, ttl| AccessRule::deny(prefix(addr)).lasting(ttl, now);
    list.insert("bans", rule("192.0.2.1", Duration::ZERO));
    list.insert("bans", rule("192.0.2.2", Duration::MAX));
    assert!(check(&list, "192.0.2.1", now).is_allowed());
    let far = now + Duration::from_secs(100 * 365 * 24 * 3600);
    assert!(!check(&list, "192.0.2.2", far).is_allowed());
    let ended: Vec<IpPrefix> = list.expire(far).iter().map(|rule| rule.prefix).collect();
    assert_eq!(ended, [prefix("192.0.2.1")]);
}

#[test]
fn what_has_expired_is_reported_once_soonest_first_and_changes_no_answer() {
    let now = any_instant();
    let list = PrefixList::default();
    for (addr, secs) in [("192.0.2.3", 3), ("192.0.2.1", 1), ("192.0.2.2", 2)] {
        list.insert(
            "bans",
            AccessRule::deny(prefix(addr)).lasting(secs * SECOND, now),
        );
    }
    let at = now + 2 * SECOND;
    let before: Vec<bool> = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        .map(|addr| check(&list, addr, at).is_allowed())
        .to_vec();
    let ended: Vec<String> = list
        .expire(at)
        .iter()
        .map(|rule| rule.prefix.to_string())
        .collect();
    assert_eq!(ended, ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(list.expire(at), []);
    assert_eq!(before, [true, true, false]);
    assert!(check(&list, "192.0.2.1", at).is_allowed());
    assert!(!check(&list, "192.0.2.3", at).is_allowed());
    assert_eq!(list.export("bans").len(), 1);
}

#[test]
fn a_ban_that_is_renewed_ends_when_the_later_one_does() {
    let now = any_instant();
    let list = PrefixList::default();
    let rule = |secs| AccessRule::deny(prefix("192.0.2.1")).lasting(secs * SECOND, now);
    list.insert("bans", rule(1));
    assert_eq!(list.insert("bans", rule(5)), Some(rule(1)));
    assert_eq!(list.expire(now + SECOND), []);
    assert!(!check(&list, "192.0.2.1", now + SECOND).is_allowed());
    assert_eq!(list.remove("bans", prefix("192.0.2.1")), Some(rule(5)));
    assert_eq!(list.expire(now + 5 * SECOND), []);
    assert_eq!(list.sources(), []);
}

#[test]
fn sources_do_not_undo_each_other_and_denial_wins_between_them() {
    let now = any_instant();
    let list = PrefixList::default();
    let ban = AccessRule::deny(prefix("192.0.2.1"));
    list.replace("file", [ban.clone()]);
    list.insert("bans", ban.clone().lasting(SECOND, now));
    list.insert("a", AccessRule::allow(prefix("192.0.2.1")));
    list.insert("z", AccessRule::allow(prefix("192.0.2.1")));
    list.expire(now + SECOND);
    assert!(!check(&list, "192.0.2.1", now + SECOND).is_allowed());
    list.replace("file", []);
    assert!(check(&list, "192.0.2.1", now + SECOND).is_allowed());
    list.insert("bans", ban.reason("answers 403"));
    let Access::Deny(denied) = check(&list, "192.0.2.1", now) else {
        panic!("it is banned");
    };
    assert_eq!(
        denied.to_string(),
        "denied by 192.0.2.1 of bans: answers 403"
    );
}

#[test]
fn each_change_is_told_once_with_its_revision_and_no_change_is_not_told() {
    let now = any_instant();
    let list = PrefixList::default();
    let told: Arc<Mutex<Vec<AccessChange>>> = Arc::default();
    let sink = Arc::clone(&told);
    list.on_change(move |change| sink.lock().unwrap().push(change.clone()));
    let rule = AccessRule::deny(prefix("192.0.2.1")).lasting(SECOND, now);
    let other = AccessRule::allow(prefix("::/0"));

    list.insert("bans", rule.clone());
    list.insert("bans", rule.clone());
    list.remove("bans", other.prefix);
    list.expire(now);
    list.expire(now + SECOND);
    list.replace("file", []);
    list.replace("file", [other.clone(), other.clone()]);
    list.remove("file", other.prefix);

    let told = told.lock().unwrap();
    let seen: Vec<_> = told
        .iter()
        .map(|change| (change.revision, &*change.source, change.kind.clone()))
        .collect();
    assert!(
        matches!(
            &seen[..],
            [
                (1, "bans", AccessChangeKind::Inserted(inserted)),
                (2, "bans", AccessChangeKind::Expired(expired)),
                (3, "file", AccessChangeKind::Replaced { before: 0, after: 1, .. }),
                (4, "file", AccessChangeKind::Removed(removed)),
            ] if *inserted == rule && *expired == rule && *removed == other
        ),
        "{seen:?}"
    );
    assert_eq!(list.revision(), 4);
}

#[test]
fn a_listener_may_read_and_change_the_list_that_calls_it() {
    let list = Arc::new(PrefixList::default());
    let inner = Arc::downgrade(&list);
    list.on_change(move |change| {
        let list = inner.upgrade().expect("it is calling");
        if &*change.source == "bans" {
            list.replace("mirror", list.export("bans"));
        }
    });
    list.insert("bans", AccessRule::deny(prefix("192.0.2.1")));
    assert_eq!(list.export("mirror"), list.export("bans"));
}

#[test]
fn a_file_has_one_rule_a_line_and_comments_are_reasons() {
    let now = noon();
    let text = "\u{feff}# bad neighbours\r\n\
        \r\n\
        deny 192.0.2.0/24   # scanners; since May\r\n\
        198.51.100.7 for=1m30s ; SBL 7\r\n\
        \tallow 192.0.2.9 until=2030-03-17T17:46:41Z\r\n\
        deny 203.0.113.1 until=1999-12-31T23:59:59Z";
    let rules = parse_rules(text, now).unwrap();
    let deny = |text| AccessRule::deny(prefix(text));
    assert_eq!(
        rules,
        [
            deny("192.0.2.0/24").reason("scanners; since May"),
            deny("198.51.100.7")
                .reason("SBL 7")
                .lasting(90 * SECOND, now.instant),
            AccessRule::allow(prefix("192.0.2.9")).lasting(SECOND, now.instant),
            deny("203.0.113.1").lasting(Duration::ZERO, now.instant),
        ]
    );
}

#[test]
fn a_line_without_an_action_means_what_the_reader_says() {
    let text = "192.0.2.1 # fine\ndeny 192.0.2.2\nallow 192.0.2.3\n";
    let actions = |unsaid| -> Vec<AccessAction> {
        let rules = parse_rules_as(unsaid, text, noon()).unwrap();
        rules.iter().map(|rule| rule.action).collect()
    };
    use AccessAction::{Allow, Deny};
    assert_eq!(actions(Allow), [Allow, Deny, Allow]);
    assert_eq!(actions(Deny), [Deny, Deny, Allow]);
}

#[test]
fn words_stand_for_prefixes_and_a_line_that_names_one_goes_before() {
    let list = list("allow 10.0.0.0/8\ndeny private");
    for (addr, allowed) in [
        ("10.0.0.1", true),
        ("192.168.0.1", false),
        ("8.8.8.8", true),
    ] {
        assert_eq!(allows(&list, addr), allowed, "{addr}");
    }
    list.replace(
        "file",
        parse_rules("deny all\nallow 8.8.8.8", noon()).unwrap(),
    );
    for (addr, allowed) in [
        ("8.8.8.8", true),
        ("8.8.4.4", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(allows(&list, addr), allowed, "{addr}");
    }
}

#[test]
fn every_bad_line_is_named_with_its_number_and_what_to_do() {
    for (line, says) in [
        ("alow 10.0.0.0/8", "\"alow\" is no address or prefix"),
        ("deny", "is missing after the action"),
        ("deny 10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("deny 10.0.0.0/8 for=0s", "no time above zero"),
        ("deny 10.0.0.0/8 for=ever", "no time above zero"),
        ("deny 10.0.0.0/8 until=tomorrow", "no time in UTC"),
        ("deny 10.0.0.0/8 too slow", "\"too\" after the prefix"),
        (
            "deny 10.0.0.0/8 for=1s for=2s",
            "\"for=2s\" after the prefix",
        ),
        ("deny 10.0.0.0/8 til=1s", "\"til=1s\" after the prefix"),
        ("allow 192.0.2.1", "the opposite of line 1 about 192.0.2.1"),
        ("\0", "no address or prefix"),
    ] {
        let text = format!("deny 192.0.2.1\n\n{line}\n");
        let error = parse_rules(&text, noon()).unwrap_err();
        let [only] = error.errors() else {
            panic!("{error}");
        };
        assert_eq!(only.line(), 3);
        let shown = error.to_string();
        assert!(
            shown.starts_with("line 3: ") && shown.contains(says),
            "{shown}"
        );
    }
    let error = parse_rules("x\n10.0.0.1\ny\nz", noon()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1: \"x\" is no address or prefix (and 2 more lines)"
    );
    assert_eq!(error.errors().len(), 3);
}

#[test]
fn a_list_survives_a_restart_with_the_time_that_is_left() {
    let now = noon();
    let list = PrefixList::default();
    let ban = |addr| AccessRule::deny(prefix(addr));
    list.insert(
        "bans",
        ban("192.0.2.1")
            .lasting(60 * SECOND, now.instant)
            .reason("resets\n# all"),
    );
    list.insert("bans", ban("192.0.2.2"));
    list.insert("bans", ban("192.0.2.3").lasting(SECOND, now.instant));
    let later = |secs| Moment {
        instant: now.instant + secs * SECOND,
        utc: now.utc + secs * SECOND,
    };
    let text = format_rules(&list.export("bans"), later(20));
    assert_eq!(
        text,
        "deny 192.0.2.1 until=2030-03-17T17:47:40Z # resets # all\ndeny 192.0.2.2\n"
    );
    // Another process, fifty seconds later by the clock on the wall.
    let restarted = Moment {
        instant: later(7).instant,
        utc: now.utc + 50 * SECOND,
    };
    let rules = parse_rules(&text, restarted).unwrap();
    assert_eq!(rules[0].expires, Some(restarted.instant + 10 * SECOND));
    assert_eq!(&*rules[0].reason, "resets # all");
    assert_eq!(rules[1].expires, None);
}

#[test]
fn an_end_that_no_calendar_has_is_none() {
    let now = noon();
    let rule = AccessRule::deny(prefix("192.0.2.1")).lasting(SECOND * u32::MAX * 100, now.instant);
    let text = format_rules([&rule], now);
    assert_eq!(text, "deny 192.0.2.1\n");
    let no_wall = Moment {
        utc: SystemTime::UNIX_EPOCH - SECOND * 3600,
        ..now
    };
    let rule = AccessRule::deny(prefix("192.0.2.1")).lasting(SECOND, now.instant);
    assert_eq!(format_rules([&rule], no_wall), "deny 192.0.2.1\n");
}

#[test]
fn a_configuration_is_read_and_its_mistakes_are_named() {
    let options = Options::from([
        ("deny", "private, 192.0.2.0/24"),
        ("allow", "10.0.0.0/8,2001:db8::1"),
    ]);
    let list = PrefixList::from_options(&options).unwrap();
    for (addr, allowed) in [
        ("192.168.0.1", false),
        ("192.0.2.1", false),
        ("10.0.0.1", true),
        ("2001:db8::1", true),
        ("2001:db8::2", false),
        ("8.8.8.8", true),
    ] {
        assert_eq!(allows(&list, addr), allowed, "{addr}");
    }
    let guard =
        PrefixList::from_options(&Options::from([("default", "deny"), ("allow", "8.8.8.8")]));
    assert!(!allows(&guard.unwrap(), "8.8.4.4"));
    for (options, key) in [
        (vec![("deny", "10.0.0.1/8")], "deny"),
        (vec![("allow", "example.com")], "allow"),
        (vec![("default", "maybe")], "default"),
        (
            vec![("deny", "10.0.0.1"), ("allow", "10.0.0.1/32")],
            "allow",
        ),
        (vec![("denny", "10.0.0.1")], "denny"),
    ] {
        let error = PrefixList::from_options(&options.into_iter().collect()).unwrap_err();
        assert_eq!(error.key(), key, "{error}");
    }
}

#[test]
fn a_million_rules_are_read_replaced_and_asked() {
    let mut text = String::new();
    for n in 0..1_000_000_u32 {
        // Every second address of 11.0.0.0 to 11.30.132.127.
        let [a, b, c, d] = (0x0b00_0000 + 2 * n).to_be_bytes();
        text.push_str(&format!("{a}.{b}.{c}.{d}\n"));
    }
    let list = list(&text);
    assert_eq!(list.sources()[0].1, 1_000_000);
    for n in 0..100_000_u32 {
        let addr = std::net::Ipv4Addr::from_bits(0x0b00_0000 + 20 * n);
        let next = std::net::Ipv4Addr::from_bits(0x0b00_0000 + 20 * n + 1);
        assert!(!allows(&list, &addr.to_string()), "{addr}");
        assert!(allows(&list, &next.to_string()), "{next}");
    }
    list.replace("file", []);
    assert!(allows(&list, "11.0.0.0"));
}
