//! `pool localip list`: which addresses are sources, and why not the others.

use std::net::IpAddr;

use pool_localip::Cidr;
use pool_localip::interfaces::{Filter, InterfaceAddr, Network, WhyNot};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned, printable};

#[derive(Serialize)]
struct Listed<'a> {
    sources: Vec<Found<'a>>,
    prefixes: Vec<Whole<'a>>,
    unused: Vec<Unused<'a>>,
}

/// An address as the interface has it.
#[derive(Serialize)]
struct Found<'a> {
    addr: IpAddr,
    /// Of the link, without host bits.
    prefix: Option<String>,
    interface: &'a str,
    scope: String,
    permanent: bool,
    temporary: bool,
    deprecated: bool,
}

/// A prefix of which every address is the machine's.
#[derive(Serialize)]
struct Whole<'a> {
    prefix: String,
    interface: Option<&'a str>,
    table: u32,
}

#[derive(Serialize)]
struct Unused<'a> {
    #[serde(flatten)]
    found: Found<'a>,
    why: Why,
}

#[derive(Serialize)]
struct Why {
    code: &'static str,
    message: String,
}

/// Prints the addresses that `[localip] use = "interfaces"` takes, prefixes that are local as a whole, and the other addresses.
pub(super) fn run(json: bool) -> Result<Exit, Failure> {
    let network = super::network()?;
    let listed = Listed::of(&network);
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(listed))?;
    } else {
        stdout.write(text(&listed).as_bytes())?;
    }
    Ok(Exit::AllGood)
}

impl<'a> Listed<'a> {
    fn of(network: &'a Network) -> Self {
        let filter = Filter::default();
        let mut sources = Vec::new();
        let mut unused = Vec::new();
        for addr in &network.addrs {
            let found = Found::of(addr);
            match filter.check(addr) {
                Ok(()) => sources.push(found),
                Err(why) => unused.push(Unused {
                    found,
                    why: Why::of(&why),
                }),
            }
        }
        let prefixes = network.local_prefixes().map(|route| Whole {
            prefix: route.prefix.to_string(),
            interface: route.interface.as_deref(),
            table: route.table,
        });
        Self {
            sources,
            prefixes: prefixes.collect(),
            unused,
        }
    }
}

impl<'a> Found<'a> {
    fn of(found: &'a InterfaceAddr) -> Self {
        let prefix = Cidr::new(found.addr, found.prefix_len);
        Self {
            addr: found.addr,
            prefix: prefix.map(|prefix| prefix.to_string()),
            interface: &found.interface,
            scope: found.scope.to_string(),
            permanent: found.permanent,
            temporary: found.temporary,
            deprecated: found.deprecated,
        }
    }

    fn line(&self) -> String {
        let mut marks = Vec::new();
        if self.temporary {
            marks.push("temporary");
        }
        if self.deprecated {
            marks.push("deprecated");
        }
        if !self.permanent {
            marks.push("with a lifetime");
        }
        let prefix = self.prefix.as_deref().unwrap_or("-");
        let interface = printable(self.interface);
        let line = format!(
            "  {:<40} {interface:<12} {:<8} {prefix:<32} {}",
            self.addr.to_string(),
            self.scope,
            marks.join(", ")
        );
        line.trim_end().to_owned()
    }
}

impl Why {
    fn of(why: &WhyNot) -> Self {
        Self {
            code: why.code(),
            message: why.to_string(),
        }
    }
}

fn text(listed: &Listed<'_>) -> String {
    let mut text = "sources: what [localip] use = \"interfaces\" takes\n".to_owned();
    for found in &listed.sources {
        text.push_str(&format!("{}\n", found.line()));
    }
    if listed.sources.is_empty() {
        text.push_str("  none\n");
    }
    if !listed.prefixes.is_empty() {
        text.push_str(
            "\nwhole prefixes that are this machine's: for --source, sources of a configuration\n",
        );
    }
    for whole in &listed.prefixes {
        let interface = printable(whole.interface.unwrap_or("-"));
        text.push_str(&format!("  {:<40} {interface}\n", whole.prefix));
    }
    if !listed.unused.is_empty() {
        text.push_str("\nnot among the sources\n");
    }
    for unused in &listed.unused {
        text.push_str(&format!("{}\n", unused.found.line()));
        text.push_str(&format!("    {}\n", unused.why.message));
    }
    text
}

#[cfg(test)]
mod tests {
    use pool_localip::interfaces::{Detection, Route, RouteKind, Scope};

    use super::*;

    fn found(addr: &str, len: u8) -> InterfaceAddr {
        let addr: IpAddr = addr.parse().unwrap();
        InterfaceAddr::new(addr, len, "eth0")
    }

    #[test]
    fn every_address_stands_once_with_its_facts_or_the_reason_against_it() {
        let mut network = Network::default();
        let mut temporary = found("2001:db8::7", 64);
        (temporary.temporary, temporary.permanent) = (true, false);
        let mut tentative = found("2001:db8::8", 64);
        tentative.detection = Detection::Tentative;
        let mut host = found("127.0.0.1", 8);
        host.scope = Scope::Host;
        network.addrs = vec![found("192.0.2.7", 24), temporary, tentative, host];
        let whole = "2001:db8:1::/64".parse().unwrap();
        network.routes = vec![
            Route::new(whole, RouteKind::Local, "lo"),
            Route::new("192.0.2.7/32".parse().unwrap(), RouteKind::Local, "eth0"),
            Route::new("192.0.2.0/24".parse().unwrap(), RouteKind::Unicast, "eth0"),
        ];
        let listed = Listed::of(&network);
        let addrs: Vec<String> = listed
            .sources
            .iter()
            .map(|it| it.addr.to_string())
            .collect();
        assert_eq!(addrs, ["192.0.2.7", "2001:db8::7"]);
        assert_eq!(listed.sources[0].prefix.as_deref(), Some("192.0.2.0/24"));
        let codes: Vec<&str> = listed.unused.iter().map(|it| it.why.code).collect();
        assert_eq!(codes, ["tentative", "scope"]);
        assert_eq!(listed.prefixes.len(), 1);

        let text = text(&listed);
        assert!(text.contains("temporary, with a lifetime"), "{text}");
        assert!(text.contains("\n  2001:db8:1::/64 "), "{text}");
        assert!(text.contains("its scope is host"), "{text}");
    }

    #[test]
    fn no_source_at_all_is_said() {
        assert!(text(&Listed::of(&Network::default())).contains("  none\n"));
    }
}
