//! What hosts have in common that differ in nothing but their source class: one site, one limit on connections.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sync::{AtomicUsize, StdArc, StdWeak};
use crate::key::{Key, SourceClass};

/// The counts of one site; those that the budget keeps are written under its lock.
#[derive(Debug, Default)]
pub(crate) struct Site {
    /// Connections and dials that hold a permit.
    pub(crate) conns: AtomicUsize,
    /// Hosts of it in the budget's ring.
    pub(crate) enrolled: AtomicUsize,
    /// The source classes of its hosts, with how many hosts each has: one that is forgotten may be there beside the one that
    /// came after it. std's in models too, as nothing happens under the lock.
    classes: Mutex<HashMap<SourceClass, usize>>,
}

impl Site {
    fn classes(&self) -> MutexGuard<'_, HashMap<SourceClass, usize>> {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has hosts of more than one source class.
    pub(crate) fn is_shared(&self) -> bool {
        self.classes().len() > 1
    }
}

/// A host's part in its site.
#[derive(Debug)]
pub(crate) struct Member {
    site: StdArc<Site>,
    class: SourceClass,
}

impl Member {
    fn of(site: StdArc<Site>, class: SourceClass) -> Self {
        *site.classes().entry(class.clone()).or_default() += 1;
        Self { site, class }
    }

    /// The site, for a permit that may outlive the host.
    pub(crate) fn site(&self) -> StdArc<Site> {
        self.site.clone()
    }

    /// The source classes of the site's other hosts.
    pub(crate) fn other_classes(&self) -> Vec<SourceClass> {
        let classes = self.site.classes();
        let others = classes.keys().filter(|class| **class != self.class);
        others.cloned().collect()
    }
}

impl Deref for Member {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut classes = self.site.classes();
        if let Some(hosts) = classes.get_mut(&self.class) {
            *hosts -= 1;
            if *hosts == 0 {
                classes.remove(&self.class);
            }
        }
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
        let class = key.source_class().clone();
        let key = key.clone().source(SourceClass::Any);
        if let Some(site) = self.known.get(&key).and_then(StdWeak::upgrade) {
            return Member::of(site, class);
        }
        if self.known.len() >= self.crowded {
            self.known.retain(|_, site| site.strong_count() > 0);
            self.crowded = 2 * self.known.len() + 16;
        }
        let site = StdArc::default();
        self.known.insert(key, StdArc::downgrade(&site));
        Member::of(site, class)
    }
}
