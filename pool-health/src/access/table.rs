//! The rules of one source, found by longest match.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use super::prefix::Bits;
use super::{AccessAction, AccessRule, IpPrefix};

/// One rule for each prefix.
///
/// A lookup asks one hash table for each prefix length in use: as many as there are, 33 and 129 at most, whatever the number of rules.
/// A million IPv4 prefixes with the same terms are 17 bytes each, at a load of a half or better.
#[derive(Debug, Default)]
pub(super) struct Table {
    v4: Family<u32>,
    v6: Family<u128>,
    /// Those that end, soonest first.
    expiries: BTreeSet<(Instant, IpPrefix)>,
    /// Terms of the rule that came last: in long lists they are the same for many.
    latest: Option<Arc<Terms>>,
}

/// What a rule says besides its prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) action: AccessAction,
    pub(super) expires: Option<Instant>,
    pub(super) reason: Arc<str>,
}

impl Table {
    pub(super) fn insert(&mut self, rule: AccessRule) -> Option<AccessRule> {
        let prefix = rule.prefix;
        if let Some(at) = rule.expires {
            self.expiries.insert((at, prefix));
        }
        let terms = self.share(rule);
        let new_end = terms.expires;
        let old = match prefix.addr() {
            IpAddr::V4(addr) => self.v4.insert(addr.to_bits(), prefix.len(), terms),
            IpAddr::V6(addr) => self.v6.insert(addr.to_bits(), prefix.len(), terms),
        }?;
        if old.expires != new_end {
            self.forget_expiry(prefix, &old);
        }
        Some(old.rule(prefix))
    }

    pub(super) fn remove(&mut self, prefix: IpPrefix) -> Option<AccessRule> {
        let old = match prefix.addr() {
            IpAddr::V4(addr) => self.v4.remove(addr.to_bits(), prefix.len()),
            IpAddr::V6(addr) => self.v6.remove(addr.to_bits(), prefix.len()),
        }?;
        self.forget_expiry(prefix, &old);
        Some(old.rule(prefix))
    }

