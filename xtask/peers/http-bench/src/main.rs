//! Measures the pool beside other HTTP clients, each in a process of its own; run by `cargo xtask bench`.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod budgets;
mod callgrind;
mod child;
mod contenders;
mod groups;
mod html;
mod plot;
mod profile;
mod summary;
mod targets;

use std::process::ExitCode;

use args::Args;
use bench::Bench;

/// Whatever stopped a measurement.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(wrong) => {
            eprintln!("http-bench: {wrong}");
            return ExitCode::from(2);
        }
    };
    if let Some(group) = args.groups.iter().find(|group| !groups::is_group(group)) {
        eprintln!("http-bench: no group named `{group}`");
        return ExitCode::from(2);
    }
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("http-bench: {error}");
            ExitCode::from(3)
        }
    }
}

/// `false`: a budget is broken and was asked for.
fn run(args: Args) -> Result<bool, BoxError> {
    let mut bench = Bench::new(args)?;
    if let Some(row) = bench.args.profile.clone() {
        print!("{}", profile::text(&mut bench, &row)?);
        return Ok(true);
    }
    let quiet = bench.args.json_alone();
    if !quiet {
        print!("{}", summary::head(&bench));
    }
    let mut tables = Vec::new();
    for (group, measure) in groups::GROUPS {
        if !bench.args.selects(group) {
            continue;
        }
        for table in measure(&mut bench)? {
            if !quiet {
                println!("{}", summary::table(&table, bench.args.markdown));
            }
            tables.push(table);
        }
    }
    let outcome = summary::Outcome::of(&bench, tables);
    outcome.show(&bench)?;
    Ok(outcome.keeps_budgets() || !bench.args.check)
}
