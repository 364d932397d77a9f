//! Addresses that were ejected too often are banned.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::{Event, Observer};
use pool_health::{AccessAction, AccessContext, AccessRule, EjectReason, IpPrefix, PrefixList};

use crate::rules;

/// Counts the ejections of each address of each host by outlier policies, and bans an address after so many.
#[derive(Debug)]
pub(super) struct Bans {
    pub(super) list: Arc<PrefixList>,
    /// The source of its rules.
    pub(super) source: String,
    pub(super) after: NonZeroU32,
    pub(super) lasting: Duration,
    pub(super) ejections: Mutex<HashMap<(String, SocketAddr), u32>>,
}

impl Observer for Bans {
    fn on(&self, event: &Event<'_>) {
        if let Event::Ejected {
            key,
            target,
            policy: Some(why),
            ..
        } = *event
        {
            self.ejected(key.host(), target, why);
        }
    }
}

impl Bans {
    fn ejected(&self, host: &str, target: SocketAddr, why: EjectReason) {
        if !self.count(host, target) {
            return;
        }
        let now = rules::now().instant;
        let prefix = IpPrefix::from(target.ip());
        let by_name = self.list.rule_for(&AccessContext::new(target, host, now));
        let by_name = by_name.filter(|(_, rule)| rule.prefix == prefix);
        if by_name.is_some_and(|(_, rule)| rule.action == AccessAction::Allow) {
            // Whoever wrote that knows better.
            return;
        }
        let times = self.after;
        let reason = format!("ejected {times} times for {host}, lastly for {why}");
        let ban = AccessRule::deny(prefix).lasting(self.lasting, now);
        self.list.insert(&self.source, ban.reason(&reason));
    }

    /// Whether this was one too many; then counting begins anew.
    fn count(&self, host: &str, target: SocketAddr) -> bool {
        let ejections = self.ejections.lock();
        let mut ejections = ejections.unwrap_or_else(PoisonError::into_inner);
        if ejections.len() >= MOST {
            ejections.clear();
        }
        let key = (host.to_owned(), target);
        let count = ejections.entry(key.clone()).or_default();
        *count += 1;
        let banned = *count >= self.after.get();
        if banned {
            ejections.remove(&key);
        }
        banned
    }
}

/// So many addresses are counted at a time, some megabytes. A run that ejects more begins to count anew.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn bans() -> Bans {
        Bans {
            list: Arc::default(),
            source: "bans".into(),
            after: NonZeroU32::new(2).unwrap(),
            lasting: Duration::from_secs(600),
            ejections: Mutex::default(),
        }
    }

    fn target(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn eject(bans: &Bans, host: &str, port: u16) -> usize {
        bans.ejected(host, target(port), EjectReason::Status(403));
        bans.list.export("bans").len()
    }

    #[test]
    fn each_address_of_each_host_is_counted_for_itself() {
        let bans = bans();
        assert_eq!(eject(&bans, "a.test", 443), 0);
        assert_eq!(eject(&bans, "b.test", 443), 0);
        assert_eq!(eject(&bans, "a.test", 80), 0);
        assert_eq!(eject(&bans, "a.test", 443), 1);
        let ban = bans.list.export("bans").remove(0);
        assert_eq!(ban.prefix, target(0).ip().into());
        assert_eq!(
            &*ban.reason,
            "ejected 2 times for a.test, lastly for status 403"
        );
        let left = ban.expires.unwrap() - rules::now().instant;
        assert!(left <= bans.lasting && left > bans.lasting / 2);
        assert!(bans.ejections.lock().unwrap().len() == 2, "it begins anew");
    }

    #[test]
    fn who_is_allowed_by_name_is_not_banned_and_by_a_longer_prefix_is() {
        let bans = bans();
        let allow = |text: &str| AccessRule::allow(text.parse::<IpPrefix>().unwrap());
        bans.list.insert("file", allow("192.0.2.1"));
        assert_eq!((1..=4).map(|_| eject(&bans, "a.test", 443)).max(), Some(0));
        bans.list.replace("file", [allow("192.0.2.0/24")]);
        assert_eq!((1..=2).map(|_| eject(&bans, "a.test", 443)).max(), Some(1));
    }
}
