//! `cargo xtask test`: every test of the workspace, step by step, with one sum at the end.

pub(crate) mod args;
mod steps;

use crate::Failure;
use crate::cargo::{self, Ran, Tally};
use args::Args;
use std::time::Duration;
use steps::Step;
pub(crate) use steps::simulation;

const HELP: &str = "\
Usage: cargo xtask test [FILTER] [--list] [--seed N] [--repeat N] [--full]

FILTER     a step (unit, model, scenarios, simulation, loom, plugins), or part of a test's name
--list     name the tests, run none
--seed N   the seed of everything random; without it, one from the clock (it is printed)
--repeat N run all N times, each with the next seed; stops at the first failure
--full     more cases, more interleavings, longer scenarios, more seeds
";

/// Runs the steps that `args` select.
///
/// # Errors
///
/// [`Failure::Found`] if a test or a step failed, or if nothing ran.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(args).map_err(|wrong| Failure::Usage(format!("{wrong}\n\n{HELP}")))?;
    let mut rows = Vec::new();
    for round in 0..args.repeat {
        let args = Args {
            seed: args.seed.wrapping_add(round),
            ..args.clone()
        };
        println!("seed: {} (again with `--seed {}`)", args.seed, args.seed);
        run_round(&args, &mut rows)?;
        if rows.iter().any(Row::failed) {
            break;
        }
    }
    report(&rows, &args)
}

fn run_round(args: &Args, rows: &mut Vec<Row>) -> Result<(), Failure> {
    for step in Step::ALL {
        if !args.selects(step) {
            continue;
        }
        if let Some(reason) = step.missing() {
            println!("SKIP {}: {reason}", step.name());
            continue;
        }
        let mut row = Row::new(step);
        for command in step.commands(args) {
            println!("\n== {}: {}", step.name(), cargo::show(&command));
            row.add(cargo::count_tests(command)?);
        }
        // A step of which nothing ran proves nothing, unless a name was asked for that lives elsewhere.
        if row.tally == Tally::default() && args.test_name().is_none() && !args.list {
            println!("{}: ran no test", step.name());
            row.broken = true;
        }
        rows.push(row);
    }
    Ok(())
}

/// Prints a row per step and the sum, alone on the last line.
fn report(rows: &[Row], args: &Args) -> Result<(), Failure> {
    if args.list {
        return if rows.iter().any(Row::failed) {
            Err(Failure::Found)
        } else {
            Ok(())
        };
    }
    println!(
        "\n{:<12}{:>8}{:>8}{:>9}{:>9}",
        "step", "passed", "failed", "skipped", "seconds"
    );
    let mut sum = Tally::default();
    for row in rows {
        let tally = row.counted();
        println!(
            "{:<12}{:>8}{:>8}{:>9}{:>9.1}",
            row.step.name(),
            tally.passed,
            tally.failed,
            tally.skipped,
            row.took.as_secs_f64()
        );
        sum.add(tally);
    }
    if sum.passed + sum.failed == 0 {
        println!(
            "no test has `{}` in its name",
            args.test_name().unwrap_or_default()
        );
    }
    for again in rows.iter().filter_map(|row| row.again.as_ref()) {
        println!("again: {again}");
    }
    println!("seed: {}", args.seed);
    println!("{}", closing_line(sum));
    if sum.failed > 0 || sum.passed == 0 {
        return Err(Failure::Found);
    }
    Ok(())
}

fn closing_line(sum: Tally) -> String {
    let mut line = format!("{} passed, {} failed", sum.passed, sum.failed);
    if sum.skipped > 0 {
        line.push_str(&format!(", {} skipped", sum.skipped));
    }
    line
}

/// How one step went, over all its commands.
#[derive(Debug)]
struct Row {
    step: Step,
    tally: Tally,
    took: Duration,
    /// A child exited with an error, or nothing ran.
    broken: bool,
    /// What brings a failure back, if a child said so.
    again: Option<String>,
}

impl Row {
    fn new(step: Step) -> Self {
        Self {
            step,
            tally: Tally::default(),
            took: Duration::ZERO,
            broken: false,
            again: None,
        }
    }

    fn add(&mut self, ran: Ran) {
        self.tally.add(ran.tally);
        self.took += ran.took;
        self.broken |= !ran.success;
        self.again = ran.again.or(self.again.take());
    }

    fn failed(&self) -> bool {
        self.broken || self.tally.failed > 0
    }

    /// The tally; a step that broke without a failed test, as one that does not compile, counts as one failure.
    fn counted(&self) -> Tally {
        let mut tally = self.tally;
        if self.broken && tally.failed == 0 {
            tally.failed = 1;
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(success: bool, passed: usize, failed: usize) -> Ran {
        Ran {
            success,
            tally: Tally {
                passed,
                failed,
                skipped: 0,
            },
            took: Duration::from_secs(1),
            again: None,
        }
    }

    #[test]
    fn a_step_that_does_not_compile_counts_as_a_failure() {
        let mut row = Row::new(Step::Unit);
        row.add(ran(true, 3, 0));
        assert!(!row.failed());
        row.add(ran(false, 0, 0));
        assert!(row.failed());
        assert_eq!(closing_line(row.counted()), "3 passed, 1 failed");
    }

    #[test]
    fn failed_tests_are_not_counted_twice() {
        let mut row = Row::new(Step::Scenarios);
        row.add(ran(false, 1, 2));
        assert_eq!(closing_line(row.counted()), "1 passed, 2 failed");
    }

    #[test]
    fn skipped_tests_are_named_only_if_there_are_some() {
        let sum = Tally {
            passed: 2,
            failed: 0,
            skipped: 1,
        };
        assert_eq!(closing_line(sum), "2 passed, 0 failed, 1 skipped");
    }
}
