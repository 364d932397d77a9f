//! A shuffled order of very many numbers, computed and never written down.

use crate::mix::mix;

/// A permutation of `0..size` that a seed chooses: a Feistel network over the next even number of bits, walked until it lands
/// below the size.
///
/// Being one to one, it gives no number twice in `size` steps. Being a network, it runs backwards too. The domain of the
/// network is less than four times the size, so that a walk takes fewer than four rounds of it on average. Not a cipher: who
/// sees many of its numbers can tell the rest.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    size: u128,
    /// Bits in each half of a number, 1 to 64.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    pub(crate) fn new(size: u128, seed: u64) -> Self {
        let bits = u128::BITS - size.saturating_sub(1).leading_zeros();
        let mut key = seed;
        let keys = [(); ROUNDS].map(|()| {
            key = mix(key);
            key
        });
        Self {
            size,
            half: bits.div_ceil(2).max(1),
            keys,
        }
    }

    /// The number at this position; both are below the size.
    pub(crate) fn at(&self, position: u128) -> u128 {
        self.walk(position, |number| {
            self.keys.iter().fold(number, |n, &key| {
                let (left, right) = self.split(n);
                self.join(right, left ^ self.scramble(right, key))
            })
        })
    }

    /// The position of this number; both are below the size.
    pub(crate) fn position_of(&self, number: u128) -> u128 {
        self.walk(number, |number| {
            self.keys.iter().rev().fold(number, |n, &key| {
                let (left, right) = self.split(n);
                self.join(right ^ self.scramble(left, key), left)
            })
        })
    }

    /// The cycle that starts below the size comes back below it, at its start if nowhere else.
    fn walk(&self, start: u128, step: impl Fn(u128) -> u128) -> u128 {
        debug_assert!(start < self.size);
        let mut number = step(start);
        while number >= self.size {
            number = step(number);
        }
        number
    }

    fn scramble(&self, half: u64, key: u64) -> u64 {
        mix(half ^ key) & self.mask()
    }

    fn mask(&self) -> u64 {
        u64::MAX >> (u64::BITS - self.half)
    }

    fn split(&self, number: u128) -> (u64, u64) {
        let right = number as u64 & self.mask();
        ((number >> self.half) as u64, right)
    }

    fn join(&self, left: u64, right: u64) -> u128 {
        (u128::from(left) << self.half) | u128::from(right)
    }
}

/// Luby and Rackoff need four for a network that cannot be told from chance with few samples; the halves of small networks are
/// poor in functions, and more rounds cost little.
const ROUNDS: usize = 8;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_comes_once_and_is_found_again(size in 1u128..600, seed in any::<u64>()) {
            let shuffled = Permutation::new(size, seed);
            let numbers: HashSet<u128> = (0..size).map(|position| shuffled.at(position)).collect();
            prop_assert_eq!(numbers.len() as u128, size);
            prop_assert!(numbers.iter().all(|&number| number < size));
            for position in 0..size {
                prop_assert_eq!(shuffled.position_of(shuffled.at(position)), position);
            }
        }

        #[test]
        fn the_widest_sizes_run_both_ways(size in any::<u128>(), seed in any::<u64>(), positions in proptest::collection::vec(any::<u128>(), 8)) {
            prop_assume!(size > 0);
            let shuffled = Permutation::new(size, seed);
            for position in positions.into_iter().map(|p| p % size) {
                let number = shuffled.at(position);
                prop_assert!(number < size);
                prop_assert_eq!(shuffled.position_of(number), position);
            }
        }
    }

    /// Pearson's statistic of evenly expected buckets.
    fn chi_square(counts: &[u32]) -> f64 {
        let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        let square = |&count: &u32| (f64::from(count) - expected).powi(2) / expected;
        counts.iter().map(square).sum()
    }

    #[test]
    fn the_first_draws_of_a_64_bit_space_are_spread_evenly() {
        for seed in 0..8 {
            let shuffled = Permutation::new(1 << 64, seed);
            // The high bits, the low bits, and the pairs of what follows one another.
            let mut buckets = [[0u32; 256]; 3];
            let mut before = 0;
            for position in 0..1 << 16 {
                let number = shuffled.at(position);
                let high = (number >> 56) as usize;
                buckets[0][high] += 1;
                buckets[1][(number & 0xff) as usize] += 1;
                buckets[2][(before >> 4 << 4) | (high >> 4)] += 1;
                before = high;
            }
            for counts in &buckets {
                // 255 degrees of freedom: mean 255, and above 361 in one of 100,000 fair draws.
                let statistic = chi_square(counts);
                assert!(
                    (150.0..361.0).contains(&statistic),
                    "{statistic} with seed {seed}"
                );
            }
        }
    }
}
