//! `pool fingerprint capture`: listens, and makes a profile of the client that connects.

mod conn;
mod hello;
mod http;
mod identity;
mod listen;

use std::fs::OpenOptions;
use std::path::Path;

use pool_tls::ProfileId;
use pool_tls::spec::{self, Profile};
use serde::Serialize;

use self::listen::{Captured, End};
use crate::args::CaptureArgs;
use crate::cmd::process::runtime;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned, is_dash, note};

#[derive(Serialize)]
struct Report<'a> {
    /// Hellos of full handshakes, and how many were asked for.
    hellos: usize,
    wanted: usize,
    /// Hellos that resumed a session and are not in the profile.
    resumed: usize,
    /// HTTP/2 openings with a request.
    openings: usize,
    profile: &'a Profile,
}

/// Captures until there is enough, then writes the profile.
pub(super) fn run(args: &CaptureArgs) -> Result<Exit, Failure> {
    if let Some(path) = args.output.as_deref().filter(|path| !is_dash(path)) {
        can_be_written(path)?;
    }
    let (captured, end) = runtime()?.block_on(listen::listen(args))?;
    let (seen, wanted) = (captured.hellos.len(), args.count.get());
    let short = match end {
        End::Enough => None,
        End::TimedOut => Some(format!("no more time after {:?}", args.timeout)),
        End::Interrupted => Some("interrupted".to_owned()),
    };
    let count = format!(
        "{seen} of {wanted} hellos, and {} resumed",
        captured.resumed
    );
    if let (Some(why), 0) = (&short, seen) {
        return Err(Failure::item(
            format!("{why}: {count}"),
            "open the URL above in the client, again for each hello; it must accept any certificate, or its hello is all there is",
        ));
    }
    let profile = profile(args, &captured)?;
    write(args, &captured, &profile)?;
    if profile.http2.is_none() {
        note("no HTTP/2 request was seen: the profile has neither an HTTP/2 opening nor headers");
    }
    match short {
        None => Ok(Exit::AllGood),
        Some(why) => Err(Failure::item(
            format!("{why}: {count}; the profile is made of those"),
            "what varies from one connection to the next shows only in several; --count and --timeout say how many and how long",
        )),
    }
}

/// Before anybody has connected for nothing.
fn can_be_written(path: &Path) -> Result<(), Failure> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|error| {
        Failure::usage(
            format!("cannot write {}: {error}", path.display()),
            "give a file in a directory that exists and may be written to, or - for stdout",
        )
    })
}

fn profile(args: &CaptureArgs, captured: &Captured) -> Result<Profile, Failure> {
    let client = args.client.clone().or_else(|| captured.user_agent.clone());
    let (hellos, openings) = (captured.hellos.len(), captured.openings.len());
    let made_of = spec::Captured {
        client: client.unwrap_or_else(|| "unknown: it said no user-agent".into()),
        date: time::OffsetDateTime::now_utc().date().to_string(),
        source: format!(
            "pool fingerprint capture: {hellos} full handshakes, {openings} HTTP/2 openings"
        ),
    };
    let id = ProfileId::new(&args.name);
    Profile::from_captures(id, made_of, &captured.hellos, &captured.openings).map_err(|error| {
        Failure::item(
            format!("no profile can be made of this: {error}"),
            "one client at a time, and the same page each time; a client that differs from itself has no profile",
        )
    })
}

fn write(args: &CaptureArgs, captured: &Captured, profile: &Profile) -> Result<(), Failure> {
    let mut output = match &args.output {
        Some(path) => Output::open(path)?,
        None => Output::stdout(),
    };
    if !args.json {
        return output.write(profile.to_toml().as_bytes());
    }
    output.json(&Versioned::new(Report {
        hellos: captured.hellos.len(),
        wanted: args.count.get(),
        resumed: captured.resumed,
        openings: captured.openings.len(),
        profile,
    }))
}
