//! Builds the copy's tests and runs them, with a limit of time.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Mutant;
use super::scratch::Scratch;
use crate::{Failure, cargo};

/// The tests that a mutant is put before: a build of its own each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suite {
    /// The unit tests of the manager, of HTTP and of the key.
    Unit,
    /// The loom models that the mutant names.
    Loom,
}

impl Suite {
    /// In the order they run.
    pub(super) const ALL: [Self; 2] = [Self::Unit, Self::Loom];

    /// The suite of those that are expected to notice.
    pub(super) fn of(mutant: &Mutant) -> Self {
        if mutant
            .noticed_by
            .iter()
            .any(|test| test.starts_with("loom_"))
        {
            Self::Loom
        } else {
            Self::Unit
        }
    }

    /// What progress lines call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit tests",
            Self::Loom => "loom models",
        }
    }

    /// Runs every test without a fault, and says how long the tests may take with one.
    ///
    /// # Errors
    ///
    /// [`Failure::Broken`] if a test fails: it would seem to notice every fault.
    pub(super) fn time_limit(self, scratch: &Scratch) -> Result<Duration, Failure> {
        let binary = self.build(scratch)?;
        let began = now();
        let outcome = run(self.tests(scratch, &binary, self.filters()), LONGEST)?;
        if outcome.is_kill() {
            return Err(Failure::Broken(format!(
                "the tests fail without a fault: {}",
                outcome.said()
            )));
        }
        let took = now().saturating_duration_since(began);
        println!("{:.0} s", took.as_secs_f64());
        Ok((took * 3).clamp(SHORTEST, LONGEST))
    }

    /// Runs the tests that are expected to notice `mutant`, which is in the copy, and if they do not, every unit test that
    /// may.
    pub(super) fn run(
        self,
        scratch: &Scratch,
        mutant: &Mutant,
        limit: Duration,
    ) -> Result<Outcome, Failure> {
        let binary = self.build(scratch)?;
        let outcome = run(self.tests(scratch, &binary, mutant.noticed_by), limit)?;
        if outcome.is_kill() || self == Self::Loom {
            return Ok(outcome);
        }
        run(self.tests(scratch, &binary, self.filters()), limit)
    }

    fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Unit => &["manager::", "http::", "key::"],
            Self::Loom => &["loom_"],
        }
    }

    /// Builds the tests. Returns the binary.
    fn build(self, scratch: &Scratch) -> Result<PathBuf, Failure> {
        let mut command = self.build_command(scratch);
        let shown = cargo::show(&command);
        let output = command
            .stderr(Stdio::null())
            .output()
            .map_err(|error| Failure::Broken(format!("cannot start `{shown}`: {error}")))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let messages: Vec<Value> = printed
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let built = messages.iter().rev().find_map(|message| {
            let is_test = message["profile"]["test"] == true;
            message["executable"].as_str().filter(|_| is_test)
        });
        if let (true, Some(binary)) = (output.status.success(), built) {
            return Ok(PathBuf::from(binary));
        }
        let rendered = messages.iter().find_map(|message| {
            let message = &message["message"];
            let is_error = message["level"] == "error";
            message["rendered"].as_str().filter(|_| is_error)
        });
        let said = rendered.unwrap_or_default();
        Err(Failure::Broken(format!(
            "`{shown}`: {}\n{said}",
            output.status
        )))
    }

    fn build_command(self, scratch: &Scratch) -> Command {
        let mut command = cargo::command();
        command.current_dir(scratch.folder());
        // Without TLS: nothing here needs it, and it takes long to build and to link.
        command.args([
            "test",
            "--quiet",
            "-p",
            "pool-core",
            "--no-default-features",
        ]);
        command.args(["--lib", "--no-run", "--message-format", "json"]);
        command.env("CARGO_INCREMENTAL", "1");
        match self {
            Self::Unit => {
                command.args(["--target-dir", "../unit"]);
                command.env("CARGO_PROFILE_DEV_DEBUG", "0");
            }
            Self::Loom => {
                command.args(["--target-dir", "../loom", "--release"]);
                command.env("RUSTFLAGS", "--cfg pool_loom");
            }
        }
        command
    }

    /// The tests themselves, without cargo: a child of a child would outlive the time limit.
    fn tests(self, scratch: &Scratch, binary: &Path, filters: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(scratch.folder().join("pool-core"));
        command.args(filters).stdin(Stdio::null());
        // Found is found: the shortest example does not matter here, and none is to be kept.
        command.env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        command.env("PROPTEST_RNG_SEED", "1");
        command.env("LOOM_MAX_PREEMPTIONS", "2");
        command.env("RUST_BACKTRACE", "0");
        command
    }
}

/// How the tests went with one fault in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The names of the tests that failed, without their modules.
    failed: Vec<String>,
    /// They did not end in time.
    hung: bool,
    /// They ended otherwise than well.
    unwell: bool,
}

impl Outcome {
    /// Whether the fault was noticed.
    pub(super) fn is_kill(&self) -> bool {
        self.hung || self.unwell
    }

    /// One line for whoever watches.
    pub(super) fn said(&self) -> String {
        match (self.is_kill(), self.hung, self.failed.len()) {
            (false, ..) => "SURVIVED".to_owned(),
            (_, true, failed) => format!("killed: hangs, {failed} failed"),
            (_, false, 0) => "killed: the tests ended without a result".to_owned(),
            (_, false, failed) => format!("killed: {failed} failed"),
        }
    }

