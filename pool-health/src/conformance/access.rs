//! What every pool relies on in an access list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Instant;

use super::{Numbers, ROUNDS, any_instant, assert_named, judged, later};
use crate::{Access, AccessContext, AccessList, AccessRule};

/// Checks that an access list keeps its promises. Its rules that expire within a century are taken out.
///
/// # Panics
///
/// If its name is empty, changes, or is no lower-case word; if it panics on some address, answers the same question differently the second
/// time, or differently for an IPv4 address that comes as an IPv4-mapped one; if it names a rule for a denial that does not hold
/// the address, or one that is over; if taking out what has expired changes an answer or brings a rule that has not expired,
/// or brings one twice.
pub fn access(list: &dyn AccessList) {
    let name = assert_named("access list", || list.name());
    let who = format!("access list {name:?}");
    let start = any_instant();

    let mut numbers = Numbers(4);
    let mut cases: Vec<Case> = (0..ROUNDS)
        .map(|_| Case::any(&mut numbers, start))
        .collect();
    let first: Vec<Access> = cases.iter().map(|case| case.check(list, &who)).collect();
    for (case, answer) in cases.iter().zip(&first) {
        assert_honest(&who, case, answer);
        case.assert_same_when_mapped(list, &who, answer);
    }
    // Backwards, so that what a list remembers of the calls before is something else this time.
    for (case, first) in cases.iter().zip(&first).rev() {
        let again = case.check(list, &who);
        assert!(
            *first == again,
            "{who} changes its mind: {:?} was answered {first:?} first and {again:?} later",
            case.context()
        );
    }
    cases.sort_by_key(|case| case.now);
    for case in &cases {
        assert_expires(list, &who, case);
    }
}

fn assert_honest(who: &str, case: &Case, answer: &Access) {
    let Access::Deny(denied) = answer else {
        return;
    };
    let cx = case.context();
    let addr = cx.addr();
    assert!(
        denied.prefix.is_none_or(
            |prefix| prefix.contains(addr) || nat64(addr).is_some_and(|v4| prefix.contains(v4))
        ),
        "{who} denies by a rule that does not hold the address: {denied:?} for {cx:?}"
    );
    assert!(
        denied.expires.is_none_or(|at| at > cx.now),
        "{who} denies by a rule that is over: {denied:?} for {cx:?}"
    );
}

fn nat64(addr: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = addr else {
        return None;
    };
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into())
}

/// Takes out what has expired at the case's moment; moments only go on.
fn assert_expires(list: &dyn AccessList, who: &str, case: &Case) {
    let cx = case.context();
    let expire = |now| -> Vec<AccessRule> { judged(who, &cx, || list.expire(now)) };
    let before = case.check(list, who);
    for rule in expire(case.now) {
        assert!(
            rule.is_expired(case.now),
            "{who} takes out a rule before its time: {rule:?}"
        );
    }
    let again = expire(case.now);
    assert!(
        again.is_empty(),
        "{who} reports twice what has expired: {again:?}"
    );
    let after = case.check(list, who);
    assert!(
        before == after,
        "{who} answers {cx:?} with {after:?} when what has expired is taken out, and with {before:?} before"
    );
}

/// A context that owns what it shows.
#[derive(Debug)]
struct Case {
    target: SocketAddr,
    now: Instant,
}

impl Case {
    fn any(numbers: &mut Numbers, start: Instant) -> Self {
        let some = [0; 2].map(|_| Ipv4Addr::from_bits(numbers.next() as u32));
        let v4 = numbers.pick(&[
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(169, 254, 169, 254),
            Ipv4Addr::new(192, 0, 2, 1),
            some[0],
            some[1],
        ]);
        let any = u128::from(numbers.next()) << 64 | u128::from(numbers.next());
        let v6 = numbers.pick(&[
            Ipv6Addr::LOCALHOST,
            Ipv6Addr::UNSPECIFIED,
            Ipv6Addr::from_bits(u128::MAX),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::from_bits(0x0064_ff9b << 96 | u128::from(v4.to_bits())),
            Ipv6Addr::from_bits(0x2001 << 112 | any >> 16),
            Ipv6Addr::from_bits(any),
        ]);
        let port = numbers.pick(&[0, 80, 443, u16::MAX]);
        let zone = numbers.pick(&[0, 1, u32::MAX]);
        Self {
            target: numbers.pick(&[
                SocketAddr::new(v4.into(), port),
                SocketAddrV6::new(v6, port, 0, zone).into(),
            ]),
            now: later(start, numbers.span()),
        }
    }