    /// Takes out what has expired at `now`, soonest first.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<AccessRule> {
        let mut expired = Vec::new();
        while let Some(&(_, prefix)) = self.expiries.first().filter(|&&(at, _)| at <= now) {
            // Taking the rule takes its entry here along, so that the loop goes on.
            expired.extend(self.remove(prefix));
        }
        expired
    }

    /// The longest prefix of `addr`, which is canonical, among the rules that have not expired.
    pub(super) fn longest(&self, addr: IpAddr, now: Instant) -> Option<(IpPrefix, &Terms)> {
        match addr {
            IpAddr::V4(v4) => self.v4.longest(v4.to_bits(), now, |bits| {
                IpAddr::from(Ipv4Addr::from_bits(bits))
            }),
            IpAddr::V6(v6) => self.v6.longest(v6.to_bits(), now, |bits| {
                IpAddr::from(Ipv6Addr::from_bits(bits))
            }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// All rules, in no order.
    pub(super) fn rules(&self) -> impl Iterator<Item = AccessRule> {
        let v4 = self
            .v4
            .iter()
            .map(|(bits, len, terms)| (IpAddr::from(Ipv4Addr::from_bits(bits)), len, terms));
        let v6 = self
            .v6
            .iter()
            .map(|(bits, len, terms)| (IpAddr::from(Ipv6Addr::from_bits(bits)), len, terms));
        v4.chain(v6)
            .map(|(addr, len, terms)| terms.rule(prefix_of(addr, len)))
    }

    fn forget_expiry(&mut self, prefix: IpPrefix, terms: &Terms) {
        if let Some(at) = terms.expires {
            self.expiries.remove(&(at, prefix));
        }
    }

    fn share(&mut self, rule: AccessRule) -> Arc<Terms> {
        let terms = Terms {
            action: rule.action,
            expires: rule.expires,
            reason: rule.reason,
        };
        if let Some(latest) = self.latest.as_ref().filter(|latest| ***latest == terms) {
            return Arc::clone(latest);
        }
        let terms = Arc::new(terms);
        self.latest = Some(Arc::clone(&terms));
        terms
    }
}

impl FromIterator<AccessRule> for Table {
    /// Of several rules for one prefix the last one stays.
    fn from_iter<I: IntoIterator<Item = AccessRule>>(rules: I) -> Self {
        let mut table = Self::default();
        for rule in rules {
            table.insert(rule);
        }
        table
    }
}

impl Terms {
    pub(super) fn rule(&self, prefix: IpPrefix) -> AccessRule {
        let mut rule = AccessRule::new(self.action, prefix);
        rule.expires = self.expires;
        rule.reason = Arc::clone(&self.reason);
        rule
    }

    fn is_in_force(&self, now: Instant) -> bool {
        self.expires.is_none_or(|at| at > now)
    }
}

/// The rules of one address family, by prefix length.
#[derive(Debug)]
struct Family<B>(BTreeMap<u8, HashMap<B, Arc<Terms>>>);

impl<B> Default for Family<B> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<B: Bits + Eq + Hash> Family<B> {
    fn insert(&mut self, bits: B, len: u8, terms: Arc<Terms>) -> Option<Arc<Terms>> {
        self.0.entry(len).or_default().insert(bits, terms)
    }

    fn remove(&mut self, bits: B, len: u8) -> Option<Arc<Terms>> {
        let rules = self.0.get_mut(&len)?;
        let old = rules.remove(&bits);
        // A length that is not in use must not be asked for.
        if rules.is_empty() {
            self.0.remove(&len);
        }
        old
    }

    fn longest(
        &self,
        bits: B,
        now: Instant,
        addr: impl Fn(B) -> IpAddr,
    ) -> Option<(IpPrefix, &Terms)> {
        self.0.iter().rev().find_map(|(&len, rules)| {
            let masked = bits.masked(len);
            let terms = rules.get(&masked).filter(|terms| terms.is_in_force(now))?;
            Some((prefix_of(addr(masked), len), terms.as_ref()))
        })
    }

    fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }

    fn iter(&self) -> impl Iterator<Item = (B, u8, &Terms)> {
        self.0.iter().flat_map(|(&len, rules)| {
            rules
                .iter()
                .map(move |(&bits, terms)| (bits, len, terms.as_ref()))
        })
    }
}

fn prefix_of(addr: IpAddr, len: u8) -> IpPrefix {
    IpPrefix::new(addr, len).expect("only prefixes were inserted")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLION: u32 = 1_000_000;

    fn bans(len: u8) -> impl Iterator<Item = AccessRule> {
        (0..MILLION).map(move |n| {
            let addr = Ipv4Addr::from_bits(n << (32 - u32::from(len)));
            AccessRule::deny(prefix_of(addr.into(), len)).reason("a scanner")
        })
    }

    #[test]
    fn a_million_rules_share_their_terms_and_take_little_room() {
        let table: Table = bans(32).collect();
        assert_eq!(table.len(), MILLION as usize);
        let rules = &table.v4.0[&32];
        let shared: BTreeSet<_> = rules.values().map(Arc::as_ptr).collect();
        assert_eq!(shared.len(), 1, "one reason, not a million");
        // An entry is a key and a pointer, and there is no more than twice the room that is needed.
        assert!(size_of::<(u32, Arc<Terms>)>() <= 16);
        assert!(rules.capacity() <= 2 * MILLION as usize);
        assert!(
            table.expiries.is_empty(),
            "what does not end is not listed by its end"
        );
    }

    #[test]
    fn a_lookup_asks_one_table_for_each_length_however_many_rules_there_are() {
        let mut table: Table = bans(32).chain(bans(24)).collect();
        assert_eq!(table.v4.0.len(), 2);
        for rule in bans(24) {
            table.remove(rule.prefix);
        }
        assert_eq!(table.v4.0.len(), 1, "a length out of use is not asked");
        assert_eq!(table.len(), MILLION as usize);
    }

    #[test]
    fn many_bans_that_end_leave_nothing_behind() {
        #[expect(
            clippy::disallowed_methods,
            reason = "there is no other way to an Instant, and nothing depends on which one it is"
        )]
        let now = Instant::now();
        let many = 50_000;
        let second = std::time::Duration::from_secs(1);
        let mut table: Table = bans(32)
            .take(many)
            .map(|rule| rule.lasting(second, now))
            .collect();
        // Renewed: the old ends are not kept beside the new ones.
        for rule in bans(32).take(many) {
            table.insert(rule.lasting(2 * second, now));
        }
        assert_eq!(table.expiries.len(), many);
        assert_eq!(table.expire(now + second), []);
        assert_eq!(table.expire(now + 2 * second).len(), many);
        assert_eq!((table.len(), table.expiries.len()), (0, 0));
        assert!(table.v4.0.is_empty());
    }
}