    /// Who noticed, for the table: those expected to, then how many others.
    pub(super) fn noticed_by(&self, mutant: &Mutant) -> String {
        if !self.is_kill() {
            return "nobody".to_owned();
        }
        let (expected, others): (Vec<_>, Vec<_>) = self
            .failed
            .iter()
            .partition(|test| mutant.noticed_by.contains(&test.as_str()));
        let named = if expected.is_empty() {
            &others[..]
        } else {
            &expected[..]
        };
        let named = &named[..named.len().min(2)];
        let mut said: Vec<String> = named.iter().map(|test| format!("`{test}`")).collect();
        let left = self.failed.len() - named.len();
        if left > 0 {
            said.push(format!("{left} more"));
        }
        if self.hung {
            said.push("a test that does not end".to_owned());
        } else if self.failed.is_empty() {
            said.push("the end of the test process".to_owned());
        }
        said.join(", ")
    }

    /// The tests that were expected to notice and did not. After a hang that is not known.
    pub(super) fn missed_by<'a>(&'a self, mutant: &'a Mutant) -> impl Iterator<Item = &'a str> {
        let known = self.is_kill() && !self.hung && !self.failed.is_empty();
        let expected = mutant.noticed_by.iter().copied().filter(move |_| known);
        expected.filter(|test| !self.failed.iter().any(|failed| failed == test))
    }

    /// Takes in a line of libtest's. Returns whether it names the first test that failed.
    fn add_line(&mut self, line: &str) -> bool {
        let test = line.trim_end().strip_prefix("test ");
        let Some(path) = test.and_then(|rest| rest.strip_suffix(" ... FAILED")) else {
            return false;
        };
        // A test that must panic has that after its name.
        let path = path.split(" - ").next().unwrap_or(path);
        let name = path.rsplit("::").next().unwrap_or(path);
        self.failed.push(name.to_owned());
        self.failed.len() == 1
    }
}

/// Runs the tests until they end or `limit` is over.
fn run(mut command: Command, limit: Duration) -> Result<Outcome, Failure> {
    let broken = |error: std::io::Error| Failure::Broken(format!("the tests: {error}"));
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(broken)?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let (lines, printed) = channel();
    let reader = std::thread::spawn(move || read_lines(stdout, |line| lines.send(line).is_ok()));
    let mut deadline = now() + limit;
    let mut outcome = Outcome::default();
    loop {
        match printed.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(line) => {
                // Noticed is noticed: the others are waited for no longer than they take, to be named.
                if outcome.add_line(&line) {
                    deadline = deadline.min(now() + limit / 2);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                outcome.hung = true;
                child.kill().map_err(broken)?;
                break;
            }
        }
    }
    let status = child.wait().map_err(broken)?;
    outcome.unwell = !status.success();
    reader.join().expect("reading does not panic");
    Ok(outcome)
}

fn read_lines(from: impl Read, mut each: impl FnMut(String) -> bool) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // Bytes, not `lines()`: a test may print what is no UTF-8.
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if !each(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
        line.clear();
    }
}

/// The limit is three times what the tests take without a fault, but not below this …
const SHORTEST: Duration = Duration::from_secs(15);

/// … nor above this.
const LONGEST: Duration = Duration::from_secs(300);

#[expect(
    clippy::disallowed_methods,
    reason = "the limit is on real time, of a child process"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTANT: Mutant = Mutant {
        name: "two and two are five",
        file: "pool-core/src/sum.rs",
        old: "2 + 2",
        new: "5",
        noticed_by: &["sums_are_right"],
    };

    fn outcome(lines: &[&str]) -> Outcome {
        let mut outcome = Outcome {
            unwell: true,
            ..Outcome::default()
        };
        for line in lines {
            outcome.add_line(line);
        }
        outcome
    }

    #[test]
    fn failed_tests_are_named_and_others_counted() {
        let outcome = outcome(&[
            "running 4 tests\n",
            "test sum::tests::sums_of_none ... ok\n",
            "test sum::tests::sums_are_even ... FAILED\n",
            "test sum::tests::sums_are_right ... FAILED\n",
            "failures:\n",
        ]);
        assert_eq!(outcome.said(), "killed: 2 failed");
        assert_eq!(outcome.noticed_by(&MUTANT), "`sums_are_right`, 1 more");
        assert_eq!(outcome.missed_by(&MUTANT).count(), 0);
    }

    #[test]
    fn a_kill_by_others_than_expected_says_so() {
        let outcome = outcome(&["test sum::tests::sums_are_even ... FAILED\n"]);
        assert_eq!(outcome.noticed_by(&MUTANT), "`sums_are_even`");
        let missed: Vec<&str> = outcome.missed_by(&MUTANT).collect();
        assert_eq!(missed, ["sums_are_right"]);
    }

    #[test]
    fn a_hang_is_a_kill_and_is_said() {
        let mut sleeper = Command::new("sleep");
        sleeper.arg("600");
        let outcome = run(sleeper, Duration::from_millis(10)).expect("it starts");
        assert!(outcome.is_kill());
        assert_eq!(outcome.said(), "killed: hangs, 0 failed");
        assert_eq!(outcome.noticed_by(&MUTANT), "a test that does not end");
    }

    #[test]
    fn what_ends_well_survives() {
        let outcome = run(Command::new("true"), LONGEST).expect("it starts");
        assert!(!outcome.is_kill());
        assert_eq!(outcome.said(), "SURVIVED");
    }

    #[test]
    fn loom_models_are_run_for_those_who_name_one() {
        assert_eq!(Suite::of(&MUTANT), Suite::Unit);
        let racing = Mutant {
            noticed_by: &["loom_sums_beside_each_other"],
            ..MUTANT
        };
        assert_eq!(Suite::of(&racing), Suite::Loom);
    }
}