    fn context(&self) -> AccessContext<'_> {
        AccessContext::new(self.target, "example.com", self.now)
    }

    fn check(&self, list: &dyn AccessList, who: &str) -> Access {
        let cx = self.context();
        judged(who, &cx, || list.check(&cx))
    }

    fn assert_same_when_mapped(&self, list: &dyn AccessList, who: &str, answer: &Access) {
        let SocketAddr::V4(v4) = self.target else {
            return;
        };
        let mapped = Self {
            target: SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            now: self.now,
        };
        let other = mapped.check(list, who);
        assert!(
            *answer == other,
            "{who} answers {} with {answer:?}, and {} with {other:?}: it is the same address",
            self.target,
            mapped.target
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::{AccessAction, AllowAll, IpPrefix, PrefixList};

    fn prefix(text: &str) -> IpPrefix {
        text.parse().unwrap()
    }

    fn ban(ttl: Duration) -> AccessRule {
        AccessRule::deny(prefix("10.0.0.0/8")).lasting(ttl, any_instant())
    }

    #[test]
    fn every_built_in_list_conforms() {
        access(&AllowAll);
        access(&PrefixList::default());
        access(&PrefixList::new(AccessAction::Deny));
        let list = PrefixList::default();
        list.replace("file", IpPrefix::PRIVATE.map(AccessRule::deny));
        list.insert("file", AccessRule::allow(prefix("10.0.0.1")));
        for secs in [0, 1, 3_600, 30 * 24 * 3600] {
            list.insert(&format!("bans-{secs}"), ban(Duration::from_secs(secs)));
        }
        list.insert("bans", ban(Duration::from_secs(50 * 365 * 24 * 3600)));
        access(&list);
        assert_eq!(list.export("bans"), [], "all of it was looked at");
    }

    /// A list made of two functions, so that each lie below is one line.
    struct Liar<C, E>(C, E);

    impl<C, E> fmt::Debug for Liar<C, E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Liar")
        }
    }

    impl<C, E> AccessList for Liar<C, E>
    where
        C: Fn(&AccessContext<'_>) -> bool + Send + Sync,
        E: Fn(Instant) -> Vec<AccessRule> + Send + Sync,
    {
        fn name(&self) -> &'static str {
            "liar"
        }

        fn check(&self, cx: &AccessContext<'_>) -> Access {
            if self.0(cx) {
                Access::Allow
            } else {
                Access::deny("so it is")
            }
        }

        fn expire(&self, now: Instant) -> Vec<AccessRule> {
            self.1(now)
        }
    }

    fn nothing(_: Instant) -> Vec<AccessRule> {
        Vec::new()
    }

    #[test]
    #[should_panic(expected = "it is the same address")]
    fn a_guard_that_a_mapped_address_walks_around_is_found() {
        let guard = |cx: &AccessContext<'_>| !prefix("127.0.0.0/8").contains_exactly(cx);
        access(&Liar(guard, nothing));
    }

    impl IpPrefix {
        /// Without a thought about mapped addresses.
        fn contains_exactly(&self, cx: &AccessContext<'_>) -> bool {
            cx.target.is_ipv4() && self.contains(cx.target.ip())
        }
    }

    #[test]
    #[should_panic(expected = "panics when it judges")]
    fn a_list_that_knows_only_ipv4_is_found() {
        let only_v4 = |cx: &AccessContext<'_>| match cx.addr() {
            IpAddr::V4(v4) => !v4.is_private(),
            IpAddr::V6(_) => panic!("nobody has that"),
        };
        access(&Liar(only_v4, nothing));
    }

    #[test]
    #[should_panic(expected = "changes its mind")]
    fn a_list_that_counts_is_found() {
        let odd = AtomicBool::new(false);
        let counts =
            move |cx: &AccessContext<'_>| cx.addr().is_ipv4() || odd.fetch_not(Ordering::Relaxed);
        access(&Liar(counts, nothing));
    }

    #[test]
    #[should_panic(expected = "before its time")]
    fn a_list_that_lifts_living_bans_is_found() {
        access(&Liar(
            |_: &AccessContext<'_>| true,
            |_| vec![ban(Duration::MAX)],
        ));
    }

    #[test]
    #[should_panic(expected = "reports twice")]
    fn a_list_that_never_forgets_is_found() {
        let over = ban(Duration::ZERO);
        access(&Liar(
            |_: &AccessContext<'_>| true,
            move |_| vec![over.clone()],
        ));
    }

    #[test]
    #[should_panic(expected = "when what has expired is taken out")]
    fn a_list_whose_bans_end_only_when_it_is_cleaned_is_found() {
        let bans = Arc::new(Mutex::new(vec![ban(Duration::ZERO)]));
        let cleaned = Arc::clone(&bans);
        access(&Liar(
            move |_: &AccessContext<'_>| bans.lock().unwrap().is_empty(),
            move |_| std::mem::take(&mut *cleaned.lock().unwrap()),
        ));
    }

    #[derive(Debug)]
    struct Blames(IpPrefix, Option<Instant>);

    impl AccessList for Blames {
        fn name(&self) -> &'static str {
            "blames"
        }

        fn check(&self, _: &AccessContext<'_>) -> Access {
            let mut denied = crate::Denied::new("that rule says so");
            denied.prefix = Some(self.0);
            denied.expires = self.1;
            Access::Deny(denied)
        }
    }

    #[test]
    #[should_panic(expected = "a rule that does not hold the address")]
    fn a_list_that_blames_another_rule_is_found() {
        access(&Blames(prefix("192.0.2.0/24"), None));
    }

    #[derive(Debug)]
    struct Late;

    impl AccessList for Late {
        fn name(&self) -> &'static str {
            "late"
        }

        fn check(&self, cx: &AccessContext<'_>) -> Access {
            let mut denied = crate::Denied::new("until now");
            denied.expires = Some(cx.now);
            Access::Deny(denied)
        }
    }

    #[test]
    #[should_panic(expected = "a rule that is over")]
    fn a_list_that_denies_a_moment_too_long_is_found() {
        access(&Late);
    }
}
