//! A prefix as written, and its arithmetic.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::str::FromStr;

use crate::space::{from_number, to_number};
use crate::{SourceError, SourceProblem};

/// An IPv4 or IPv6 prefix such as `127.0.2.0/27` or `2001:db8::/64`.
///
/// Host bits may be set when it is written (`127.0.2.9/27`); they are dropped, and [`given`](Self::given) still tells. They
/// do not take part in comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Cidr {
    given: IpAddr,
    len: u8,
}

impl Cidr {
    /// The prefix of `len` bits that `addr` is in; `None` if `len` is above 32 for IPv4 or 128 for IPv6.
    pub fn new(addr: impl Into<IpAddr>, len: u8) -> Option<Self> {
        let given = addr.into();
        (len <= width(given)).then_some(Self { given, len })
    }

    /// The address as it was given, before its host bits were dropped.
    pub fn given(&self) -> IpAddr {
        self.given
    }

    /// Whether bits beyond the prefix length were set in the address given, which is often a slip.
    pub fn has_host_bits(&self) -> bool {
        self.given != self.first()
    }

    /// Whether the addresses are IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.given.is_ipv4()
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        from_number(to_number(self.given) & !self.host_mask(), self.is_ipv4())
    }

    /// The highest address, itself part of the prefix.
    pub fn last(&self) -> IpAddr {
        from_number(to_number(self.given) | self.host_mask(), self.is_ipv4())
    }

    /// The number of leading bits that are fixed, 0 to 32 or 128.
    pub fn prefix_len(&self) -> u8 {
        self.len
    }

    /// The number of bits that are free, 0 to 32 or 128; there are two to its power addresses.
    pub fn host_bits(&self) -> u8 {
        width(self.given) - self.len
    }

    /// Whether `addr` is inside; never for one of the other family.
    pub fn contains(&self, addr: IpAddr) -> bool {
        addr.is_ipv4() == self.is_ipv4() && (self.first()..=self.last()).contains(&addr)
    }

    fn host_mask(&self) -> u128 {
        // A shift by all 128 bits is not a number of u128's own.
        let fixed = u32::from(128 - self.host_bits());
        u128::MAX.checked_shr(fixed).unwrap_or(0)
    }
}

impl PartialEq for Cidr {
    fn eq(&self, other: &Self) -> bool {
        (self.first(), self.len) == (other.first(), other.len)
    }
}

impl Eq for Cidr {}

impl Hash for Cidr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.first(), self.len).hash(state);
    }
}

impl FromStr for Cidr {
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

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.len)
    }
}

/// Parses what stands before and after the slash.
pub(crate) fn parse(addr: &str, len: &str) -> Result<Cidr, SourceProblem> {
    let Ok(addr) = addr.parse::<IpAddr>() else {
        return Err(SourceProblem::NotAnAddress);
    };
    // `parse` alone would take "+24" as well.
    let digits = len.bytes().all(|b| b.is_ascii_digit());
    len.parse()
        .ok()
        .filter(|_| digits)
        .and_then(|len| Cidr::new(addr, len))
        .ok_or(SourceProblem::PrefixLength)
}

fn width(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_dropped_and_still_told() {
        let prefix: Cidr = "127.0.2.9/27".parse().unwrap();
        assert_eq!(prefix.to_string(), "127.0.2.0/27");
        assert_eq!(prefix.given(), ip("127.0.2.9"));
        assert!(prefix.has_host_bits());
        assert_eq!(prefix, "127.0.2.0/27".parse().unwrap());
        assert!(!prefix.contains(ip("127.0.2.32")));

        let prefix: Cidr = "2001:db8::9/64".parse().unwrap();
        assert_eq!(prefix.to_string(), "2001:db8::/64");
        assert!(prefix.has_host_bits());
        assert_eq!(prefix.last(), ip("2001:db8::ffff:ffff:ffff:ffff"));
        assert!(prefix.contains(ip("2001:db8::1:0:0:0")));
        assert!(!prefix.contains(ip("2001:db8:0:1::")));
        assert!(!prefix.contains(ip("127.0.2.9")));
    }

    #[test]
    fn the_longest_and_the_shortest_prefix_have_their_ends() {
        let all: Cidr = "10.1.2.3/0".parse().unwrap();
        let ends = (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into());
        assert_eq!((all.first(), all.last()), ends);
        assert_eq!(all.host_bits(), 32);
        let all: Cidr = "2001:db8::/0".parse().unwrap();
        let ends = (
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::from_bits(u128::MAX).into(),
        );
        assert_eq!((all.first(), all.last()), ends);
        assert_eq!(all.host_bits(), 128);
        for one in ["10.1.2.3/32", "2001:db8::7/128"] {
            let one: Cidr = one.parse().unwrap();
            assert_eq!((one.first(), one.last()), (one.given(), one.given()));
            assert_eq!(one.host_bits(), 0);
        }
        assert_eq!(
            "10.1.2.3".parse::<Cidr>().unwrap_err().problem(),
            SourceProblem::NoPrefixLength
        );
    }
}
