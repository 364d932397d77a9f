//! The allocator from a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::interfaces::{Family, Filter, Interfaces, InterfacesError, Scope};
use crate::options::{EXCLUDE, MAX_PER_ADDR, Options, SEED, STRATEGY, WHEN_BUSY};
use crate::sources::{COOLDOWN, MAX_PER_TARGET, PORTS, WORKING_SET};
use crate::spec::parse_all;
use crate::{OptionDoc, OptionsError, Sources};

impl Interfaces {
    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "interface",
            meaning: "names of interfaces, separated by commas",
            default: Some("all"),
        },
        OptionDoc {
            key: "family",
            meaning: "ipv4, ipv6 or both",
            default: Some("both"),
        },
        OptionDoc {
            key: "scope",
            meaning: "global, site, link, host or any; private addresses are global too",
            default: Some("global"),
        },
        OptionDoc {
            key: "temporary",
            meaning: "take or leave: what becomes of IPv6 addresses that are replaced after a day for privacy",
            default: Some("take"),
        },
        OptionDoc {
            key: "deprecated",
            meaning: "take or leave: what becomes of addresses not meant for new connections",
            default: Some("leave"),
        },
        EXCLUDE,
        STRATEGY,
        SEED,
        WHEN_BUSY,
        MAX_PER_ADDR,
        WORKING_SET,
        MAX_PER_TARGET,
        PORTS,
        COOLDOWN,
    ];

    /// Makes the allocator that a configuration describes, which [watches](Self::watch), in the wrappers that it asks for.
    ///
    /// # Errors
    ///
    /// [`InterfacesError::Options`] for an option that is unknown or has an unusable value; else as [`watch`](Self::watch).
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Sources, InterfacesError> {
        let options = Options::new(options, Self::OPTIONS).map_err(InterfacesError::Options)?;
        let interfaces = described(&options).map_err(InterfacesError::Options)?;
        let interfaces = interfaces.watch()?;
        Sources::wrap(Arc::new(interfaces), &options).map_err(InterfacesError::Options)
    }
}

/// What the options describe, not yet watching.
fn described(options: &Options<'_>) -> Result<Interfaces, OptionsError> {
    let mut filter = Filter::default();
    let names = options.read("interface", "names such as eth0,wg0", |text| {
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        names.iter().all(|name| !name.is_empty()).then_some(names)
    })?;
    for name in names.unwrap_or_default() {
        filter = filter.interface(name);
    }
    let family = options.read("family", "ipv4, ipv6 or both", |text| match text {
        "ipv4" => Some(Some(Family::V4)),
        "ipv6" => Some(Some(Family::V6)),
        "both" => Some(None),
        _ => None,
    })?;
    if let Some(family) = family {
        filter = filter.family(family);
    }
    let scope = options.read(
        "scope",
        "global, site, link, host or any",
        |text| match text {
            "global" => Some(Some(Scope::Global)),
            "site" => Some(Some(Scope::Site)),
            "link" => Some(Some(Scope::Link)),
            "host" => Some(Some(Scope::Host)),
            "any" => Some(None),
            _ => None,
        },
    )?;
    if let Some(scope) = scope {
        filter = filter.scope(scope);
    }
    let taken = |key| {
        options.read(key, "take or leave", |text| match text {
            "take" => Some(true),
            "leave" => Some(false),
            _ => None,
        })
    };
    if let Some(taken) = taken("temporary")? {
        filter = filter.temporary(taken);
    }
    if let Some(taken) = taken("deprecated")? {
        filter = filter.deprecated(taken);
    }
    if let Some(excluded) = options.text(EXCLUDE.key) {
        let key = EXCLUDE.key;
        let excluded = parse_all(excluded);
        for source in excluded.map_err(|source| OptionsError::Source { key, source })? {
            filter = filter.exclude(source);
        }
    }
    let mut interfaces = Interfaces::new(filter).strategy(options.strategy()?);
    if let Some(connections) = options.above_zero(MAX_PER_ADDR.key)? {
        interfaces = interfaces.max_per_addr(connections);
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalAddrAllocator;
    use crate::interfaces::{InterfaceAddr, Network};

    fn made(given: &[(&str, &str)]) -> Result<Interfaces, OptionsError> {
        let given = options(given);
        described(&Options::new(&given, Interfaces::OPTIONS)?)
    }

    fn options(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = given
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        owned.collect()
    }

    #[test]
    fn every_option_narrows_or_widens_what_is_taken() {
        let mut network = Network::default();
        let add = |addr: &str, name: &str| {
            InterfaceAddr::new(addr.parse::<std::net::IpAddr>().unwrap(), 64, name)
        };
        let mut host = add("127.0.0.1", "lo");
        host.scope = Scope::Host;
        let mut temporary = add("2001:db8::1", "eth0");
        temporary.temporary = true;
        let mut deprecated = add("2001:db8::2", "eth0");
        deprecated.deprecated = true;
        network.addrs = vec![
            host,
            add("192.0.2.1", "eth0"),
            add("192.0.2.2", "wg0"),
            temporary,
            deprecated,
        ];
        for (given, expected) in [
            (&[][..], "192.0.2.1 192.0.2.2 2001:db8::1"),
            (&[("interface", "wg0, lo")], "192.0.2.2"),
            (&[("family", "ipv4")], "192.0.2.1 192.0.2.2"),
            (&[("family", "ipv6")], "2001:db8::1"),
            (&[("scope", "host")], "127.0.0.1"),
            (
                &[("scope", "any"), ("family", "ipv4")],
                "127.0.0.1 192.0.2.1 192.0.2.2",
            ),
            (&[("exclude", "192.0.2.2,2001:db8::/64")], "192.0.2.1"),
            (&[("temporary", "leave")], "192.0.2.1 192.0.2.2"),
            (
                &[("deprecated", "take"), ("family", "ipv6")],
                "2001:db8::1 2001:db8::2",
            ),
        ] {
            let interfaces = made(given).unwrap();
            interfaces.update(&network);
            let sources: Vec<String> = interfaces
                .sources()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(sources.join(" "), expected, "{given:?}");
        }
    }

    #[test]
    fn a_wrong_option_is_named() {
        for (key, value) in [
            ("interface", "eth0,,wg0"),
            ("family", "ipv5"),
            ("scope", "galaxy"),
            ("temporary", "yes"),
            ("deprecated", ""),
            ("exclude", "eth0"),
            ("strategy", "best"),
            ("max_per_addr", "0"),
            ("interfaces", "eth0"),
        ] {
            let error = made(&[(key, value)]).unwrap_err();
            assert_eq!(error.key(), key);
        }
    }
}
