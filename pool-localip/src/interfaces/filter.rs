//! Which addresses of the interfaces are sources, and why the others are not.

use std::fmt;
use std::net::IpAddr;

use crate::interfaces::{Detection, InterfaceAddr, Network, Scope};
use crate::spec::check_source;
use crate::{SourceProblem, SourceSpec};

/// Chooses among the addresses of the interfaces.
///
/// The default takes global addresses of both families and of every interface, temporary ones too, but none that is deprecated.
/// What cannot be bound is never taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    family: Option<Family>,
    scope: Option<Scope>,
    /// Empty for all.
    interfaces: Vec<String>,
    temporary: bool,
    deprecated: bool,
    excluded: Vec<SourceSpec>,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Why an address is no source. The reasons that no filter can change come first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNot {
    /// No connection can come from such an address.
    Unusable(SourceProblem),
    /// Its interface is switched off.
    InterfaceDown,
    /// Duplicate address detection is under way.
    Tentative,
    /// Another machine on the link has it.
    Duplicate,
    /// It is on another interface than the filter names.
    Interface,
    /// It is of the other family.
    Family(Family),
    /// It has another scope.
    Scope {
        /// The address's.
        has: Scope,
        /// The filter's.
        wanted: Scope,
    },
    /// It is deprecated.
    Deprecated,
    /// It is temporary.
    Temporary,
    /// The filter leaves it out by name.
    Excluded,
}

impl Filter {
    /// Only this family; `None` for both, the default.
    #[must_use]
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.family = family.into();
        self
    }

    /// Only this scope, by default [`Scope::Global`]; `None` for all.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Option<Scope>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Only this interface, and others that are added by further calls.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.interfaces.push(name.into());
        self
    }

    /// Whether temporary addresses are taken; they are by default.
    #[must_use]
    pub fn temporary(mut self, taken: bool) -> Self {
        self.temporary = taken;
        self
    }

    /// Whether deprecated addresses are taken; they are not by default.
    #[must_use]
    pub fn deprecated(mut self, taken: bool) -> Self {
        self.deprecated = taken;
        self
    }

    /// Leaves out this address or prefix, and others that are added by further calls.
    #[must_use]
    pub fn exclude(mut self, source: impl Into<SourceSpec>) -> Self {
        self.excluded.push(source.into());
        self
    }

    /// Whether this address is a source.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn check(&self, found: &InterfaceAddr) -> Result<(), WhyNot> {
        let family = Family::of(found.addr);
        check_source(found.addr).map_err(WhyNot::Unusable)?;
        if !found.interface_up {
            return Err(WhyNot::InterfaceDown);
        }
        match found.detection {
            Detection::Tentative => return Err(WhyNot::Tentative),
            Detection::Failed => return Err(WhyNot::Duplicate),
            Detection::Done => {}
        }
        if !self.interfaces.is_empty() && !self.interfaces.contains(&found.interface) {
            return Err(WhyNot::Interface);
        }
        if self.family.is_some_and(|wanted| wanted != family) {
            return Err(WhyNot::Family(family));
        }
        match self.scope {
            Some(wanted) if wanted != found.scope => {
                let has = found.scope;
                return Err(WhyNot::Scope { has, wanted });
            }
            _ => {}
        }
        if found.deprecated && !self.deprecated {
            return Err(WhyNot::Deprecated);
        }
        if found.temporary && !self.temporary {
            return Err(WhyNot::Temporary);
        }
        let covers = |source: &SourceSpec| match source {
            SourceSpec::Addr(addr) => *addr == found.addr,
            SourceSpec::Prefix(prefix) => prefix.contains(found.addr),
        };
        if self.excluded.iter().any(covers) {
            return Err(WhyNot::Excluded);
        }
        Ok(())
    }

    /// The sources of a network, distinct, ascending, IPv4 first.
    pub fn sources(&self, network: &Network) -> Vec<IpAddr> {
        let taken = network
            .addrs
            .iter()
            .filter(|found| self.check(found).is_ok());
        let mut sources: Vec<IpAddr> = taken.map(|found| found.addr).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// The names of the interfaces, in the order given; empty for all.
    pub fn interfaces(&self) -> &[String] {
        &self.interfaces
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            family: None,
            scope: Some(Scope::Global),
            interfaces: Vec::new(),
            temporary: true,
            deprecated: false,
            excluded: Vec::new(),
        }
    }
}

