//! What hosts have in common that differ in nothing but their source class: one site, one limit on connections.

use std::collections::HashMap;
use std::ops::Deref;

use super::sync::{AtomicUsize, Ordering, StdArc, StdWeak};
use crate::key::{Key, SourceClass};

/// The counts of one site; those that the budget keeps are written under its lock.
#[derive(Debug, Default)]
pub(crate) struct Site {
    /// Connections and dials that hold a permit.
    pub(crate) conns: AtomicUsize,
    /// Hosts of it in the budget's ring.
    pub(crate) enrolled: AtomicUsize,
    hosts: AtomicUsize,
}

impl Site {
    /// Whether it has more than one host.
    pub(crate) fn is_shared(&self) -> bool {
        self.hosts.load(Ordering::SeqCst) > 1
    }
}

/// A host's part in its site.
#[derive(Debug)]
pub(crate) struct Member(StdArc<Site>);

impl Member {
    fn of(site: StdArc<Site>) -> Self {
        site.hosts.fetch_add(1, Ordering::SeqCst);
        Self(site)
    }

    /// The site, for a permit that may outlive the host.
    pub(crate) fn site(&self) -> StdArc<Site> {
        self.0.clone()
    }

    pub(crate) fn is_sibling_of(&self, other: &Self) -> bool {
        StdArc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Member {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.hosts.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Every site with a host, and some that had one.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    known: HashMap<Key, StdWeak<Site>>,
    /// With so many, those without hosts are forgotten.
    crowded: usize,
}

impl Sites {
    /// The site of this key's host, for one more.
    pub(crate) fn join(&mut self, key: &Key) -> Member {
        let key = key.clone().source(SourceClass::Any);
        if let Some(site) = self.known.get(&key).and_then(StdWeak::upgrade) {
            return Member::of(site);
        }
        if self.known.len() >= self.crowded {
            self.known.retain(|_, site| site.strong_count() > 0);
            self.crowded = 2 * self.known.len() + 16;
        }
        let site = StdArc::default();
        self.known.insert(key, StdArc::downgrade(&site));
        Member::of(site)
    }
}
