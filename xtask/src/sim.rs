//! `cargo xtask sim`: the whole pool in simulated worlds, each made from one seed.

use crate::test::args::{number, seed_from_clock};
use crate::{Failure, cargo, test};
use std::process::Command;

const HELP: &str = "\
Usage: cargo xtask sim [--seed N] [--seeds COUNT] [--minutes M]

The pool as it is, over a network in memory and in simulated time: hosts, servers, callers, limits and faults are made
from a seed, and what everybody saw is held against the promises of the pool. The same seed makes the same run. A seed
that breaks a promise ends the search, and the last line says how to have it again.

--seed N       run this seed alone and print everything that happens in it; with one of the others, begin with it
               (without it, one from the clock)
--seeds COUNT  run so many seeds
--minutes M    run seeds for so many minutes (2 if nothing is said)
";

/// Runs the seeds that `args` ask for.
///
/// # Errors
///
/// [`Failure::Found`] if a seed breaks a promise, or nothing could be built.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(args).map_err(|wrong| Failure::Usage(format!("{wrong}\n\n{HELP}")))?;
    let command = args.command();
    println!("== {}", cargo::show(&command));
    let ran = cargo::count_tests(command)?;
    if ran.success && ran.tally.passed > 0 {
        return Ok(());
    }
    if let Some(again) = ran.again {
        println!("again: {again}");
    }
    Err(Failure::Found)
}

/// Which seeds to run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Args {
    seed: Option<u64>,
    seeds: Option<u64>,
    minutes: Option<u64>,
}

impl Args {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self {
            seed: None,
            seeds: None,
            minutes: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = match arg.as_str() {
                "--seed" => &mut parsed.seed,
                "--seeds" => &mut parsed.seeds,
                "--minutes" => &mut parsed.minutes,
                other => return Err(format!("no flag named `{other}`")),
            };
            *value = Some(number(arg, args.next())?);
        }
        for (flag, value) in [("--seeds", parsed.seeds), ("--minutes", parsed.minutes)] {
            if value == Some(0) {
                return Err(format!("`{flag}` is at least 1"));
            }
        }
        Ok(parsed)
    }

    fn command(&self) -> Command {
        let mut command = test::simulation();
        let base = self.seed.unwrap_or_else(seed_from_clock);
        command.env("XTASK_SEED", base.to_string());
        match (self.seed, self.seeds, self.minutes) {
            (Some(_), None, None) => {
                command.env("XTASK_SIM_SEEDS", "1");
                command.env("XTASK_SIM_TRACE", "1");
            }
            (None, None, None) => {
                command.env("XTASK_SIM_SECONDS", (DEFAULT_MINUTES * 60).to_string());
            }
            (_, seeds, minutes) => {
                if let Some(seeds) = seeds {
                    command.env("XTASK_SIM_SEEDS", seeds.to_string());
                }
                if let Some(minutes) = minutes {
                    let seconds = minutes.saturating_mul(60);
                    command.env("XTASK_SIM_SECONDS", seconds.to_string());
                }
            }
        }
        command.args(["--", "every_seed_keeps_the_promises", "--nocapture"]);
        command
    }
}

const DEFAULT_MINUTES: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::parse(&args)
    }

    fn shown(line: &str) -> String {
        cargo::show(&parse(line).expect("the line is right").command())
    }

    #[test]
    fn a_seed_alone_is_replayed_with_its_trace() {
        let line = shown("--seed 7");
        for said in [
            "XTASK_SEED=\"7\"",
            "XTASK_SIM_SEEDS=\"1\"",
            "XTASK_SIM_TRACE",
        ] {
            assert!(line.contains(said), "{line}");
        }
        assert!(!line.contains("XTASK_SIM_SECONDS"), "{line}");
    }

    #[test]
    fn a_seed_with_a_number_or_a_time_is_where_the_search_begins() {
        let line = shown("--seed 7 --seeds 50 --minutes 3");
        for said in [
            "XTASK_SEED=\"7\"",
            "XTASK_SIM_SEEDS=\"50\"",
            "XTASK_SIM_SECONDS=\"180\"",
        ] {
            assert!(line.contains(said), "{line}");
        }
        assert!(!line.contains("XTASK_SIM_TRACE"), "{line}");
        assert!(!shown("--seeds 50").contains("XTASK_SIM_SECONDS"));
    }

    #[test]
    fn without_a_word_it_is_two_minutes() {
        assert!(shown("").contains("XTASK_SIM_SECONDS=\"120\""));
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            ("--seed", "takes a number"),
            ("--minutes x", "not `x`"),
            ("--seeds 0", "at least 1"),
            ("--minutes 0", "at least 1"),
            ("7", "no flag named `7`"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
