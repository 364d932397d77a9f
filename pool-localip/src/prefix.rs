//! All addresses of an IPv4 prefix.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use crate::options::{MAX_PER_ADDR, Options};
use crate::{
    AddrSet, AllocContext, Exhausted, Ipv4Cidr, Lease, LocalAddrAllocator, OptionDoc, OptionsError,
    SourceError,
};

/// All addresses of an IPv4 prefix, round robin, ascending, without listing them in memory.
///
/// Accounting, families, limits, and why the first and the last address are used too: see [`AddrSet`].
#[derive(Debug)]
#[doc(alias = "SetTargetIPCount")]
pub struct Ipv4Prefix {
    prefix: Ipv4Cidr,
    set: AddrSet,
}

impl Ipv4Prefix {
    /// The name in a configuration.
    pub const NAME: &'static str = "prefix";

    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "prefix",
            meaning: "an IPv4 prefix such as 127.0.2.0/27; all its addresses are used",
            default: None,
        },
        MAX_PER_ADDR,
    ];

    /// The addresses of `prefix`.
    ///
    /// # Errors
    ///
    /// [`SourceProblem::Empty`](crate::SourceProblem::Empty) for `0.0.0.0/32` alone.
    pub fn new(prefix: Ipv4Cidr) -> Result<Self, SourceError> {
        AddrSet::new([prefix]).map(|set| Self { prefix, set })
    }

    /// Makes the allocator that a configuration describes.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] names the option that is missing, unknown or has an unusable value.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let options = Options::new(options, Self::OPTIONS)?;
        let prefix: Self = options.required("prefix")?;
        Ok(match options.max_per_addr()? {
            Some(connections) => prefix.max_per_addr(connections),
            None => prefix,
        })
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
    pub fn prefix(&self) -> Ipv4Cidr {
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

impl FromStr for Ipv4Prefix {
    type Err = SourceError;

    fn from_str(input: &str) -> Result<Self, SourceError> {
        Self::new(input.parse()?)
    }
}

impl LocalAddrAllocator for Ipv4Prefix {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.set.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.set.sources()
    }
}
