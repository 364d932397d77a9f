//! Access lists against a naive model, for any rules and any addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use pool_health::{
    Access, AccessAction, AccessContext, AccessList, AccessRule, IpPrefix, Moment, PrefixList,
    format_rules, parse_rules,
};
use proptest::prelude::*;

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn any_instant() -> Instant {
    Instant::now()
}

/// Few bits, so that prefixes nest and addresses hit: three at the top, three at the bottom.
fn addr() -> impl Strategy<Value = IpAddr> {
    (0..8_u32, 0..8_u32, any::<bool>()).prop_map(|(high, low, v4)| {
        if v4 {
            IpAddr::from(Ipv4Addr::from_bits(high << 29 | low))
        } else {
            // Never one of NAT64, which has a rule of its own.
            IpAddr::from(Ipv6Addr::from_bits(
                u128::from(high) << 125 | u128::from(low) | 1 << 64,
            ))
        }
    })
}

fn prefix() -> impl Strategy<Value = IpPrefix> {
    (addr(), 0..=128_u8).prop_map(|(addr, len)| {
        let (len, masked) = match addr {
            IpAddr::V4(v4) => {
                let len = len % 33;
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                (len, IpAddr::from(Ipv4Addr::from_bits(v4.to_bits() & mask)))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                (len, IpAddr::from(Ipv6Addr::from_bits(v6.to_bits() & mask)))
            }
        };
        IpPrefix::new(masked, len).expect("it is masked")
    })
}

/// Seconds after the start, if it ends.
fn rule() -> impl Strategy<Value = (IpPrefix, AccessAction, Option<u64>)> {
    let action = prop_oneof![Just(AccessAction::Allow), Just(AccessAction::Deny)];
    (prefix(), action, prop::option::of(0..10_u64))
}

#[derive(Debug, Clone)]
enum Op {
    Insert(usize, (IpPrefix, AccessAction, Option<u64>)),
    Remove(usize, IpPrefix),
    Replace(usize, Vec<(IpPrefix, AccessAction, Option<u64>)>),
    Expire(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let source = 0..SOURCES.len();
    prop_oneof![
        6 => (source.clone(), rule()).prop_map(|(source, rule)| Op::Insert(source, rule)),
        2 => (source.clone(), prefix()).prop_map(|(source, prefix)| Op::Remove(source, prefix)),
        1 => (source, prop::collection::vec(rule(), 0..6)).prop_map(|(source, rules)| Op::Replace(source, rules)),
        1 => (0..10_u64).prop_map(Op::Expire),
    ]
}

const SOURCES: [&str; 2] = ["config", "bans"];

/// A list of rules, the latest for a prefix and source last: the answer is found by looking at all of them.
#[derive(Debug, Default)]
struct Model(Vec<(usize, AccessRule)>);

impl Model {
    fn remove(&mut self, source: usize, prefix: IpPrefix) {
        self.0
            .retain(|(own, rule)| *own != source || rule.prefix != prefix);
    }

    fn insert(&mut self, source: usize, rule: AccessRule) {
        self.remove(source, rule.prefix);
        self.0.push((source, rule));
    }

    fn allows(&self, addr: IpAddr, now: Instant) -> bool {
        let rules = self.0.iter().map(|(_, rule)| rule);
        let holds = rules.filter(|rule| !rule.is_expired(now) && rule.prefix.contains(addr));
        holds
            .max_by_key(|rule| (rule.prefix.len(), rule.action == AccessAction::Deny))
            .is_none_or(|rule| rule.action == AccessAction::Allow)
    }
}

proptest! {
    #[test]
    fn a_list_agrees_with_looking_at_every_rule(ops in prop::collection::vec(op(), 0..40), asks in prop::collection::vec((addr(), 0..12_u64), 1..40)) {
        let start = any_instant();
        let build = |(prefix, action, end): (IpPrefix, AccessAction, Option<u64>)| {
            let rule = AccessRule::new(action, prefix);
            match end {
                Some(secs) => rule.lasting(Duration::from_secs(secs), start),
                None => rule,
            }
        };
        let (list, mut model) = (PrefixList::default(), Model::default());
        for op in ops {
            match op {
                Op::Insert(source, rule) => {
                    let rule = build(rule);
                    list.insert(SOURCES[source], rule.clone());
                    model.insert(source, rule);
                }
                Op::Remove(source, prefix) => {
                    list.remove(SOURCES[source], prefix);
                    model.remove(source, prefix);
                }
                Op::Replace(source, rules) => {
                    let rules: Vec<AccessRule> = rules.into_iter().map(build).collect();
                    list.replace(SOURCES[source], rules.clone());
                    model.0.retain(|(own, _)| *own != source);
                    rules.into_iter().for_each(|rule| model.insert(source, rule));
                }
                Op::Expire(secs) => {
                    let at = start + Duration::from_secs(secs);
                    let before = model.0.len();
                    model.0.retain(|(_, rule)| !rule.is_expired(at));
                    prop_assert_eq!(list.expire(at).len(), before - model.0.len());
                    // What was over then has no say later, so the model may forget it, but not for an earlier question.
                }
            }
        }
        let held: usize = list.sources().iter().map(|(_, rules)| rules).sum();
        prop_assert_eq!(held, model.0.len());
        for (addr, secs) in asks {
            let now = start + Duration::from_secs(secs);
            let cx = AccessContext::new(SocketAddr::new(addr, 1), "example.com", now);
            prop_assert_eq!(list.check(&cx) == Access::Allow, model.allows(addr, now), "{}", addr);
        }
    }

    #[test]
    fn rules_that_are_written_are_read_back(rules in prop::collection::btree_map(prefix(), (any::<bool>(), prop::option::of(1..1_000_000_000_u64), ".{0,20}"), 0..20)) {
        let now = Moment { instant: any_instant(), utc: UNIX_EPOCH + Duration::from_secs(1_900_000_000) };
        let rules: Vec<AccessRule> = rules.into_iter().map(|(prefix, (allow, end, reason))| {
            let action = if allow { AccessAction::Allow } else { AccessAction::Deny };
            let rule = AccessRule::new(action, prefix).reason(&reason);
            match end {
                Some(secs) => rule.lasting(Duration::from_secs(secs), now.instant),
                None => rule,
            }
        }).collect();
        let text = format_rules(&rules, now);
        prop_assert_eq!(parse_rules(&text, now).unwrap(), rules, "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_every_error_has_its_line(text in "(deny|allow|all|private|for=|until=|[0-9a-f:./]{0,20}|10\\.0\\.0\\.0/8|#|;| |\n|\\PC){0,30}") {
        let now = Moment { instant: any_instant(), utc: UNIX_EPOCH };
        if let Err(error) = parse_rules(&text, now) {
            let lines = text.lines().count();
            prop_assert!(error.errors().iter().all(|error| (1..=lines).contains(&error.line())));
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
