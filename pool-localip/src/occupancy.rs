//! Who is in use: a count per number below a bound, and which number is next. Pure, without locks.

use std::collections::HashMap;

use crate::intervals::Intervals;

/// The use of the numbers `0..size`, each standing for one address.
///
/// Memory grows with the numbers in use, never with `size`. Finding the next one costs the logarithm of the number of
/// full runs, however many numbers are full.
#[derive(Debug)]
pub(crate) struct Occupancy {
    size: u128,
    max_each: Option<usize>,
    /// Where the rotation goes on; below `size` unless that is zero.
    next: u128,
    /// Above zero for each number present.
    counts: HashMap<u128, usize>,
    /// The numbers whose count is `max_each` or more.
    full: Intervals,
}

impl Occupancy {
    pub(crate) fn new(size: u128) -> Self {
        Self {
            size,
            max_each: None,
            next: 0,
            counts: HashMap::new(),
            full: Intervals::default(),
        }
    }

    pub(crate) fn set_max_each(&mut self, max: usize) {
        self.max_each = Some(max);
        self.full.clear();
        for (&number, &count) in &self.counts {
            if count >= max {
                self.full.insert(number, number);
            }
        }
    }

    /// Takes the next number in rotation that is not full; `None` if all are.
    pub(crate) fn take_next(&mut self) -> Option<u128> {
        let below_size = |number: &u128| *number < self.size;
        let number = self
            .full
            .first_outside(self.next)
            .filter(below_size)
            .or_else(|| self.full.first_outside(0).filter(below_size))?;
        self.next = if number + 1 < self.size {
            number + 1
        } else {
            0
        };
        self.add(number);
        Some(number)
    }

    /// Takes this number, which must be below the size; false if it is full. The rotation does not move.
    pub(crate) fn take(&mut self, number: u128) -> bool {
        if self.max_each.is_some_and(|max| self.count(number) >= max) {
            return false;
        }
        self.add(number);
        true
    }

    /// Gives back one use of a number taken before.
    pub(crate) fn give_back(&mut self, number: u128) {
        let count = self
            .counts
            .get_mut(&number)
            .expect("a number is given back once for each time it was taken");
        if Some(*count) == self.max_each {
            self.full.remove(number);
        }
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&number);
        }
    }

    pub(crate) fn count(&self, number: u128) -> usize {
        self.counts.get(&number).copied().unwrap_or(0)
    }

    /// The numbers in use with their counts, in no order.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u128, usize)> {
        self.counts.iter().map(|(&number, &count)| (number, count))
    }

    fn add(&mut self, number: u128) {
        let count = self.counts.entry(number).or_insert(0);
        *count += 1;
        if Some(*count) == self.max_each {
            self.full.insert(number, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rotation_skips_full_numbers_and_comes_back_to_freed_ones() {
        let mut use_of = Occupancy::new(3);
        use_of.set_max_each(1);
        assert!(use_of.take(1));
        assert_eq!(use_of.take_next(), Some(0));
        assert_eq!(use_of.take_next(), Some(2));
        assert_eq!(use_of.take_next(), None);
        use_of.give_back(1);
        assert_eq!(use_of.take_next(), Some(1));
    }

    #[test]
    fn a_limit_lowered_below_the_use_holds_until_the_use_is_below_it() {
        let mut use_of = Occupancy::new(1);
        for _ in 0..3 {
            assert!(use_of.take(0));
        }
        use_of.set_max_each(2);
        assert!(!use_of.take(0));
        use_of.give_back(0);
        assert_eq!(use_of.take_next(), None, "two in use, two allowed");
        use_of.give_back(0);
        assert_eq!(use_of.take_next(), Some(0));
    }

    #[test]
    fn nothing_can_be_taken_of_nothing() {
        assert_eq!(Occupancy::new(0).take_next(), None);
    }
}
