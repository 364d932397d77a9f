//! Allow and deny by prefix, changed while it is in use.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use super::table::{Table, Terms};
use super::{
    Access, AccessAction, AccessChange, AccessChangeKind, AccessContext, AccessList, AccessRule,
    Denied, IpPrefix,
};
use crate::{OptionDoc, Options, OptionsError};

/// Allows or denies by the longest prefix that matches, from several sources, and may change at any time.
///
/// - **Longest match:** of all rules that hold the address and have not expired, the one with the longest prefix decides, whatever the
///   order they were written in. Of two equally long ones, from different sources, the one that denies does.
/// - **No match:** the fallback decides: [`Allow`](AccessAction::Allow) for a list of bans, [`Deny`](AccessAction::Deny) for a list of the only addresses
///   that may be dialled. Allow rules alone do not make it the second: they are exceptions to denials, and
///   one that expires must not open everything.
/// - **Sources:** each rule belongs to one: a file, `config`, a component that bans. A prefix has at most one rule per source;
///   the last one stays. [`replace`](Self::replace) reloads one source and leaves the others alone.
/// - **IPv4 inside IPv6:** a mapped address (`::ffff:192.0.2.1`) is the IPv4 address. One of NAT64's well-known prefix (`64:ff9b::/96`, RFC
///   6052) is judged as itself and as the IPv4 address inside; either may deny it. Zones (`fe80::1%eth0`) do not matter.
/// - **Size:** a lookup asks one hash table per prefix length in use, so a million rules are as quick as a hundred. An IPv4 rule whose terms
///   are the same as the one before costs some 40 bytes at most. Replacing builds the new rules before it takes the lock.
///
/// ```
/// use pool_health::{AccessContext, AccessList, AccessRule, PrefixList};
/// use std::time::{Duration, Instant};
///
/// let list = PrefixList::default();
/// let now = Instant::now();
/// list.insert("config", AccessRule::deny("192.0.2.0/24".parse::<pool_health::IpPrefix>()?).reason("not ours"));
/// list.insert("config", AccessRule::allow("192.0.2.7".parse::<pool_health::IpPrefix>()?).lasting(Duration::from_secs(60), now));
///
/// let check = |addr: &str, at| list.check(&AccessContext::new(addr.parse().expect("an address"), "example.com", at));
/// assert!(check("192.0.2.7:443", now).is_allowed());
/// assert!(!check("[::ffff:192.0.2.8]:443", now).is_allowed());
/// assert!(!check("192.0.2.7:443", now + Duration::from_secs(60)).is_allowed());
/// # Ok::<(), pool_health::ParsePrefixError>(())
/// ```
#[derive(Default)]
pub struct PrefixList {
    fallback: Fallback,
    rules: RwLock<Rules>,
    listeners: RwLock<Vec<Listener>>,
}

#[derive(Debug, Default)]
struct Rules {
    revision: u64,
    /// None of them empty.
    by_source: BTreeMap<Arc<str>, Table>,
}

#[derive(Debug, Clone, Copy)]
struct Fallback(AccessAction);

impl Default for Fallback {
    fn default() -> Self {
        Self(AccessAction::Allow)
    }
}

type Listener = Arc<dyn Fn(&AccessChange) + Send + Sync>;