impl Family {
    /// The family of an address.
    pub fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl WhyNot {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unusable(_) => "unusable",
            Self::InterfaceDown => "interface_down",
            Self::Tentative => "tentative",
            Self::Duplicate => "duplicate",
            Self::Interface => "interface",
            Self::Family(_) => "family",
            Self::Scope { .. } => "scope",
            Self::Deprecated => "deprecated",
            Self::Temporary => "temporary",
            Self::Excluded => "excluded",
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(problem) => problem.fmt(f),
            Self::InterfaceDown => f.write_str("its interface is down"),
            Self::Tentative => {
                f.write_str("tentative: the kernel still asks whether another machine has it")
            }
            Self::Duplicate => f.write_str("another machine on the link has it"),
            Self::Interface => f.write_str("on another interface than asked for"),
            Self::Family(family) => {
                write!(f, "an {family} address, and the other family is asked for")
            }
            Self::Scope { has, wanted } => {
                write!(f, "its scope is {has}, and {wanted} is asked for")
            }
            Self::Deprecated => {
                f.write_str("deprecated: not for new connections, and removed before long")
            }
            Self::Temporary => f.write_str("temporary, and such are left out"),
            Self::Excluded => f.write_str("left out by name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn found(addr: &str) -> InterfaceAddr {
        let addr: IpAddr = addr.parse().unwrap();
        InterfaceAddr::new(addr, 24, "eth0")
    }

    fn with(addr: &str, change: impl FnOnce(&mut InterfaceAddr)) -> InterfaceAddr {
        let mut found = found(addr);
        change(&mut found);
        found
    }

    #[test]
    fn the_default_takes_what_new_connections_can_come_from_and_says_why_not_the_others() {
        use WhyNot::{Deprecated, Duplicate, InterfaceDown, Tentative, Unusable};
        let global = Scope::Global;
        let cases = [
            (found("192.0.2.7"), None),
            (found("fd00::7"), None),
            (with("2001:db8::7", |a| a.temporary = true), None),
            (with("2001:db8::7", |a| a.permanent = false), None),
            (
                with("2001:db8::7", |a| a.deprecated = true),
                Some(Deprecated),
            ),
            (
                with("2001:db8::7", |a| a.detection = Detection::Tentative),
                Some(Tentative),
            ),
            (
                with("2001:db8::7", |a| a.detection = Detection::Failed),
                Some(Duplicate),
            ),
            (
                with("192.0.2.7", |a| a.interface_up = false),
                Some(InterfaceDown),
            ),
            (
                with("fe80::7", |a| a.scope = Scope::Link),
                Some(Unusable(SourceProblem::OneLink)),
            ),
            (
                with("127.0.0.1", |a| a.scope = Scope::Host),
                Some(WhyNot::Scope {
                    has: Scope::Host,
                    wanted: global,
                }),
            ),
            (
                with("169.254.0.7", |a| a.scope = Scope::Link),
                Some(WhyNot::Scope {
                    has: Scope::Link,
                    wanted: global,
                }),
            ),
            (found("0.0.0.0"), Some(Unusable(SourceProblem::Unspecified))),
        ];
        for (found, expected) in cases {
            assert_eq!(Filter::default().check(&found).err(), expected, "{found:?}");
        }
    }

    #[test]
    fn what_a_filter_names_it_takes_alone() {
        let v4 = Filter::default().family(Family::V4);
        assert_eq!(v4.check(&found("fd00::7")), Err(WhyNot::Family(Family::V6)));
        assert_eq!(v4.check(&found("192.0.2.7")), Ok(()));

        let two = Filter::default().interface("wg0").interface("eth1");
        assert_eq!(two.check(&found("192.0.2.7")), Err(WhyNot::Interface));
        let on_eth1 = with("192.0.2.7", |a| a.interface = "eth1".into());
        assert_eq!(two.check(&on_eth1), Ok(()));

        let loopback = with("127.0.0.1", |a| a.scope = Scope::Host);
        assert_eq!(
            Filter::default().scope(Scope::Host).check(&loopback),
            Ok(())
        );
        assert_eq!(Filter::default().scope(None).check(&loopback), Ok(()));

        let excluding = Filter::default()
            .exclude(found("192.0.2.7").addr)
            .exclude("fd00::/64".parse::<SourceSpec>().unwrap());
        for addr in ["192.0.2.7", "fd00::7"] {
            assert_eq!(excluding.check(&found(addr)), Err(WhyNot::Excluded));
        }
        assert_eq!(excluding.check(&found("192.0.2.8")), Ok(()));

        let temporary = with("2001:db8::7", |a| a.temporary = true);
        let stable = Filter::default().temporary(false);
        assert_eq!(stable.check(&temporary), Err(WhyNot::Temporary));
        let deprecated = with("2001:db8::7", |a| a.deprecated = true);
        assert_eq!(
            Filter::default().deprecated(true).check(&deprecated),
            Ok(())
        );
    }

    #[test]
    fn no_filter_takes_what_cannot_be_bound() {
        let all = Filter::default().scope(None).deprecated(true);
        let tentative = with("fd00::7", |a| a.detection = Detection::Tentative);
        let link = InterfaceAddr::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7), 64, "eth0");
        let down = with("fd00::7", |a| a.interface_up = false);
        for found in [tentative, link, down] {
            assert!(all.check(&found).is_err(), "{found:?}");
        }
    }

    #[test]
    fn an_address_of_two_interfaces_is_one_source_if_either_does() {
        let mut network = Network::default();
        let down = with("192.0.2.7", |a| a.interface_up = false);
        network.addrs = vec![
            down,
            found("192.0.2.7"),
            found("192.0.2.7"),
            found("192.0.2.3"),
        ];
        let sources = Filter::default().sources(&network);
        let expected: Vec<IpAddr> = ["192.0.2.3", "192.0.2.7"]
            .map(|a| a.parse().unwrap())
            .into();
        assert_eq!(sources, expected);
    }
}
