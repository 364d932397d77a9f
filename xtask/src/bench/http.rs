//! Builds what the benchmark of HTTP runs, each client by itself, so that one that does not build is left out alone.

use std::process::{Command, Stdio};

use super::args::Args;
use super::{PEERS, TARGET, here};
use crate::{Failure, cargo, root};

/// What must be there: the benchmark, the server, and what others are compared with.
const NEEDED: [&str; 4] = ["http-bench", "bench-origin", "peer-raw", "peer-ours"];

/// Clients of other people, and the folder of their lock file.
const OTHERS: [(&str, &str); 3] = [
    ("hyper-util", PEERS),
    ("reqwest", PEERS),
    ("wreq", "xtask/peers/wreq"),
];

/// Builds everything and returns the command that measures it.
pub(super) fn command(args: &Args) -> Result<Command, Failure> {
    for package in NEEDED {
        cargo::read(build(package, PEERS))?;
    }
    let mut skipped = Vec::new();
    // A check and a profile need nobody else.
    if !args.check && args.profile.is_none() {
        for (peer, folder) in OTHERS {
            if let Some(reason) = why_not(peer, folder)? {
                skipped.push(format!("{peer}={reason}"));
            }
        }
    }
    let release = root().join("target/peers/release");
    let mut command = Command::new(release.join("http-bench"));
    command.stdin(Stdio::null()).args(args.passed_on(&here()?));
    command.arg("--out").arg(root().join("target/bench"));
    for skip in skipped {
        command.args(["--skip", &skip]);
    }
    Ok(command)
}

/// One package at a time: together they would share features that none of their users has.
fn build(package: &str, folder: &str) -> Command {
    let mut command = cargo::command();
    command.current_dir(root().join(folder));
    command.args(["build", "--quiet", "--release", "--locked", "-p", package]);
    let target = match folder == PEERS {
        true => TARGET.to_owned(),
        false => format!("../{TARGET}"),
    };
    command.args(["--target-dir", &target]);
    command
}

/// The first error of a build that fails.
fn why_not(peer: &str, folder: &str) -> Result<Option<String>, Failure> {
    let mut command = build(&format!("peer-{peer}"), folder);
    let shown = cargo::show(&command);
    let output = command
        .output()
        .map_err(|error| Failure::Broken(format!("cannot start `{shown}`: {error}")))?;
    if output.status.success() {
        return Ok(None);
    }
    Ok(Some(reason(&String::from_utf8_lossy(&output.stderr))))
}

/// What is worth repeating of what a failed build said: the tool that is missing, or the first error.
fn reason(said: &str) -> String {
    let telling = ["is `", "not installed", "Unable to find", "No such file"];
    let lines = || said.lines().map(str::trim);
    let tool = lines().find(|line| telling.iter().any(|word| line.contains(word)));
    let error = || lines().find(|line| line.starts_with("error"));
    let line = tool.or_else(error).unwrap_or("it does not build");
    format!("it does not build here: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_built_by_itself_into_one_folder() {
        let line = cargo::show(&build("peer-raw", PEERS));
        assert!(
            line.ends_with("-p peer-raw --target-dir ../../target/peers"),
            "{line}"
        );
        let line = cargo::show(&build("peer-wreq", "xtask/peers/wreq"));
        assert!(
            line.ends_with("--target-dir ../../../target/peers"),
            "{line}"
        );
    }

    #[test]
    fn a_failed_build_is_told_in_a_line() {
        let said = "error: failed to run custom build command for `btls-sys v0.5.6`\n\
                    \n  --- stderr\n  is `cmake` not installed?\n";
        assert_eq!(
            reason(said),
            "it does not build here: is `cmake` not installed?"
        );
        assert_eq!(
            reason("error[E0308]: mismatched types\n"),
            "it does not build here: error[E0308]: mismatched types"
        );
    }
}
