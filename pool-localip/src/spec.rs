//! What a user writes for a source: an address or a prefix, and what can be wrong with it.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::cidr::{self, Cidr};

/// One `ADDR|CIDR`: an IPv4 or IPv6 address or prefix.
///
/// ```
/// use pool_localip::SourceSpec;
///
/// assert!(matches!("2001:db8::7".parse(), Ok(SourceSpec::Addr(_))));
/// assert!(matches!("2001:db8::/64".parse(), Ok(SourceSpec::Prefix(_))));
/// let error = "127.0.2.0/33".parse::<SourceSpec>().unwrap_err();
/// assert_eq!(error.to_string(), r#"source "127.0.2.0/33": the prefix length is not a number from 0 to 32, or 128 for IPv6"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceSpec {
    /// One address.
    Addr(IpAddr),
    /// All addresses of a prefix; which these are, [`AddrSet`](crate::AddrSet) says.
    Prefix(Cidr),
}

impl FromStr for SourceSpec {
    type Err = SourceError;

    /// Surrounding white space is ignored.
    fn from_str(input: &str) -> Result<Self, SourceError> {
        let text = input.trim();
        let spec = match text.split_once('/') {
            Some((addr, len)) => cidr::parse(addr, len)
                .and_then(check_prefix)
                .map(Self::Prefix),
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

impl From<Cidr> for SourceSpec {
    fn from(prefix: Cidr) -> Self {
        Self::Prefix(prefix)
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Prefix(prefix) => prefix.fmt(f),
        }
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
    /// No address at all, or nothing between two commas.
    Empty,
    /// Neither an address nor a prefix.
    NotAnAddress,
    /// An address with a port.
    HasPort,
    /// The length after the slash is not a number from 0 to 32, or 128 for IPv6.
    PrefixLength,
    /// A prefix without a slash and a length.
    NoPrefixLength,
    /// An IPv4 address written as an IPv6 one (`::ffff:192.0.2.7`), or a prefix of such.
    Ipv4Mapped,
    /// A prefix where single addresses are listed.
    NotSingle,
    /// `0.0.0.0` or `::`, which means "let the operating system choose".
    Unspecified,
    /// A multicast or broadcast address, from which nothing can connect.
    NotUnicast,
    /// An IPv6 address of one link (`fe80::…`), which means nothing without its interface; a lease names none.
    OneLink,
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
        write!(f, "source {:?}: {}", self.input, self.problem)
    }
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an address or prefix is missing",
            Self::NotAnAddress => {
                "not an IP address such as 192.0.2.7 or a prefix such as 192.0.2.0/27"
            }
            Self::HasPort => {
                "a source is an address without a port or brackets; the operating system chooses the port"
            }
            Self::PrefixLength => {
                "the prefix length is not a number from 0 to 32, or 128 for IPv6"
            }
            Self::NoPrefixLength => "a prefix needs a length, as in 192.0.2.0/27",
            Self::Ipv4Mapped => {
                "an IPv4 address in IPv6 clothes; write it as an IPv4 address"
            }
            Self::NotSingle => "a list takes single addresses, not prefixes",
            Self::Unspecified => {
                "the unspecified address is no source; leave the source out to let the operating system choose"
            }
            Self::NotUnicast => {
                "nothing can connect from a multicast or broadcast address"
            }
            Self::OneLink => {
                "an IPv6 address of one link means nothing without its interface; give one of wider scope"
            }
        })
    }
}

impl Error for SourceError {}

/// Sources separated by commas.
pub(crate) fn parse_all(input: &str) -> Result<Vec<SourceSpec>, SourceError> {
    let parse = |part: &str| {
        part.parse()
            .map_err(|error: SourceError| match error.problem {
                // An empty part says nothing about where it is.
                SourceProblem::Empty => SourceError::new(input, SourceProblem::Empty),
                _ => error,
            })
    };
    input.split(',').map(parse).collect()
}

/// Refuses an address that a connection can never be opened from.
pub(crate) fn check_source(addr: IpAddr) -> Result<IpAddr, SourceProblem> {
    let broadcast = addr == IpAddr::V4(Ipv4Addr::BROADCAST);
    if addr.is_unspecified() {
        Err(SourceProblem::Unspecified)
    } else if addr.is_multicast() || broadcast {
        Err(SourceProblem::NotUnicast)
    } else if is_ipv4_mapped(addr) {
        Err(SourceProblem::Ipv4Mapped)
    } else if is_of_one_link(addr) {
        Err(SourceProblem::OneLink)
    } else {
        Ok(addr)
    }
}

/// Refuses a prefix of which no address can be a source. A wider one, which also has others, is for the user to judge.
pub(crate) fn check_prefix(prefix: Cidr) -> Result<Cidr, SourceProblem> {
    let ends = [prefix.first(), prefix.last()];
    if ends.iter().all(IpAddr::is_multicast) {
        Err(SourceProblem::NotUnicast)
    } else if ends.into_iter().all(is_ipv4_mapped) {
        Err(SourceProblem::Ipv4Mapped)
    } else if ends.into_iter().all(is_of_one_link) {
        Err(SourceProblem::OneLink)
    } else {
        Ok(prefix)
    }
}

fn is_ipv4_mapped(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(addr) if addr.to_ipv4_mapped().is_some())
}

fn is_of_one_link(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local())
}

fn parse_addr(text: &str) -> Result<IpAddr, SourceProblem> {
    if text.is_empty() {
        return Err(SourceProblem::Empty);
    }
    if let Ok(addr) = text.parse::<IpAddr>() {
        return check_source(addr);
    }
    if let Some((addr, _interface)) = text.split_once('%')
        && addr.parse().is_ok_and(is_of_one_link)
    {
        return Err(SourceProblem::OneLink);
    }
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if text.parse::<SocketAddr>().is_ok()
        || bracketed.is_some_and(|t| t.parse::<Ipv6Addr>().is_ok())
    {
        return Err(SourceProblem::HasPort);
    }
    Err(SourceProblem::NotAnAddress)
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
            ("2001:db8::/129", PrefixLength),
            ("2001:db8:/32", NotAnAddress),
            ("::ffff:192.0.2.7", Ipv4Mapped),
            ("::ffff:192.0.2.0/120", Ipv4Mapped),
            ("224.0.0.0/24", NotUnicast),
            ("ff02::/16", NotUnicast),
            ("0.0.0.0", Unspecified),
            ("::", Unspecified),
            ("224.0.0.1", NotUnicast),
            ("ff02::1", NotUnicast),
            ("fe80::1", OneLink),
            ("fe80::1%eth0", OneLink),
            ("fe80::/64", OneLink),
            ("2001:db8::1%eth0", NotAnAddress),
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
}
