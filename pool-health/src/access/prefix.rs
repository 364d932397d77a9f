//! A prefix of addresses, of either family.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address, or all addresses that begin with the same bits: `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.1`.
///
/// A prefix of IPv4-mapped addresses is the IPv4 prefix that it stands for: `::ffff:192.0.2.0/120` equals `192.0.2.0/24`. A shorter IPv6 prefix,
/// `::/0` among them, holds IPv6 addresses only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpPrefix {
    /// Without bits beyond `len`, never IPv4-mapped unless shorter than that prefix.
    addr: IpAddr,
    len: u8,
}

impl IpPrefix {
    /// The addresses that share the first `len` bits of `addr`.
    ///
    /// # Errors
    ///
    /// If the family has fewer bits, or `addr` has bits set beyond them.
    pub fn new(addr: IpAddr, len: u8) -> Result<Self, ParsePrefixError> {
        let error = |problem| ParsePrefixError {
            text: format!("{addr}/{len}"),
            problem,
        };
        let max = if addr.is_ipv4() { 32 } else { 128 };
        if len > max {
            return Err(error(Problem::TooLong { max }));
        }
        let masked = match addr {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().masked(len)).into(),
            IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from_bits(v6.to_bits().masked(len))),
        };
        if masked != addr {
            return Err(error(Problem::HostBits { masked, len }));
        }
        Ok(match (addr.to_canonical(), len) {
            (v4 @ IpAddr::V4(_), 96..) => Self {
                addr: v4,
                len: len - 96,
            },
            _ => Self { addr, len },
        })
    }

    /// The first address.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// How many leading bits its addresses share.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a length in bits, as the field says; no prefix is empty"
    )]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether `addr` is one of its addresses.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                own.to_bits() == other.to_bits().masked(self.len)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                own.to_bits() == other.to_bits().masked(self.len)
            }
            _ => false,
        }
    }

    /// All addresses, of both families: what `all` stands for in a file.
    pub const ALL: [Self; 2] = [
        Self::v4([0, 0, 0, 0], 0),
        Self::v6([0, 0, 0, 0, 0, 0, 0, 0], 0),
    ];

    /// What is not out on the internet: loopback, private, shared, link-local, unspecified, multicast, benchmarking, documentation and
    /// reserved addresses, and 6to4 and local NAT64, which lead to such. What `private` stands for in a file.
    ///
    /// From the IANA special-purpose address registries, entries that are not globally reachable.
    pub const PRIVATE: [Self; 27] = [
        Self::v4([0, 0, 0, 0], 8),
        Self::v4([10, 0, 0, 0], 8),
        Self::v4([100, 64, 0, 0], 10),
        Self::v4([127, 0, 0, 0], 8),
        Self::v4([169, 254, 0, 0], 16),
        Self::v4([172, 16, 0, 0], 12),
        Self::v4([192, 0, 0, 0], 24),
        Self::v4([192, 0, 2, 0], 24),
        Self::v4([192, 168, 0, 0], 16),
        Self::v4([198, 18, 0, 0], 15),
        Self::v4([198, 51, 100, 0], 24),
        Self::v4([203, 0, 113, 0], 24),
        Self::v4([224, 0, 0, 0], 4),
        Self::v4([240, 0, 0, 0], 4),
        // The unspecified and the loopback address, and the IPv4-compatible ones around them.
        Self::v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
        Self::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        Self::v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
        Self::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        Self::v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        Self::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        Self::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        Self::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        Self::v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
        Self::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        Self::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        Self::v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        Self::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    ];

    const fn v4(addr: [u8; 4], len: u8) -> Self {
        let [a, b, c, d] = addr;
        Self {
            addr: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            len,
        }
    }

    const fn v6(addr: [u16; 8], len: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = addr;
        Self {
            addr: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)),
            len,
        }
    }
}

impl From<IpAddr> for IpPrefix {
    /// The prefix of this one address.
    fn from(addr: IpAddr) -> Self {
        let addr = addr.to_canonical();
        let len = if addr.is_ipv4() { 32 } else { 128 };
        Self { addr, len }
    }
}

impl FromStr for IpPrefix {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, ParsePrefixError> {
        let error = |problem| ParsePrefixError {
            text: text.to_owned(),
            problem,
        };
        if text.contains('%') {
            return Err(error(Problem::Zone));
        }
        let (addr, len) = text
            .split_once('/')
            .map_or((text, None), |(addr, len)| (addr, Some(len)));
        let Ok(addr) = addr.parse::<IpAddr>() else {
            return Err(error(Problem::NoAddress));
        };
        let Some(len) = len else {
            return Ok(addr.into());
        };
        // `parse` alone would take "+8" and "008".
        let plain =
            len.bytes().all(|b| b.is_ascii_digit()) && (len == "0" || !len.starts_with('0'));
        let len = len
            .parse()
            .ok()
            .filter(|_| plain)
            .ok_or_else(|| error(Problem::NoAddress))?;
        Self::new(addr, len)
    }
}

/// A single address without its length, as people write it.
impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = if self.addr.is_ipv4() { 32 } else { 128 };
        if self.len == max {
            self.addr.fmt(f)
        } else {
            write!(f, "{}/{}", self.addr, self.len)
        }
    }
}

