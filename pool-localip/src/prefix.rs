//! All addresses of a prefix.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use crate::options::{MAX_PER_ADDR, Options, SEED, STRATEGY, WHEN_BUSY};
use crate::{
    AddrSet, AllocContext, Cidr, Exhausted, Lease, LocalAddrAllocator, OptionDoc, OptionsError,
    SourceError, Strategy,
};

/// All addresses of a prefix, of any size, without listing them in memory: round robin, ascending, or by another strategy.
///
/// Accounting, families, limits, and which addresses of a prefix are used: see [`AddrSet`].
#[derive(Debug)]
#[doc(alias = "SetTargetIPCount")]
pub struct Prefix {
    prefix: Cidr,
    set: AddrSet,
}

impl Prefix {
    /// The name in a configuration.
    pub const NAME: &'static str = "prefix";

    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "prefix",
            meaning: "an IPv4 or IPv6 prefix such as 127.0.2.0/27 or 2001:db8::/64",
            default: None,
        },
        STRATEGY,
        SEED,
        WHEN_BUSY,
        MAX_PER_ADDR,
    ];

    /// The addresses of `prefix`.
    ///
    /// # Errors
    ///
    /// [`SourceProblem::Empty`](crate::SourceProblem::Empty) for `0.0.0.0/32` and `::/128`;
    /// [`SourceProblem::NotUnicast`](crate::SourceProblem::NotUnicast) and
    /// [`SourceProblem::Ipv4Mapped`](crate::SourceProblem::Ipv4Mapped) for a prefix of nothing else.
    pub fn new(prefix: Cidr) -> Result<Self, SourceError> {
        AddrSet::new([prefix]).map(|set| Self { prefix, set })
    }

    /// Makes the allocator that a configuration describes.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] names the option that is missing, unknown or has an unusable value.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let options = Options::new(options, Self::OPTIONS)?;
        let Self { prefix, set } = options.required("prefix")?;
        let set = options.shape(set)?;
        Ok(Self { prefix, set })
    }

    /// Chooses by this strategy; see [`AddrSet::strategy`].
    ///
    /// # Panics
    ///
    /// If there are leases, or a limit was set.
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self {
            set: self.set.strategy(strategy),
            ..self
        }
    }

    /// Connections at a time per address; see [`AddrSet::max_per_addr`].
    ///
    /// # Panics
    ///
    /// If `connections` is zero.
    #[must_use]
    pub fn max_per_addr(self, connections: usize) -> Self {
        Self {
            set: self.set.max_per_addr(connections),
            ..self
        }
    }

    /// The prefix, which also tells whether host bits were set when it was written.
    pub fn prefix(&self) -> Cidr {
        self.prefix
    }

    /// The addresses as a set, for its counters.
    pub fn as_set(&self) -> &AddrSet {
        &self.set
    }

    /// The leases that are held, over all addresses.
    pub fn in_use(&self) -> usize {
        self.set.in_use()
    }
}

impl FromStr for Prefix {
    type Err = SourceError;

    fn from_str(input: &str) -> Result<Self, SourceError> {
        Self::new(input.parse()?)
    }
}

impl LocalAddrAllocator for Prefix {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.set.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.set.sources()
    }
}
