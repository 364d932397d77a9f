//! Well mixed numbers from a seed, the same on every machine and in every version.

/// The finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), after its step.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of `text`, in which ASCII letters count as lower case, as in a host name.
pub(crate) fn hash(seed: u64, text: &str) -> u128 {
    let half = |seed| {
        text.bytes().fold(mix(seed), |hash, byte| {
            mix(hash ^ u64::from(byte.to_ascii_lowercase()))
        })
    };
    (u128::from(half(seed)) << 64) | u128::from(half(!seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_last_release() {
        // A change here moves every sticky host to another source.
        assert_eq!(
            mix(0),
            0xe220_a839_7b1d_cdaf,
            "the first output of splitmix64"
        );
        assert_eq!(hash(7, "a"), 0xc89f_d983_f9a9_14b5_3c87_1a1c_e892_be19);
        assert_eq!(hash(7, "Example.COM"), hash(7, "example.com"));
        assert_ne!(hash(7, "example.com"), hash(8, "example.com"));
        assert_ne!(hash(7, ""), hash(7, "\0"));
    }
}
