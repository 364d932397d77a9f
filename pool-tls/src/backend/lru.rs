//! A map that forgets what was used longest ago.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most `capacity` values, by key.
pub(crate) struct Lru<K, V> {
    capacity: usize,
    /// Counts uses. The tick of the latest one.
    tick: u64,
    entries: HashMap<K, (u64, V)>,
    /// The same keys by tick, oldest first.
    order: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// An empty map. A `capacity` of zero is taken as one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            tick: 0,
            entries: HashMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// The value of `key`, which becomes the last used one.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (tick, value) = self.entries.get_mut(key)?;
        let key = self
            .order
            .remove(tick)
            .expect("every entry is in the order under its tick");
        self.tick += 1;
        *tick = self.tick;
        self.order.insert(self.tick, key);
        Some(value)
    }

    /// The value of `key`, made if there is none, at the cost of the one used longest ago if the map is full.
    pub(crate) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(key) {
            if self.entries.len() == self.capacity
                && let Some((_, oldest)) = self.order.pop_first()
            {
                self.entries.remove(&oldest);
            }
            self.tick += 1;
            self.entries.insert(key.clone(), (self.tick, make()));
            self.order.insert(self.tick, key.clone());
        }
        self.get_mut(key)
            .expect("it was there or has been inserted")
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.order.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_forgets_what_was_used_longest_ago() {
        let mut map = Lru::new(2);
        map.get_or_insert_with(&"a", || 1);
        map.get_or_insert_with(&"b", || 2);
        assert_eq!(map.get_mut(&"a"), Some(&mut 1));
        map.get_or_insert_with(&"c", || 3);
        assert_eq!(map.get_mut(&"b"), None);
        assert_eq!(map.get_mut(&"a"), Some(&mut 1));
        assert_eq!(*map.get_or_insert_with(&"c", || 4), 3);
        assert_eq!(map.len(), 2);
    }
}