/// A text or a pair of numbers that is no [`IpPrefix`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsePrefixError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    NoAddress,
    Zone,
    TooLong { max: u8 },
    HostBits { masked: IpAddr, len: u8 },
}

impl fmt::Display for ParsePrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match &self.problem {
            Problem::NoAddress => write!(f, "{text:?} is no address or prefix"),
            Problem::Zone => write!(
                f,
                "{text:?} names a zone; a rule holds in every zone, leave out what begins with \"%\""
            ),
            Problem::TooLong { max } => {
                write!(f, "{text:?} is longer than the {max} bits of an address")
            }
            Problem::HostBits { masked, len } => write!(
                f,
                "{text:?} has bits set beyond its length, did you mean {masked}/{len}?"
            ),
        }
    }
}

impl Error for ParsePrefixError {}

/// The bits of an address.
pub(super) trait Bits: Copy {
    /// The first `len` bits, zeros after them.
    fn masked(self, len: u8) -> Self;
}

impl Bits for u32 {
    fn masked(self, len: u8) -> Self {
        // A shift by all bits, of a prefix without any, is no shift to the hardware.
        self & Self::MAX
            .checked_shl(Self::BITS - u32::from(len))
            .unwrap_or(0)
    }
}

impl Bits for u128 {
    fn masked(self, len: u8) -> Self {
        self & Self::MAX
            .checked_shl(Self::BITS - u32::from(len))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_holds_its_first_and_last_address_and_neither_neighbour() {
        for (text, inside, outside) in [
            (
                "192.0.2.128/25",
                ["192.0.2.128", "192.0.2.255"],
                ["192.0.2.127", "192.0.3.0"],
            ),
            (
                "10.0.0.0/8",
                ["10.0.0.0", "10.255.255.255"],
                ["9.255.255.255", "11.0.0.0"],
            ),
            ("192.0.2.7", ["192.0.2.7"; 2], ["192.0.2.6", "192.0.2.8"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            (
                "::/0",
                ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                ["0.0.0.0", "::ffff:1.2.3.4"],
            ),
            (
                "fe80::/10",
                ["fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                ["fe7f::", "fec0::"],
            ),
        ] {
            let prefix = prefix(text);
            for addr in inside {
                assert!(prefix.contains(addr.parse().unwrap()), "{addr} in {text}");
            }
            for addr in outside {
                assert!(!prefix.contains(addr.parse().unwrap()), "{addr} in {text}");
            }
        }
    }

    #[test]
    fn mapped_addresses_and_prefixes_are_those_of_ipv4() {
        assert_eq!(prefix("::ffff:192.0.2.0/120"), prefix("192.0.2.0/24"));
        assert_eq!(prefix("::ffff:0:0/96"), prefix("0.0.0.0/0"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1/32"));
        assert!(prefix("192.0.2.0/24").contains("::ffff:192.0.2.9".parse().unwrap()));
        assert!(prefix("::/80").addr().is_ipv6());
    }

    #[test]
    fn prefixes_print_as_they_are_read() {
        for text in [
            "192.0.2.0/24",
            "192.0.2.1",
            "::/0",
            "2001:db8::1",
            "fe80::/10",
        ] {
            assert_eq!(prefix(text).to_string(), text);
        }
        assert_eq!(prefix("192.0.2.1/32").to_string(), "192.0.2.1");
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_what_to_do() {
        for (text, says) in [
            ("", "no address or prefix"),
            ("example.com", "no address or prefix"),
            ("10.0.0.0/", "no address or prefix"),
            ("10.0.0.0/+8", "no address or prefix"),
            ("10.0.0.0/08", "no address or prefix"),
            ("10.0.0.0/8/8", "no address or prefix"),
            ("10.0.0/8", "no address or prefix"),
            ("10.0.0.0/33", "longer than the 32 bits"),
            ("::/129", "longer than the 128 bits"),
            ("10.1.2.3/8", "did you mean 10.0.0.0/8?"),
            ("2001:db8::1/32", "did you mean 2001:db8::/32?"),
            ("::ffff:10.1.2.3/104", "did you mean ::ffff:10.0.0.0/104?"),
            ("fe80::1%eth0", "leave out what begins with"),
        ] {
            let error = text.parse::<IpPrefix>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_private_prefixes_are_well_formed_and_hold_what_a_guard_must_keep_in() {
        for own in IpPrefix::PRIVATE.iter().chain(&IpPrefix::ALL) {
            assert_eq!(IpPrefix::new(own.addr, own.len).as_ref(), Ok(own));
        }
        let is_private = |text: &str| {
            let addr = text.parse().unwrap();
            IpPrefix::PRIVATE.iter().any(|prefix| prefix.contains(addr))
        };
        for addr in [
            "0.0.0.0",
            "10.0.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "fd00:ec2::254",
            "fe80::1",
            "2002:7f00:1::",
            "ff02::1",
        ] {
            assert!(is_private(addr), "{addr}");
        }
        for addr in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_private(addr), "{addr}");
        }
    }
}
