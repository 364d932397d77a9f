//! Development tasks of the workspace: `cargo xtask <task>`.

#![forbid(unsafe_code)]

mod bench;
mod capture;
mod cargo;
mod deny;
mod features;
mod fuzz;
mod members;
mod mutants;
mod nginx;
mod sim;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask <task>

Tasks:
  test      run every test: unit, model, scenarios, simulation, loom, plugins (`cargo xtask test --help`)
  sim       run the pool in simulated worlds, or one of them again (`cargo xtask sim --help`)
  loom      run the model-checked tests alone
  tidy      check the house rules that a program can check (`--long` lists long files)
  deny      check licences, banned crates and sources against deny.toml
  bench     measure the pool beside other pools (`cargo xtask bench --help`)
  fuzz      look for bytes that the HTTP/1.1 engine or the fingerprints' parsers get wrong (`cargo xtask fuzz --help`)
  mutants   apply one-line faults to the core and show that a test notices each (`cargo xtask mutants --help`)
  features  check each crate with each of its features alone
  capture   make a fingerprint profile of a browser that is installed here (`cargo xtask capture --help`)
  nginx     run the command line against a real nginx with small limits and reloads
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match task {
        "test" => test::run(rest),
        "sim" => sim::run(rest),
        "loom" => test::run(&[&["loom".to_owned()], rest].concat()),
        "tidy" => tidy::run(rest),
        "deny" => deny::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "mutants" => mutants::run(rest),
        "features" => features::run(rest),
        "capture" => capture::run(rest),
        "nginx" => nginx::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => Err(Failure::Usage(format!(
            "no task named `{unknown}`\n\n{HELP}"
        ))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::FAILURE,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Broken(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(3)
        }
    }
}

/// Why a task did not succeed.
#[derive(Debug)]
enum Failure {
    /// The task ran and what it found is printed already: exit code 1.
    Found,
    /// The command line makes no sense: exit code 2.
    Usage(String),
    /// The task could not run at all: exit code 3.
    Broken(String),
}

/// The folder of the workspace's `Cargo.toml`.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
        .to_owned()
}
