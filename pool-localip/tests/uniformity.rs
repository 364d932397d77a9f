//! Whether random choice over a prefix is even: Pearson's chi-square test on buckets.

use std::net::IpAddr;
use std::time::Instant;

use pool_localip::{AddrSet, AllocContext, LocalAddrAllocator, Strategy};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing, and its value does not matter here"
)]
fn cx() -> AllocContext<'static> {
    let target = ([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1], 443).into();
    AllocContext::new(target, Instant::now())
}

/// The host parts of so many addresses of a `/64`, one after the other.
fn drawn(seed: u64, count: usize) -> Vec<u64> {
    let prefix: AddrSet = "2001:db8::/64".parse().expect("a prefix");
    let set = prefix.strategy(Strategy::Random { seed });
    let draw = || match set.allocate(&cx()).expect("there are more").addr() {
        Some(IpAddr::V6(addr)) => addr.to_bits() as u64,
        other => panic!("{other:?}"),
    };
    (0..count).map(|_| draw()).collect()
}

const BUCKETS: usize = 256;
const DRAWS: usize = 256 * 200;

/// The statistic for counts that ought to be equal.
fn chi_square(bucket_of: impl Fn(u64) -> usize, draws: &[u64]) -> f64 {
    let mut counts = [0_u32; BUCKETS];
    for &draw in draws {
        counts[bucket_of(draw)] += 1;
    }
    let expected = draws.len() as f64 / BUCKETS as f64;
    let distances = counts.map(|count| (f64::from(count) - expected).powi(2) / expected);
    distances.iter().sum()
}

/// The 99.99 % quantile of chi-square with 255 degrees of freedom, by the Wilson-Hilferty approximation (1931) with
/// z = 3.719: what an even choice exceeds once in ten thousand.
fn too_uneven() -> f64 {
    let (degrees, z) = ((BUCKETS - 1) as f64, 3.719);
    let ninth = 2.0 / (9.0 * degrees);
    degrees * (1.0 - ninth + z * ninth.sqrt()).powi(3)
}

/// The other tail, of an order that is too even to be random: a counter would have a statistic near zero.
fn too_even() -> f64 {
    let (degrees, z) = ((BUCKETS - 1) as f64, -3.719);
    let ninth = 2.0 / (9.0 * degrees);
    degrees * (1.0 - ninth + z * ninth.sqrt()).powi(3)
}

#[test]
fn every_part_of_a_64_bit_prefix_is_as_likely_as_any_other() {
    // Fixed seeds: the test says the same each time.
    for seed in 0..8 {
        let draws = drawn(seed, DRAWS);
        for shift in [0, 8, 16, 24, 32, 40, 48, 56] {
            let statistic = chi_square(|draw| (draw >> shift) as usize & 0xff, &draws);
            assert!(
                (too_even()..too_uneven()).contains(&statistic),
                "seed {seed}, the byte at bit {shift}: {statistic}"
            );
        }
    }
}

#[test]
fn one_draw_says_nothing_of_the_next() {
    for seed in 0..8 {
        let draws = drawn(seed, DRAWS + 1);
        let steps: Vec<u64> = draws
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        for shift in [0, 28, 56] {
            let statistic = chi_square(|step| (step >> shift) as usize & 0xff, &steps);
            assert!(
                (too_even()..too_uneven()).contains(&statistic),
                "seed {seed}, the byte at bit {shift}: {statistic}"
            );
        }
    }
}

#[test]
fn the_test_would_notice_an_uneven_choice() {
    let in_turn: Vec<u64> = (0..DRAWS as u64).collect();
    assert!(chi_square(|draw| draw as usize & 0xff, &in_turn) < too_even());
    let mut skewed = drawn(1, DRAWS);
    // One draw in fifty of another bucket's.
    for draw in skewed.iter_mut().step_by(50) {
        *draw = 0;
    }
    assert!(chi_square(|draw| draw as usize & 0xff, &skewed) > too_uneven());
}
