//! An explicit list of addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use crate::options::{MAX_PER_ADDR, Options, SEED, STRATEGY, WHEN_BUSY};
use crate::spec::parse_all;
use crate::{
    AddrSet, AllocContext, Exhausted, Lease, LocalAddrAllocator, OptionDoc, OptionsError,
    SourceError, SourceProblem, SourceSpec, Strategy,
};

/// The addresses of a list, round robin, in its order, or by another strategy; duplicates count once.
///
/// Accounting, families and limits are those of [`AddrSet`].
#[derive(Debug)]
pub struct AddrList {
    set: AddrSet,
}

impl AddrList {
    /// The name in a configuration.
    pub const NAME: &'static str = "list";

    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "addresses",
            meaning: "IPv4 and IPv6 addresses, separated by commas",
            default: None,
        },
        STRATEGY,
        SEED,
        WHEN_BUSY,
        MAX_PER_ADDR,
    ];

    /// The list of these addresses.
    ///
    /// # Errors
    ///
    /// As [`AddrSet::new`]: an empty list, or an address that cannot be a source.
    pub fn new(addrs: impl IntoIterator<Item = IpAddr>) -> Result<Self, SourceError> {
        AddrSet::new(addrs).map(|set| Self { set })
    }

    /// Makes the list that a configuration describes.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] names the option that is missing, unknown or has an unusable value.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let options = Options::new(options, Self::OPTIONS)?;
        let Self { set } = options.required("addresses")?;
        let set = options.shape(set)?;
        Ok(Self { set })
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
        }
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

/// Addresses separated by commas.
impl FromStr for AddrList {
    type Err = SourceError;

    fn from_str(input: &str) -> Result<Self, SourceError> {
        let single = |spec| match spec {
            SourceSpec::Addr(addr) => Ok(addr),
            SourceSpec::Prefix(prefix) => Err(SourceError::new(
                &prefix.to_string(),
                SourceProblem::NotSingle,
            )),
        };
        let addrs: Vec<IpAddr> = parse_all(input)?
            .into_iter()
            .map(single)
            .collect::<Result<_, _>>()?;
        Self::new(addrs)
    }
}

impl LocalAddrAllocator for AddrList {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.set.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.set.sources()
    }
}
