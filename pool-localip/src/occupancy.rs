//! Who is in use: a count per number below a bound, and which number is next. Pure, without locks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter;

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
    /// Kept only where the least used are asked for.
    ranks: Option<Ranks>,
}

/// The numbers in use by how much they are.
#[derive(Debug, Default)]
struct Ranks {
    used: Intervals,
    by_count: BTreeMap<usize, BTreeSet<u128>>,
}

/// No number was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoneTaken {
    /// Each one is full or was refused.
    LookedAtAll,
    /// Too many in a row were refused.
    GaveUp,
}

impl Occupancy {
    pub(crate) fn new(size: u128) -> Self {
        Self {
            size,
            max_each: None,
            next: 0,
            counts: HashMap::new(),
            full: Intervals::default(),
            ranks: None,
        }
    }

    /// The use of numbers that are taken least used first.
    pub(crate) fn by_use(size: u128) -> Self {
        Self {
            ranks: Some(Ranks::default()),
            ..Self::new(size)
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

    /// Takes the next number that is not full and not refused: in rotation, or of those used least the next in rotation.
    pub(crate) fn take_next(
        &mut self,
        permits: impl FnMut(u128) -> bool,
    ) -> Result<u128, NoneTaken> {
        self.take_from(self.next, permits)
            .inspect(|&number| self.next = self.after(number))
    }

    /// As [`take_next`](Self::take_next), with `start` as the first in rotation. What it takes does not move the rotation.
    pub(crate) fn take_from(
        &mut self,
        start: u128,
        mut permits: impl FnMut(u128) -> bool,
    ) -> Result<u128, NoneTaken> {
        let mut looks = 0;
        let mut last = start;
        let found = self.candidates(start).find_map(|number| {
            last = number;
            looks += 1;
            if permits(number) {
                Some(Ok(number))
            } else {
                (looks == MAX_LOOKS).then_some(Err(NoneTaken::GaveUp))
            }
        });
        match found {
            Some(Ok(number)) => {
                self.add(number);
                Ok(number)
            }
            Some(Err(gave_up)) => {
                // The next one to ask looks at others.
                self.next = self.after(last);
                Err(gave_up)
            }
            None => Err(NoneTaken::LookedAtAll),
        }
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
        let count = *count;
        if count == 0 {
            self.counts.remove(&number);
        }
        if let Some(ranks) = &mut self.ranks {
            ranks.moved(number, count + 1, count);
        }
    }

    /// Whether there is a limit for each number.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_each.is_some()
    }

    /// Whether a number is full, so that giving it back makes room.
    pub(crate) fn is_any_full(&self) -> bool {
        self.full != Intervals::default()
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
        if let Some(ranks) = &mut self.ranks {
            ranks.moved(number, *count - 1, *count);
        }
    }

    fn after(&self, number: u128) -> u128 {
        if number + 1 < self.size {
            number + 1
        } else {
            0
        }
    }

    /// The numbers that are not full, the first choice first.
    fn candidates(&self, start: u128) -> impl Iterator<Item = u128> {
        let skipped = match &self.ranks {
            None => &self.full,
            Some(ranks) => &ranks.used,
        };
        let rotation = outside(skipped, start, self.size).chain(outside(skipped, 0, start));
        let used = self.ranks.iter().flat_map(move |ranks| {
            let below_max = |count: &usize| self.max_each.is_none_or(|max| *count < max);
            ranks
                .by_count
                .iter()
                .take_while(move |(count, _)| below_max(count))
                .flat_map(move |(_, numbers)| numbers.range(start..).chain(numbers.range(..start)))
                .copied()
        });
        rotation.chain(used)
    }
}

/// What takes the place of another one while its numbers are in use.
#[cfg(feature = "interfaces")]
impl Occupancy {
    /// Counts uses that began elsewhere, whatever the limit. The rotation does not move.
    pub(crate) fn adopt(&mut self, number: u128, uses: usize) {
        for _ in 0..uses {
            self.add(number);
        }
    }

