//! What a user writes for a source: an address or a prefix, and what can be wrong with it.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// One `ADDR|CIDR`: an IPv4 or IPv6 address, or an IPv4 prefix.
///
/// ```
/// use pool_localip::SourceSpec;
///
/// assert!(matches!("2001:db8::7".parse(), Ok(SourceSpec::Addr(_))));
/// let error = "127.0.2.0/33".parse::<SourceSpec>().unwrap_err();
/// assert_eq!(error.to_string(), r#"source "127.0.2.0/33": the prefix length is not a number from 0 to 32"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceSpec {
    /// One address.
    Addr(IpAddr),
    /// All addresses of an IPv4 prefix.
    Ipv4(Ipv4Cidr),
}

impl FromStr for SourceSpec {
    type Err = SourceError;

    /// Surrounding white space is ignored.
    fn from_str(input: &str) -> Result<Self, SourceError> {
        let text = input.trim();
        let spec = match text.split_once('/') {
            Some((addr, len)) => parse_prefix(addr, len).map(Self::Ipv4),
            None => parse_addr(text).map(Self::Addr),
        };
        spec.map_err(|problem| SourceError::new(input, problem))
    }
}

impl From<IpAddr> for SourceSpec {
    fn from(addr: IpAddr) -> Self {
        Self::Addr(addr)
    }
}

impl From<Ipv4Cidr> for SourceSpec {
    fn from(prefix: Ipv4Cidr) -> Self {
        Self::Ipv4(prefix)
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Ipv4(prefix) => prefix.fmt(f),
        }
    }
}

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

impl std::hash::Hash for Ipv4Cidr {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.first(), self.len).hash(state);
    }
}

impl FromStr for Ipv4Cidr {
    type Err = SourceError;

    fn from_str(input: &str) -> Result<Self, SourceError> {
        let text = input.trim();
        let prefix = match text.split_once('/') {
            Some((addr, len)) => parse_prefix(addr, len),
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

/// A source that cannot be used as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    input: String,
    problem: SourceProblem,
}

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceProblem {
    /// No address at all.
    Empty,
    /// Neither an address nor a prefix.
    NotAnAddress,
    /// An address with a port.
    HasPort,
    /// The length after the slash is not a number from 0 to 32.
    PrefixLength,
    /// A prefix without a slash and a length.
    NoPrefixLength,
    /// A prefix of IPv6 addresses.
    Ipv6Prefix,
    /// `0.0.0.0` or `::`, which means "let the operating system choose".
    Unspecified,
    /// A multicast or broadcast address, from which nothing can connect.
    NotUnicast,
}

impl SourceError {
    pub(crate) fn new(input: &str, problem: SourceProblem) -> Self {
        Self {
            input: input.to_owned(),
            problem,
        }
    }

    /// The text that was refused.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// What is wrong with it.
    pub fn problem(&self) -> SourceProblem {
        self.problem
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            SourceProblem::Empty => "at least one address or prefix is needed",
            SourceProblem::NotAnAddress => {
                "not an IP address such as 192.0.2.7 or a prefix such as 192.0.2.0/27"
            }
            SourceProblem::HasPort => {
                "a source is an address without a port or brackets; the operating system chooses the port"
            }
            SourceProblem::PrefixLength => "the prefix length is not a number from 0 to 32",
            SourceProblem::NoPrefixLength => "a prefix needs a length, as in 192.0.2.0/27",
            SourceProblem::Ipv6Prefix => {
                "IPv6 prefixes are not supported yet; list the addresses one by one"
            }
            SourceProblem::Unspecified => {
                "the unspecified address is no source; leave the source out to let the operating system choose"
            }
            SourceProblem::NotUnicast => {
                "nothing can connect from a multicast or broadcast address"
            }
        };
        write!(f, "source {:?}: {problem}", self.input)
    }
}

impl Error for SourceError {}

/// Refuses an address that a connection can never be opened from.
pub(crate) fn check_source(addr: IpAddr) -> Result<IpAddr, SourceProblem> {
    let broadcast = addr == IpAddr::V4(Ipv4Addr::BROADCAST);
    if addr.is_unspecified() {
        Err(SourceProblem::Unspecified)
    } else if addr.is_multicast() || broadcast {
        Err(SourceProblem::NotUnicast)
    } else {
        Ok(addr)
    }
}

fn parse_addr(text: &str) -> Result<IpAddr, SourceProblem> {
    if text.is_empty() {
        return Err(SourceProblem::Empty);
    }
    if let Ok(addr) = text.parse::<IpAddr>() {
        return check_source(addr);
    }
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if text.parse::<SocketAddr>().is_ok()
        || bracketed.is_some_and(|t| t.parse::<Ipv6Addr>().is_ok())
    {
        return Err(SourceProblem::HasPort);
    }
    Err(SourceProblem::NotAnAddress)
}

fn parse_prefix(addr: &str, len: &str) -> Result<Ipv4Cidr, SourceProblem> {
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

    fn problem(text: &str) -> SourceProblem {
        text.parse::<SourceSpec>().unwrap_err().problem()
    }

    #[test]
    fn what_is_wrong_with_a_source_is_named() {
        use SourceProblem::*;
        for (text, expected) in [
            ("", Empty),
            ("  ", Empty),
            ("localhost", NotAnAddress),
            ("127.0.0.1:80", HasPort),
            ("[::1]:80", HasPort),
            ("[::1]", HasPort),
            ("127.0.0.1/", PrefixLength),
            ("127.0.0.1/33", PrefixLength),
            ("127.0.0.1/-1", PrefixLength),
            ("127.0.0.1/+8", PrefixLength),
            ("127.0.0.1/255.0.0.0", PrefixLength),
            ("127.0.0/8", NotAnAddress),
            ("/8", NotAnAddress),
            ("2001:db8::/32", Ipv6Prefix),
            ("0.0.0.0", Unspecified),
            ("::", Unspecified),
            ("224.0.0.1", NotUnicast),
            ("ff02::1", NotUnicast),
            ("255.255.255.255", NotUnicast),
        ] {
            assert_eq!(problem(text), expected, "{text:?}");
            let error = text.parse::<SourceSpec>().unwrap_err();
            assert!(
                error.to_string().contains(&format!("{text:?}")),
                "the message names the input"
            );
        }
    }

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