impl PrefixList {
    /// The name in configuration.
    pub const NAME: &'static str = "prefixes";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new(
            "deny",
            "addresses and prefixes that must not be dialled, with commas between; \"private\" for what is not on the internet, \"all\"",
            Some(""),
        ),
        OptionDoc::new(
            "allow",
            "addresses and prefixes that may be dialled although a shorter one is denied",
            Some(""),
        ),
        OptionDoc::new(
            "default",
            "\"allow\" or \"deny\" what no rule matches",
            Some("allow"),
        ),
    ];
    /// The source of the rules that [`from_options`](Self::from_options) makes.
    pub const CONFIG: &'static str = "config";

    /// A list without rules, of which all addresses meet with `fallback`. The default allows.
    pub fn new(fallback: AccessAction) -> Self {
        Self {
            fallback: Fallback(fallback),
            ..Self::default()
        }
    }

    /// Reads the list from configuration.
    ///
    /// # Errors
    ///
    /// If `deny` or `allow` is not a list of prefixes, both name the same one, `default` is neither action, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let fallback = options.text("default").unwrap_or("allow");
        let fallback = AccessAction::parse(fallback)
            .ok_or_else(|| OptionsError::invalid("default", fallback, r#""allow" or "deny""#))?;
        let (mut named, mut own) = (Vec::new(), BTreeMap::new());
        for action in [AccessAction::Deny, AccessAction::Allow] {
            let key = action.as_str();
            let text = options.text(key).unwrap_or_default();
            for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
                let prefixes = IpPrefix::named(word).map_err(|error| {
                    OptionsError::invalid(key, word, PREFIXES).with_source(error)
                })?;
                let [only] = prefixes[..] else {
                    named.extend(prefixes.iter().map(|&p| AccessRule::new(action, p)));
                    continue;
                };
                let agrees = own.insert(only, action).is_none_or(|old| old == action);
                options.ensure(
                    key,
                    agrees,
                    format!("nothing that \"deny\" has as well, as {only}"),
                )?;
            }
        }
        let list = Self::new(fallback);
        let own = own
            .into_iter()
            .map(|(prefix, action)| AccessRule::new(action, prefix));
        // Of two rules for one prefix the last one stays: the one that names it.
        list.replace(Self::CONFIG, named.into_iter().chain(own));
        Ok(list)
    }

    /// Adds a rule of `source`, in the place of its rule for the same prefix if there is one, which is returned.
    pub fn insert(&self, source: &str, rule: AccessRule) -> Option<AccessRule> {
        self.change(source, |table| {
            let old = table.insert(rule.clone());
            let changes = old.as_ref() != Some(&rule);
            let kind = changes.then_some(AccessChangeKind::Inserted(rule));
            (old, kind.into_iter().collect())
        })
    }

    /// Takes the rule of `source` for exactly this prefix away, and returns it.
    pub fn remove(&self, source: &str, prefix: IpPrefix) -> Option<AccessRule> {
        self.change(source, |table| {
            let old = table.remove(prefix);
            let kind = old.clone().map(AccessChangeKind::Removed);
            (old, kind.into_iter().collect())
        })
    }

    /// Puts `rules` in the place of all rules of `source`, at once: no lookup sees a part of them. Of several rules for one prefix the
    /// last one stays.
    pub fn replace(&self, source: &str, rules: impl IntoIterator<Item = AccessRule>) {
        let mut table: Table = rules.into_iter().collect();
        let after = table.len();
        // The old rules come back in `table` and are dropped when the lock is free again: there may be many.
        self.change(source, |own| {
            std::mem::swap(own, &mut table);
            let before = table.len();
            let changes = before > 0 || after > 0;
            let kind = changes.then_some(AccessChangeKind::Replaced { before, after });
            ((), kind.into_iter().collect())
        });
    }

    /// The rules of `source`, sorted by prefix, those included that have expired and were not taken out yet.
    pub fn export(&self, source: &str) -> Vec<AccessRule> {
        let mut rules: Vec<AccessRule> = match self.read().by_source.get(source) {
            Some(table) => table.rules().collect(),
            None => Vec::new(),
        };
        rules.sort_unstable_by_key(|rule| rule.prefix);
        rules
    }

    /// The rule that decides about an address, with its source; `None` if there is none and the fallback decides.
    pub fn rule_for(&self, cx: &AccessContext<'_>) -> Option<(Arc<str>, AccessRule)> {
        let rules = self.read();
        let decision = rules.decision(cx)?;
        let rule = decision.terms.rule(decision.prefix);
        Some((Arc::clone(decision.source), rule))
    }

    /// The sources that have rules, each with how many.
    pub fn sources(&self) -> Vec<(Arc<str>, usize)> {
        let rules = self.read();
        let sources = rules.by_source.iter();
        sources
            .map(|(source, table)| (Arc::clone(source), table.len()))
            .collect()
    }

    /// How many changes there were: a cheap way to see whether there are new ones.
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// Calls `listener` after each change, as long as the list lives.
    ///
    /// It is called in the thread that makes the change, when the list is unlocked, so it may read the list and change it again. It must
    /// not block: the pool's upkeep is among those who change lists. A panic reaches whoever made the change, which
    /// stays made.
    pub fn on_change(&self, listener: impl Fn(&AccessChange) + Send + Sync + 'static) {
        let mut listeners = self
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(Arc::new(listener));
    }

    fn change<R>(
        &self,
        source: &str,
        apply: impl FnOnce(&mut Table) -> (R, Vec<AccessChangeKind>),
    ) -> R {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let source = match rules.by_source.get_key_value(source) {
            Some((source, _)) => Arc::clone(source),
            None => Arc::from(source),
        };
        let table = rules.by_source.entry(Arc::clone(&source)).or_default();
        let (result, kinds) = apply(table);
        if table.len() == 0 {
            rules.by_source.remove(&source);
        }
        let mut changes = Vec::with_capacity(kinds.len());
        for kind in kinds {
            rules.revision += 1;
            changes.push(AccessChange {
                revision: rules.revision,
                source: Arc::clone(&source),
                kind,
            });
        }
        drop(rules);
        self.tell(&changes);
        result
    }

    fn tell(&self, changes: &[AccessChange]) {
        if changes.is_empty() {
            return;
        }
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let listeners = Vec::clone(&listeners);
        for listener in listeners {
            changes.iter().for_each(&*listener);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Rules> {
        // No plugin's code runs under the lock, and what runs leaves nothing half done.
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessList for PrefixList {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn check(&self, cx: &AccessContext<'_>) -> Access {
        let rules = self.read();
        match (rules.decision(cx), self.fallback.0) {
            (Some(decision), _) => match decision.terms.action {
                AccessAction::Allow => Access::Allow,
                AccessAction::Deny => Access::Deny(decision.denied()),
            },
            (None, AccessAction::Allow) => Access::Allow,
            (None, AccessAction::Deny) => Access::deny("no rule allows it"),
        }
    }

    fn expire(&self, now: Instant) -> Vec<AccessRule> {
        let sources: Vec<Arc<str>> = self.read().by_source.keys().cloned().collect();
        let mut all = Vec::new();
        for source in sources {
            all.extend(self.change(&source, |table| {
                let expired = table.expire(now);
                let kinds = expired.iter().cloned().map(AccessChangeKind::Expired);
                let kinds = kinds.collect();
                (expired, kinds)
            }));
        }
        all
    }
}

/// The rule that decides about an address.
struct Decision<'a> {
    source: &'a Arc<str>,
    prefix: IpPrefix,
    terms: &'a Terms,
}

impl Decision<'_> {
    fn denied(&self) -> Denied {
        let mut denied = Denied::new(Arc::clone(&self.terms.reason));
        denied.prefix = Some(self.prefix);
        denied.source = Some(Arc::clone(self.source));
        denied.expires = self.terms.expires;
        denied
    }
}

impl Rules {
    fn decision(&self, cx: &AccessContext<'_>) -> Option<Decision<'_>> {
        let decide = |addr| self.longest(addr, cx.now);
        let decisions = [decide(cx.addr()), nat64(cx.addr()).and_then(decide)];
        let decisions = decisions.into_iter().flatten();
        // The first one of equals: the address as it is.
        decisions.rev().max_by_key(|decision| decision.terms.action)
    }

    fn longest(&self, addr: IpAddr, now: Instant) -> Option<Decision<'_>> {
        let decisions = self.by_source.iter().filter_map(|(source, table)| {
            let (prefix, terms) = table.longest(addr, now)?;
            Some(Decision {
                source,
                prefix,
                terms,
            })
        });
        decisions.max_by_key(|decision| (decision.prefix.len(), decision.terms.action))
    }
}

/// The IPv4 address that one of NAT64's well-known prefix leads to.
fn nat64(addr: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = addr else {
        return None;
    };
    let bits = v6.to_bits();
    // The lower 32 bits, as they are.
    (bits >> 32 == NAT64 >> 32).then(|| Ipv4Addr::from_bits(bits as u32).into())
}

/// `64:ff9b::/96` (RFC 6052, section 2.1).
const NAT64: u128 = 0x0064_ff9b << 96;
const PREFIXES: &str = "addresses and prefixes such as \"192.0.2.1, 2001:db8::/32, private\"";

/// Says how many rules there are, and none of them: there may be a million.
impl fmt::Debug for PrefixList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: BTreeMap<_, _> = self.sources().into_iter().collect();
        f.debug_struct("PrefixList")
            .field("fallback", &self.fallback.0)
            .field("sources", &sources)
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}
