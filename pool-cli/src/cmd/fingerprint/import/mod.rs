//! `pool fingerprint import`: makes profiles of what somebody else captured.

mod bytes;
mod clients;
mod flows;
mod packets;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use pool_tls::ProfileId;
use pool_tls::client_hello::ClientHello;
use pool_tls::http2_opening::Http2Opening;
use pool_tls::spec::{Captured, Profile};
use serde::Serialize;
use time::Date;

use self::bytes::Content;
use self::clients::Clients;
use crate::args::ImportArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned, is_dash, note};

/// What was found in the files.
#[derive(Default)]
struct Found {
    hellos: Vec<(ClientHello, Option<Date>)>,
    openings: Vec<Http2Opening>,
}

#[derive(Serialize)]
struct Report {
    /// Hellos of full handshakes.
    hellos: usize,
    /// Hellos that resumed a session and are in no profile.
    resumed: usize,
    /// HTTP/2 openings.
    openings: usize,
    profiles: Vec<Profile>,
}

/// As much of a file that is no packet capture as is read: no hello is longer, not even as digits with blanks.
const MOST: usize = 1 << 20;

/// Reads every file, then writes a profile for each client.
pub(super) fn run(args: &ImportArgs) -> Result<Exit, Failure> {
    let mut found = Found::default();
    for file in &args.files {
        read(file, &mut found)?;
    }
    let Found { hellos, openings } = found;
    let mut clients = Clients::default();
    for (hello, date) in hellos {
        clients.add(hello, date);
    }
    clients.tell();
    let seen = (clients.full, clients.resumed, openings.len());
    let profiles = profiles(args, clients, &openings)?;
    write(args, profiles, seen)?;
    Ok(Exit::AllGood)
}

/// Adds what is in a file.
///
/// # Errors
///
/// Exit 2: it cannot be read, or there is nothing in it that this command knows.
fn read(path: &Path, found: &mut Found) -> Result<(), Failure> {
    let name = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::usage(
            format!("cannot read {name}: {error}"),
            "give a file that exists and may be read, or - for standard input",
        )
    };
    let mut file: Box<dyn Read + Send> = match is_dash(path) {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(path).map_err(unreadable)?),
    };
    let mut start = Vec::new();
    let most = u64::try_from(MOST).expect("a constant");
    file.by_ref()
        .take(most)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    let senseless = |problem: String| Failure::usage(format!("{name}: {problem}"), HINT);
    if packets::is_capture(&start) {
        let end = packets::read(Cursor::new(start).chain(file), found).map_err(senseless)?;
        for problem in end {
            note(&format!("{name}: {problem}"));
        }
        return Ok(());
    }
    if start.len() == MOST {
        return Err(senseless("longer than any ClientHello".into()));
    }
    match bytes::content(&start).map_err(senseless)? {
        Content::Hello(hello) => found.hellos.push((*hello, None)),
        Content::Opening(opening) => found.openings.push(*opening),
    }
    Ok(())
}

const HINT: &str = "a file is the TLS records of a ClientHello or the first bytes of HTTP/2, as they are or in hexadecimal digits, or a pcap or pcapng";

fn profiles(
    args: &ImportArgs,
    clients: Clients,
    openings: &[Http2Opening],
) -> Result<Vec<Profile>, Failure> {
    let count = clients.groups.len();
    if count == 0 {
        return Err(Failure::item(
            "no ClientHello of a full handshake in these files",
            "capture from the first packet of a connection on, with whole packets (`tcpdump -s 0`), and without an earlier session",
        ));
    }
    let openings = match count {
        1 => openings,
        _ if openings.is_empty() => openings,
        _ => {
            note(&format!(
                "HTTP/2 openings are left out: there are {count} clients, and which of them sent them cannot be told"
            ));
            &[]
        }
    };
    let files: Vec<String> = args.files.iter().map(|file| file_name(file)).collect();
    let mut profiles = Vec::with_capacity(count);
    for (at, group) in clients.groups.into_iter().enumerate() {
        let name = match count {
            1 => args.name.clone(),
            _ => format!("{}-{}", args.name, at + 1),
        };
        let made_of = Captured {
            client: user_agent(openings).unwrap_or_else(|| "unknown".into()),
            date: group
                .date
                .map_or_else(|| "unknown".into(), |date| date.to_string()),
            source: format!(
                "pool fingerprint import: {} full handshakes in {}",
                group.hellos.len(),
                files.join(", ")
            ),
        };
        let id = ProfileId::new(&name);
        let profile = Profile::from_captures(id, made_of, &group.hellos, openings);
        profiles.push(profile.map_err(|error| {
            Failure::item(
                format!("no profile can be made of this: {error}"),
                "`pool fingerprint show FILE` prints what a single capture is",
            )
        })?);
    }
    Ok(profiles)
}

/// Without its directories, which are nobody's business.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn user_agent(openings: &[Http2Opening]) -> Option<String> {
    let requests = openings
        .iter()
        .filter_map(|opening| opening.request.as_ref());
    let mut headers = requests.flat_map(|request| &request.headers);
    let found = headers.find(|(name, _)| name == "user-agent");
    found.map(|(_, value)| value.clone())
}

fn write(
    args: &ImportArgs,
    profiles: Vec<Profile>,
    (hellos, resumed, openings): (usize, usize, usize),
) -> Result<(), Failure> {
    if args.json {
        return Output::stdout().json(&Versioned::new(Report {
            hellos,
            resumed,
            openings,
            profiles,
        }));
    }
    if let Some(folder) = &args.output {
        for profile in &profiles {
            let path = folder.join(format!("{}.toml", profile.id));
            Output::open(&path)?.write(profile.to_toml().as_bytes())?;
            note(&format!("written: {}", path.display()));
        }
        return Ok(());
    }
    if profiles.len() > 1 {
        note(&format!(
            "{} clients: -o DIR writes a file for each",
            profiles.len()
        ));
    }
    let texts: Vec<String> = profiles.iter().map(Profile::to_toml).collect();
    Output::stdout().write(texts.join("\n").as_bytes())
}
