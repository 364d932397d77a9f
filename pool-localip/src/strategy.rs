//! Which of the addresses that would do is taken.

use std::hash::{BuildHasher, RandomState};

use crate::AllocContext;
use crate::mix::hash;

/// How [`AddrSet`](crate::AddrSet) chooses among its addresses.
///
/// Every strategy costs the same for a `/64` as for ten addresses, and leases a wanted address
/// ([`AllocContext::want`]) all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// One after the other, in the order given.
    #[default]
    RoundRobin,
    /// One after the other in an order shuffled by `seed`: no address comes again before all have had their turn.
    ///
    /// The same seed and addresses give the same order, from its start, after a restart. The order is spread evenly and not
    /// secret: who sees many addresses can tell those to come.
    Random {
        /// Chooses the order.
        seed: u64,
    },
    /// The one with the fewest leases; of several the next in the order given.
    LeastUsed,
    /// The same for the same host or class, as long as the seed and the addresses are the same, after a restart too.
    Sticky {
        /// What decides.
        by: StickyBy,
        /// Chooses who gets which address.
        seed: u64,
        /// What happens while the address cannot be leased.
        when_busy: WhenBusy,
    },
}

/// What a sticky choice looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StickyBy {
    /// [`AllocContext::host`], in which upper and lower case are the same.
    Host,
    /// [`AllocContext::class`], likewise; every name is known then, and no class is one too.
    Class,
}

/// What a sticky choice does while its address cannot be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// Refuses: the dial waits for this address.
    Wait,
    /// Takes the next address that can be leased, in the order given.
    Next,
}

impl Strategy {
    /// [`Random`](Self::Random) with a seed that differs from call to call and from start to start.
    pub fn random() -> Self {
        // The standard library seeds these keys from the operating system.
        let seed = RandomState::new().hash_one(0);
        Self::Random { seed }
    }
}

impl StickyBy {
    /// The position below `size` that belongs to this dial.
    pub(crate) fn position(self, seed: u64, cx: &AllocContext<'_>, size: u128) -> u128 {
        let text = match self {
            Self::Host => cx.host,
            Self::Class => cx.class.unwrap_or_default(),
        };
        hash(seed, text) % size
    }
}