    /// Where the rotation goes on.
    pub(crate) fn next(&self) -> u128 {
        self.next
    }

    /// Lets the rotation go on at this number, which must be below the size.
    pub(crate) fn go_on_at(&mut self, number: u128) {
        self.next = number;
    }
}

impl Ranks {
    fn moved(&mut self, number: u128, from: usize, to: usize) {
        match self.by_count.get_mut(&from) {
            None => self.used.insert(number, number), // From zero, which is not kept.
            Some(numbers) => {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_count.remove(&from);
                }
            }
        }
        if to == 0 {
            self.used.remove(number);
        } else {
            self.by_count.entry(to).or_default().insert(number);
        }
    }
}

/// What of `from..to` is not in the set, ascending.
fn outside(set: &Intervals, from: u128, to: u128) -> impl Iterator<Item = u128> {
    let at = move |number| set.first_outside(number).filter(|&number| number < to);
    iter::successors(at(from), move |number| number.checked_add(1).and_then(at))
}

/// Numbers looked at before an ask gives up, so that its cost is bounded however many are refused.
const MAX_LOOKS: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(use_of: &mut Occupancy) -> Option<u128> {
        use_of.take_next(|_| true).ok()
    }

    proptest! {
        #[test]
        fn the_least_used_are_taken_evenly_whatever_is_given_back(size in 1u128..8, max in 1usize..5, steps in proptest::collection::vec(any::<Option<prop::sample::Index>>(), 0..80)) {
            let mut use_of = Occupancy::by_use(size);
            use_of.set_max_each(max);
            let mut held: Vec<u128> = Vec::new();
            for step in steps {
                if let Some(which) = step.filter(|_| !held.is_empty()) {
                    use_of.give_back(held.swap_remove(which.index(held.len())));
                    continue;
                }
                let least = (0..size).map(|number| use_of.count(number)).min().unwrap();
                match next(&mut use_of) {
                    Some(number) => {
                        prop_assert_eq!(use_of.count(number), least + 1);
                        held.push(number);
                    }
                    None => prop_assert_eq!(least, max),
                }
            }
            for number in held {
                use_of.give_back(number);
            }
            let ranks = use_of.ranks.unwrap();
            prop_assert!(ranks.by_count.is_empty() && ranks.used == Intervals::default());
        }
    }

    #[test]
    fn what_is_refused_is_passed_over_and_a_long_row_of_it_gives_up_for_now() {
        for mut use_of in [Occupancy::new(1 << 64), Occupancy::by_use(1 << 64)] {
            assert_eq!(use_of.take_next(|number| number > 4000), Ok(4001));
            let far = |number| number > 10_000;
            assert_eq!(use_of.take_next(far), Err(NoneTaken::GaveUp));
            assert_eq!(
                use_of.take_next(far),
                Ok(10_001),
                "it goes on where it gave up"
            );
        }
        let mut use_of = Occupancy::new(3);
        assert_eq!(use_of.take_next(|_| false), Err(NoneTaken::LookedAtAll));
        assert!(!use_of.is_any_full());
    }

    #[test]
    fn the_rotation_skips_full_numbers_and_comes_back_to_freed_ones() {
        let mut use_of = Occupancy::new(3);
        use_of.set_max_each(1);
        assert!(use_of.take(1));
        assert_eq!(next(&mut use_of), Some(0));
        assert_eq!(next(&mut use_of), Some(2));
        assert_eq!(next(&mut use_of), None);
        use_of.give_back(1);
        assert_eq!(next(&mut use_of), Some(1));
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
        assert_eq!(next(&mut use_of), None, "two in use, two allowed");
        use_of.give_back(0);
        assert_eq!(next(&mut use_of), Some(0));
    }

    #[test]
    fn nothing_can_be_taken_of_nothing() {
        assert_eq!(next(&mut Occupancy::new(0)), None);
    }
}
