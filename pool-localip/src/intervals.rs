//! A set of numbers kept as disjoint runs: memory grows with the runs, not with the numbers in them.

use std::collections::BTreeMap;

/// Disjoint inclusive runs, first to last. Runs that touch are merged, so the number after a run is never in the set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals {
    runs: BTreeMap<u128, u128>,
}

impl Intervals {
    /// Adds `first..=last`, none of which may be in the set.
    pub(crate) fn insert(&mut self, mut first: u128, mut last: u128) {
        debug_assert!(first <= last && self.gaps(first, last) == [(first, last)]);
        if let Some((&before, &end)) = self.runs.range(..first).next_back()
            && end + 1 == first
        {
            first = before;
        }
        if let Some(end) = last.checked_add(1).and_then(|next| self.runs.remove(&next)) {
            last = end;
        }
        self.runs.insert(first, last);
    }

    /// Takes out one number, which must be in the set.
    pub(crate) fn remove(&mut self, number: u128) {
        let (first, last) = self.run_of(number).expect("the number is in the set");
        self.runs.remove(&first);
        if first < number {
            self.runs.insert(first, number - 1);
        }
        if number < last {
            self.runs.insert(number + 1, last);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.runs.clear();
    }

    /// The least number from `from` on that is not in the set; `None` past the last number there is.
    pub(crate) fn first_outside(&self, from: u128) -> Option<u128> {
        match self.run_of(from) {
            Some((_, last)) => last.checked_add(1),
            None => Some(from),
        }
    }

    /// What of `first..=last` is not in the set, ascending.
    pub(crate) fn gaps(&self, first: u128, last: u128) -> Vec<(u128, u128)> {
        let mut gaps = Vec::new();
        let mut from = Some(first);
        while let Some(start) = from.and_then(|from| self.first_outside(from)) {
            if start > last {
                break;
            }
            let end = match self.runs.range(start..=last).next() {
                Some((&next, _)) => next - 1,
                None => last,
            };
            gaps.push((start, end));
            from = end.checked_add(1).filter(|&next| next <= last);
        }
        gaps
    }

    fn run_of(&self, number: u128) -> Option<(u128, u128)> {
        let (&first, &last) = self.runs.range(..=number).next_back()?;
        (number <= last).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_say_the_same_as_a_plain_set(toggles in proptest::collection::vec(0u128..24, 0..80), from in 0u128..24, len in 0u128..24) {
            let (mut runs, mut plain) = (Intervals::default(), BTreeSet::new());
            for number in toggles {
                if plain.insert(number) {
                    runs.insert(number, number);
                } else {
                    plain.remove(&number);
                    runs.remove(number);
                }
            }
            let outside = (from..).find(|n| !plain.contains(n));
            prop_assert_eq!(runs.first_outside(from), outside);
            let listed: Vec<u128> = runs.gaps(from, from + len).into_iter().flat_map(|(a, b)| a..=b).collect();
            let expected: Vec<u128> = (from..=from + len).filter(|n| !plain.contains(n)).collect();
            prop_assert_eq!(listed, expected);
            let adjacent = runs.runs.values().any(|last| runs.runs.contains_key(&(last + 1)));
            prop_assert!(!adjacent, "touching runs are merged");
        }
    }

    #[test]
    fn the_ends_of_the_number_range_do_not_overflow() {
        let mut runs = Intervals::default();
        runs.insert(u128::MAX, u128::MAX);
        runs.insert(0, 0);
        assert_eq!(runs.first_outside(u128::MAX), None);
        assert_eq!(runs.gaps(0, u128::MAX), [(1, u128::MAX - 1)]);
        runs.remove(u128::MAX);
        assert_eq!(runs.gaps(u128::MAX, u128::MAX), [(u128::MAX, u128::MAX)]);
    }
}
