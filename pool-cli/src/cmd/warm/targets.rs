//! What is to be warmed: arguments, and a list of hosts with their addresses.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use http::Uri;
use pool_core::ResolveEntry;

use crate::args::WarmArgs;
use crate::cmd::url::parse_url;
use crate::exit::Failure;
use crate::output::is_dash;

/// The targets, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Targets {
    /// Scheme, host and port of each, in the order given.
    pub(super) origins: Vec<String>,
    /// The addresses that the list has for some of them.
    pub(super) by_hand: Vec<ResolveEntry>,
}

impl Targets {
    /// Those of the arguments, then those of the list.
    ///
    /// # Errors
    ///
    /// Exit 2: an argument or a line that is no target, with the number of the line; a list that cannot be read or has
    /// nothing in it.
    pub(super) fn read(args: &WarmArgs) -> Result<Self, Failure> {
        let mut targets = Self::default();
        for target in &args.targets {
            let origin = origin(target).map_err(|problem| {
                Failure::usage(
                    format!("{target:?} is no target: {problem}"),
                    "give HOST, HOST:PORT or a URL",
                )
            })?;
            targets.origins.push(origin);
        }
        if let Some(path) = &args.list {
            let text = contents(path)?;
            let listed = parse(&text).map_err(|(line, problem)| {
                Failure::usage(
                    format!("{}, line {line}: {problem}", path.display()),
                    "a line is HOST[:PORT] ADDR[,ADDR...], such as a.test:8443 192.0.2.1,2001:db8::1",
                )
            })?;
            if listed.is_empty() {
                return Err(Failure::usage(
                    format!("{} is empty: there is no target in it", path.display()),
                    "write HOST[:PORT] ADDR[,ADDR...] on each line",
                ));
            }
            for entry in listed {
                let origin = origin_of("https", &entry.host, entry.port);
                targets.origins.push(origin);
                targets.by_hand.push(entry);
            }
        }
        let mut seen = HashSet::new();
        targets.origins.retain(|origin| seen.insert(origin.clone()));
        Ok(targets)
    }
}

/// The longest list that is read: a line for each of a million hosts.
const LONGEST_LIST: u64 = 64 * 1024 * 1024;

fn contents(path: &Path) -> Result<String, Failure> {
    let read = |from: &mut dyn Read| {
        let mut text = String::new();
        // One byte more shows that there is more.
        from.take(LONGEST_LIST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LONGEST_LIST {
            return Err(io::Error::other(format!(
                "it is longer than {LONGEST_LIST} bytes"
            )));
        }
        Ok(text)
    };
    let text = if is_dash(path) {
        read(&mut io::stdin().lock())
    } else {
        std::fs::File::open(path).and_then(|mut file| read(&mut file))
    };
    text.map_err(|error| {
        Failure::usage(
            format!("cannot read {}: {error}", path.display()),
            "give a text file with HOST[:PORT] ADDR[,ADDR...] on each line, or - for stdin",
        )
    })
}

fn origin(target: &str) -> Result<String, String> {
    let uri = if target.contains("://") {
        parse_url(target)?
    } else {
        host_and_port(target)?
    };
    let (host, port) = parts(&uri);
    Ok(origin_of(uri.scheme_str().unwrap_or("https"), &host, port))
}

/// `HOST[:PORT]`, and nothing after it.
fn host_and_port(text: &str) -> Result<Uri, String> {
    if text.contains(['/', '?', '#']) {
        return Err("it is neither a host nor a whole URL".into());
    }
    parse_url(&format!("https://{text}")).map_err(|problem| {
        problem
            .replace("a whole URL", "a host")
            .replace("a URL", "a host")
    })
}

/// The host in lower case, without brackets and a dot at the end, and the port.
fn parts(uri: &Uri) -> (String, u16) {
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    let is_http = uri.scheme_str() == Some("http");
    let port = uri.port_u16().unwrap_or(if is_http { 80 } else { 443 });
    (host.to_owned(), port)
}

fn origin_of(scheme: &str, host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

/// The entries of a list, or the number of a line and what is wrong with it.
fn parse(text: &str) -> Result<Vec<ResolveEntry>, (usize, String)> {
    let mut seen = HashMap::new();
    let mut entries = Vec::new();
    // Editors put a mark in front of the first line.
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let entry = parse_line(line).map_err(|problem| (number, problem))?;
        let place = (entry.host.clone(), entry.port);
        if let Some(earlier) = seen.insert(place, number) {
            let (host, port) = (&entry.host, entry.port);
            let problem = format!("{host} has its addresses for port {port} on line {earlier}");
            return Err((number, problem));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn parse_line(line: &str) -> Result<ResolveEntry, String> {
    let (target, addrs) = line
        .split_once(char::is_whitespace)
        .ok_or("there is no address after the host")?;
    let (host, port) = parts(&host_and_port(target)?);
    let mut found: Vec<IpAddr> = Vec::new();
    for text in addrs.split(',').map(str::trim) {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let addr = bare
            .parse()
            .or(Err(format!("{text:?} is not an IP address")))?;
        if found.contains(&addr) {
            return Err(format!("{addr} is there twice"));
        }
        found.push(addr);
    }
    Ok(ResolveEntry {
        host,
        port,
        addrs: found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_or_a_url_and_its_path_does_not_matter() {
        for (text, expected) in [
            ("a.test", "https://a.test:443"),
            ("A.test.:8443", "https://a.test:8443"),
            ("https://a.test/x?y", "https://a.test:443"),
            ("http://a.test", "http://a.test:80"),
            ("[2001:db8::1]:1", "https://[2001:db8::1]:1"),
            ("192.0.2.1", "https://192.0.2.1:443"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "a.test/x",
            "ftp://a.test",
            "a.test:0",
            "a.test:99999",
            "user@a.test",
            "https://",
            "a b",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_hosts_with_exactly_these_addresses() {
        let text = "\u{feff}# ours\n\na.test 192.0.2.1, 192.0.2.2 # two\r\nB.test:8443\t[2001:db8::1],192.0.2.3\n";
        let entries = parse(text).unwrap();
        let entry = |host: &str, port, addrs: [&str; 2]| ResolveEntry {
            host: host.into(),
            port,
            addrs: addrs.map(|addr| addr.parse().unwrap()).into(),
        };
        assert_eq!(
            entries,
            [
                entry("a.test", 443, ["192.0.2.1", "192.0.2.2"]),
                entry("b.test", 8443, ["2001:db8::1", "192.0.2.3"]),
            ]
        );
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, line, says) in [
            ("a.test", 1, "no address"),
            ("# x\n\na.test b.test", 3, "\"b.test\" is not an IP address"),
            ("a.test 192.0.2.1,", 1, "\"\" is not an IP address"),
            ("a.test 192.0.2.1,192.0.2.1", 1, "192.0.2.1 is there twice"),
            ("a.test:0 192.0.2.1", 1, "port"),
            ("https://a.test 192.0.2.1", 1, "neither a host"),
            ("a.test 192.0.2.1\nA.test:443 192.0.2.2", 2, "on line 1"),
        ] {
            let (number, problem) = parse(text).unwrap_err();
            assert_eq!(number, line, "{text:?}: {problem}");
            assert!(problem.contains(says), "{text:?}: {problem}");
        }
    }
}
