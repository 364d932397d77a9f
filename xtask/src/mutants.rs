//! `cargo xtask mutants`: applies one-line faults to the core, one at a time, and shows that each makes a test fail.

mod args;
mod list;
mod run;
mod scratch;

use std::io::Write;

use crate::Failure;
use args::Args;
use list::mutants;
use run::{Outcome, Suite};
use scratch::Scratch;

const HELP: &str = "\
Usage: cargo xtask mutants [--list] [--only NAME]… [--markdown]

Applies each fault of xtask/src/mutants/list.rs to a copy of the work tree under target/mutants, and runs the tests
that it names; if none of these notices it, every test that may. A fault that no test notices survives, and the task
fails.

--list       name the mutants, run none
--only NAME  only those that have NAME in their name
--markdown   print the table as docs/mutants.md has it
";

/// Runs the mutants that `args` select.
///
/// # Errors
///
/// [`Failure::Found`] if one survives; [`Failure::Broken`] if one cannot be applied or does not compile, or if the tests
/// fail without any.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(args).map_err(|wrong| Failure::Usage(format!("{wrong}\n\n{HELP}")))?;
    let chosen: Vec<&Mutant> = mutants().filter(|one| args.selects(one)).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage("no mutant has that in its name".to_owned()));
    }
    if args.list {
        for mutant in chosen {
            println!("{}  ({})", mutant.name, mutant.file);
        }
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let mut rows = Vec::new();
    let mut wrong = 0;
    for suite in Suite::ALL {
        let mutants: Vec<&Mutant> = chosen
            .iter()
            .copied()
            .filter(|mutant| Suite::of(mutant) == suite)
            .collect();
        if mutants.is_empty() {
            continue;
        }
        progress(&format!("{}: without a fault", suite.name()));
        let limit = match suite.time_limit(&scratch) {
            Ok(limit) => limit,
            Err(Failure::Broken(why)) => {
                println!("BROKEN\n{why}");
                wrong += mutants.len();
                continue;
            }
            Err(failure) => return Err(failure),
        };
        for mutant in mutants {
            progress(mutant.name);
            match scratch.with(mutant, || suite.run(&scratch, mutant, limit)) {
                Ok(Ok(outcome)) => {
                    println!("{}", outcome.said());
                    rows.push((mutant, outcome));
                }
                // The list is at fault, not the tests: no kill. The others can be run all the same.
                Ok(Err(Failure::Broken(why))) | Err(Failure::Broken(why)) => {
                    println!("BROKEN\n{why}");
                    wrong += 1;
                }
                Ok(Err(failure)) | Err(failure) => return Err(failure),
            }
        }
    }
    let reported = report(&rows, &args);
    if wrong > 0 {
        return Err(Failure::Broken(format!(
            "{wrong} mutants could not be tried"
        )));
    }
    reported
}

/// One fault, and who is expected to notice it.
#[derive(Debug)]
struct Mutant {
    /// What is wrong with the program then.
    name: &'static str,
    file: &'static str,
    /// What to replace: it is there exactly once.
    old: &'static str,
    new: &'static str,
    /// Tests that fail then, others may too. Those whose names begin with `loom_` are run in their own build.
    noticed_by: &'static [&'static str],
}

impl Mutant {
    /// `text`, the content of the file, with the fault in it.
    fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(self.old).count() {
            1 => Ok(text.replacen(self.old, self.new, 1)),
            0 => Err(format!("`{}`: {} has no such text", self.name, self.file)),
            times => Err(format!(
                "`{}`: {} has the text {times} times; take in a line more",
                self.name, self.file
            )),
        }
    }
}

/// Says what is going on, without an end of line: the outcome follows.
fn progress(what: &str) {
    print!("{what} … ");
    // A closed terminal must not stop the run.
    let _ = std::io::stdout().flush();
}

/// Prints a row per mutant and the sum, alone on the last line.
fn report(rows: &[(&Mutant, Outcome)], args: &Args) -> Result<(), Failure> {
    let killed = rows.iter().filter(|(_, outcome)| outcome.is_kill()).count();
    let survived = rows.len() - killed;
    println!();
    if args.markdown {
        println!("| mutant | file | noticed by |\n|---|---|---|");
    }
    for (mutant, outcome) in rows {
        let by = outcome.noticed_by(mutant);
        if args.markdown {
            println!("{}", markdown_row(mutant, &by));
        } else {
            println!("{:<64}{by}", mutant.name);
        }
    }
    for (mutant, outcome) in rows {
        for test in outcome.missed_by(mutant) {
            println!("{}: expected `{test}` to fail", mutant.name);
        }
    }
    println!("\n{killed} killed, {survived} survived");
    if survived > 0 {
        return Err(Failure::Found);
    }
    Ok(())
}

fn markdown_row(mutant: &Mutant, by: &str) -> String {
    let file = mutant.file.strip_prefix("pool-core/src/");
    format!(
        "| {} | `{}` | {by} |",
        mutant.name,
        file.unwrap_or(mutant.file)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;
    use std::collections::HashSet;

    const MUTANT: Mutant = Mutant {
        name: "two and two are five",
        file: "pool-core/src/sum.rs",
        old: "2 + 2",
        new: "5",
        noticed_by: &["sums_are_right"],
    };

    #[test]
    fn a_fault_is_applied_where_its_text_is() {
        assert_eq!(
            MUTANT.apply("let four = 2 + 2;"),
            Ok("let four = 5;".into())
        );
    }

    #[test]
    fn text_that_is_not_there_or_there_twice_is_an_error() {
        let error = MUTANT.apply("let four = 4;").expect_err("not found");
        assert!(error.contains("no such text"), "{error}");
        let error = MUTANT.apply("2 + 2 == 2 + 2").expect_err("found twice");
        assert!(error.contains("2 times"), "{error}");
    }

    #[test]
    fn a_row_names_the_file_from_the_sources_of_the_core() {
        assert_eq!(
            markdown_row(&MUTANT, "`sums_are_right`"),
            "| two and two are five | `sum.rs` | `sums_are_right` |"
        );
    }

    #[test]
    fn every_mutant_can_be_applied_and_changes_something() {
        let mut names = HashSet::new();
        for mutant in mutants() {
            assert!(names.insert(mutant.name), "twice: {}", mutant.name);
            let text = std::fs::read_to_string(root().join(mutant.file)).expect(mutant.file);
            match mutant.apply(&text) {
                Ok(mutated) => assert_ne!(mutated, text, "{}", mutant.name),
                Err(wrong) => panic!("{wrong}"),
            }
        }
    }

    #[test]
    fn every_test_that_is_expected_to_notice_is_there() {
        let files = crate::tidy::files().expect("git knows the work tree");
        let core: String = files
            .into_iter()
            .filter(|(path, _)| path.starts_with("pool-core/src/"))
            .map(|(_, text)| text)
            .collect();
        for mutant in mutants() {
            assert!(!mutant.noticed_by.is_empty(), "{}", mutant.name);
            for test in mutant.noticed_by {
                assert!(core.contains(&format!("fn {test}(")), "no test {test}");
            }
        }
    }
}
