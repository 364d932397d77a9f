//! `pool fingerprint`: what clients look like on the wire, and what this program can look like.

mod backend;
mod capture;
mod diff;
mod fields;
mod import;
mod list;
mod show;
mod source;
mod verify;

pub(crate) use self::source::{is_path, profile};
use crate::args::FingerprintCommand;
use crate::exit::{Exit, Failure};

/// Does what the subcommand says.
pub(crate) fn run(command: &FingerprintCommand) -> Result<Exit, Failure> {
    match command {
        FingerprintCommand::List { json } => list::run(*json),
        FingerprintCommand::Show { what, toml, json } => show::run(what, *toml, *json),
        FingerprintCommand::Diff { left, right, json } => diff::run(left, right, *json),
        FingerprintCommand::Verify {
            profile,
            against,
            json,
        } => verify::run(profile, against.as_deref(), *json),
        FingerprintCommand::Capture(args) => capture::run(args),
        FingerprintCommand::Import(args) => import::run(args),
    }
}
