//! An IPv4 prefix as written, and its arithmetic.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{SourceError, SourceProblem};

/// An IPv4 prefix such as `127.0.2.0/27`.
///
/// Host bits may be set when it is written (`127.0.2.9/27`); they are dropped, and [`given`](Self::given) still tells. They
/// do not take part in comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4Cidr {
    given: Ipv4Addr,
    len: u8,
}

impl Ipv4Cidr {
    /// The prefix of `len` bits that `addr` is in; `None` if `len` is above 32.
    pub fn new(addr: Ipv4Addr, len: u8) -> Option<Self> {
        (len <= 32).then_some(Self { given: addr, len })
    }

    /// The address as it was given, before its host bits were dropped.
    pub fn given(&self) -> Ipv4Addr {
        self.given
    }

    /// Whether bits beyond the prefix length were set in the address given, which is often a slip.
    pub fn has_host_bits(&self) -> bool {
        self.given != self.first()
    }

    /// The lowest address.
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.given.to_bits() & !self.host_mask())
    }

    /// The highest address, itself part of the prefix.
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.given.to_bits() | self.host_mask())
    }

    /// The number of leading bits that are fixed, 0 to 32.
    pub fn prefix_len(&self) -> u8 {
        self.len
    }

    /// The number of addresses, from 1 to 2^32.
    pub fn size(&self) -> u64 {
        1 << (32 - self.len)
    }

    /// Whether `addr` is inside.
    pub fn contains(&self, addr: Ipv4Addr) -> bool {
        (self.first()..=self.last()).contains(&addr)
    }

    fn host_mask(&self) -> u32 {
        // A shift by all 32 bits is not a number of u32's own.
        u32::MAX.checked_shr(self.len.into()).unwrap_or(0)
    }
}

impl PartialEq for Ipv4Cidr {
    fn eq(&self, other: &Self) -> bool {
        (self.first(), self.len) == (other.first(), other.len)
    }
}

impl Eq for Ipv4Cidr {}

impl Hash for Ipv4Cidr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.first(), self.len).hash(state);
    }
}

impl FromStr for Ipv4Cidr {
    type Err = SourceError;

    fn from_str(input: &str) -> Result<Self, SourceError> {
        let text = input.trim();
        let prefix = match text.split_once('/') {
            Some((addr, len)) => parse(addr, len),
            None => Err(SourceProblem::NoPrefixLength),
        };
        prefix.map_err(|problem| SourceError::new(input, problem))
    }
}

impl fmt::Display for Ipv4Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.len)
    }
}

/// Parses what stands before and after the slash.
pub(crate) fn parse(addr: &str, len: &str) -> Result<Ipv4Cidr, SourceProblem> {
    if addr.parse::<Ipv6Addr>().is_ok() {
        return Err(SourceProblem::Ipv6Prefix);
    }
    let Ok(addr) = addr.parse::<Ipv4Addr>() else {
        return Err(SourceProblem::NotAnAddress);
    };
    // `parse` alone would take "+24" as well.
    let digits = len.bytes().all(|b| b.is_ascii_digit());
    len.parse()
        .ok()
        .filter(|_| digits)
        .and_then(|len| Ipv4Cidr::new(addr, len))
        .ok_or(SourceProblem::PrefixLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_dropped_and_still_told() {
        let prefix: Ipv4Cidr = "127.0.2.9/27".parse().unwrap();
        assert_eq!(prefix.to_string(), "127.0.2.0/27");
        assert_eq!(prefix.given(), Ipv4Addr::new(127, 0, 2, 9));
        assert!(prefix.has_host_bits());
        assert_eq!(prefix, "127.0.2.0/27".parse().unwrap());
        assert!(!prefix.contains(Ipv4Addr::new(127, 0, 2, 32)));
    }

    #[test]
    fn the_longest_and_the_shortest_prefix_have_their_ends() {
        let all: Ipv4Cidr = "10.1.2.3/0".parse().unwrap();
        assert_eq!(
            (all.first(), all.last()),
            (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
        );
        assert_eq!(all.size(), 1 << 32);
        let one: Ipv4Cidr = "10.1.2.3/32".parse().unwrap();
        assert_eq!(
            (one.first(), one.last(), one.size()),
            (one.given(), one.given(), 1)
        );
        assert_eq!(
            "10.1.2.3".parse::<Ipv4Cidr>().unwrap_err().problem(),
            SourceProblem::NoPrefixLength
        );
    }
}
