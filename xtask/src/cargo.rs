//! Runs cargo, with its output shown, counted or read.

use crate::{Failure, root};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A cargo command in the workspace's root, without standard input.
pub(crate) fn command() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs `command` and returns its standard output.
///
/// # Errors
///
/// [`Failure::Broken`] if it cannot be started, fails, or prints something other than UTF-8.
pub(crate) fn read(mut command: Command) -> Result<String, Failure> {
    let shown = show(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::Broken(format!("cannot start `{shown}`: {error}")))?;
    if !output.status.success() {
        return Err(Failure::Broken(format!("`{shown}`: {}", output.status)));
    }
    String::from_utf8(output.stdout)
        .map_err(|error| Failure::Broken(format!("`{shown}` printed no text: {error}")))
}

/// What `cargo metadata` says of the workspace and everything it depends on, on every platform.
pub(crate) fn metadata() -> Result<Value, Failure> {
    let mut command = command();
    command.args(["metadata", "--format-version", "1"]);
    serde_json::from_str(&read(command)?)
        .map_err(|error| Failure::Broken(format!("cargo metadata printed no JSON: {error}")))
}

/// Runs `command` with live output and counts the `test result:` lines of its standard output.
///
/// # Errors
///
/// [`Failure::Broken`] if it cannot be started.
pub(crate) fn count_tests(mut command: Command) -> Result<Ran, Failure> {
    let shown = show(&command);
    let broken = |error: std::io::Error| Failure::Broken(format!("`{shown}`: {error}"));
    let began = now();
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(broken)?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut tally = Tally::default();
    let mut again = None;
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    // Bytes, not `lines()`: a test may print what is no UTF-8.
    while reader.read_until(b'\n', &mut line).map_err(broken)? > 0 {
        // A closed terminal must not stop the count.
        let _ = std::io::stdout().write_all(&line);
        let text = String::from_utf8_lossy(&line);
        tally.add_line(&text);
        if let Some(command) = text.strip_prefix(AGAIN) {
            again = Some(command.trim().to_owned());
        }
        line.clear();
    }
    let status = child.wait().map_err(broken)?;
    Ok(Ran {
        success: status.success(),
        tally,
        took: now().saturating_duration_since(began),
        again,
    })
}

/// Before the command that brings a failure back, where a test knows one.
const AGAIN: &str = "again: ";

/// How one child went.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// Whether it exited with 0.
    pub(crate) success: bool,
    /// Its tests, counted.
    pub(crate) tally: Tally,
    /// From start to exit.
    pub(crate) took: Duration,
    /// The command that brings its last failure back, if it named one.
    pub(crate) again: Option<String>,
}

/// Counted tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Adds the numbers of a libtest `test result:` line; any other line changes nothing.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some((_, numbers)) = line
            .trim_start()
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in numbers.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Adds the numbers of `other`.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The command as one would type it, for messages.
pub(crate) fn show(command: &Command) -> String {
    let mut shown = String::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            shown.push_str(&format!(
                "{}={:?} ",
                key.to_string_lossy(),
                value.to_string_lossy()
            ));
        }
    }
    shown.push_str("cargo");
    for arg in command.get_args() {
        shown.push(' ');
        shown.push_str(&arg.to_string_lossy());
    }
    shown
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time a child took is for the summary alone"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up_and_other_lines_do_not_count() {
        let mut tally = Tally::default();
        tally.add_line("running 5 tests\n");
        tally.add_line("test a ... ok\n");
        tally.add_line("test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n");
        tally.add_line("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n");
        tally.add_line("note: test result: ok. 9 passed; 9 failed");
        assert_eq!(
            tally,
            Tally {
                passed: 5,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_command_is_shown_with_its_environment() {
        let mut command = command();
        command.args(["test", "--lib"]).env("RUSTFLAGS", "--cfg x");
        assert_eq!(show(&command), "RUSTFLAGS=\"--cfg x\" cargo test --lib");
    }
}
