//! Randomness that can be had again, and how much of a scenario to run.

/// A small generator (SplitMix64), seeded by `XTASK_SEED` and the name of the scenario.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of `scenario`; the seed is printed, and so is shown if the test fails.
    pub(crate) fn of(scenario: &str) -> Self {
        let seed = std::env::var("XTASK_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(1);
        println!("{scenario}: seed {seed}");
        let state = scenario
            .bytes()
            .fold(seed, |state, byte| mix(state ^ u64::from(byte)));
        Self { state }
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state) % bound
    }
}

/// `full` if `XTASK_FULL` is set, else `fast`.
pub(crate) fn rounds(fast: u64, full: u64) -> u64 {
    if std::env::var_os("XTASK_FULL").is_some() {
        full
    } else {
        fast
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
