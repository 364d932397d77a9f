//! `cargo xtask bench`: what the pool costs, beside other people's pools in the same run.

mod args;

use std::process::Command;

use crate::{Failure, cargo, root};
use args::Args;

const HELP: &str = "\
Usage: cargo xtask bench core [GROUP…] [--quick] [--check] [--markdown] [--json FILE|-]

core         the connection manager, without a network, beside other pools

GROUP        some of the tables instead of all: acquire, waiting, wide, batch, cleanup, origin
--quick      fewer and shorter rounds, in less than half a minute
--check      fail if a number that is the same in every run breaks its budget; never over a time
--markdown   print the tables as docs/benchmarks.md has them
--json FILE  write everything to FILE as well; `-` prints that and nothing else
";

/// Runs the benchmark that `args` name.
///
/// # Errors
///
/// [`Failure::Found`] if a budget is broken.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args.is_empty() || args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(args).map_err(|wrong| Failure::Usage(format!("{wrong}\n\n{HELP}")))?;
    let mut command = core(&args)?;
    let shown = cargo::show(&command);
    let status = command
        .status()
        .map_err(|error| Failure::Broken(format!("cannot start `{shown}`: {error}")))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(1) if args.check => Err(Failure::Found),
        // It has said what it does not know.
        Some(2) => Err(Failure::Usage(HELP.to_owned())),
        _ => Err(Failure::Broken(format!("`{shown}`: {status}"))),
    }
}

/// Builds and runs the benchmark in the peers' workspace.
fn core(args: &Args) -> Result<Command, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::Broken(format!("the current folder: {error}")))?;
    let mut command = cargo::command();
    command.current_dir(root().join("xtask/peers"));
    command.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "core-bench",
    ]);
    command.args(["--target-dir", "../../target/peers", "--"]);
    command.args(args.passed_on(&here));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_are_built_apart_and_get_the_flags() {
        let flags = ["core", "acquire", "--quick", "--check"].map(str::to_owned);
        let args = Args::parse(&flags).expect("the flags are right");
        let command = core(&args).expect("there is a current folder");
        let line = cargo::show(&command);
        assert!(line.contains("--target-dir ../../target/peers"), "{line}");
        assert!(line.ends_with("-- acquire --quick --check"), "{line}");
        let folder = command.get_current_dir().expect("it is set");
        assert!(folder.ends_with("xtask/peers"), "{folder:?}");
    }
}
