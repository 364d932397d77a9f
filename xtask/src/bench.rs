//! `cargo xtask bench`: what the pool costs, beside other people's in the same run.

mod args;
mod http;

use std::process::Command;

use crate::{Failure, cargo, root};
use args::{Args, Which};

const HELP: &str = "\
Usage: cargo xtask bench [http] [GROUP…] [--quick] [--check] [--markdown] [--json FILE|-]
       cargo xtask bench core [GROUP…] [--quick] [--check] [--markdown] [--json FILE|-]
       cargo xtask bench --check
       cargo xtask bench http --profile ROW

http         whole requests over TLS, beside hyper, h2, hyper-util, reqwest and wreq; about ten minutes after the build.
             Writes target/bench/http.json and target/bench/report.html
core         the connection manager, without a network, beside other pools; about three minutes after the build

GROUP        some of the tables instead of all.
             http: instructions, throughput, idle, cold, fleet, bind
             core: acquire, waiting, wide, batch, cleanup, origin, sources, upkeep
--quick      fewer and shorter rounds
--check      fail if a number that is the same in every run breaks its budget; never over a time. Without a name: both
--markdown   print the tables as docs/benchmarks.md has them
--json FILE  write everything to FILE as well; `-` prints that and nothing else
--profile    where the instructions of a row go, by function: h1/small/c1/ours, h2/small/c16/raw
";

/// Runs the benchmark that `args` name.
///
/// # Errors
///
/// [`Failure::Found`] if a budget is broken.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(args).map_err(|wrong| Failure::Usage(format!("{wrong}\n\n{HELP}")))?;
    match args.which {
        Which::Core => finish(core(&args)?, args.check),
        Which::Http => finish(http::command(&args)?, args.check),
        Which::Unnamed if args.check => {
            // What both have to say is said before either fails.
            let core = finish(core(&args.of_core())?, true);
            println!();
            finish(http::command(&args)?, true).and(core)
        }
        Which::Unnamed => {
            println!("The benchmark of HTTP; `cargo xtask bench core` runs that of the manager.\n");
            finish(http::command(&args)?, false)
        }
    }
}

/// Runs it and says how it ended.
fn finish(mut command: Command, check: bool) -> Result<(), Failure> {
    let shown = cargo::show(&command);
    let status = command
        .status()
        .map_err(|error| Failure::Broken(format!("cannot start `{shown}`: {error}")))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(1) if check => Err(Failure::Found),
        // It has said what it does not know.
        Some(2) => Err(Failure::Usage(HELP.to_owned())),
        _ => Err(Failure::Broken(format!("`{shown}`: {status}"))),
    }
}

/// Builds and runs the benchmark in the peers' workspace.
fn core(args: &Args) -> Result<Command, Failure> {
    let mut command = cargo::command();
    command.current_dir(root().join(PEERS));
    command.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "core-bench",
    ]);
    command.args(["--target-dir", TARGET, "--"]);
    command.args(args.passed_on(&here()?));
    Ok(command)
}

/// The workspace of the benchmarks and of those that are measured.
const PEERS: &str = "xtask/peers";

/// Where it is built, from there.
const TARGET: &str = "../../target/peers";

/// Where the caller is, whose paths are meant.
fn here() -> Result<std::path::PathBuf, Failure> {
    std::env::current_dir().map_err(|error| Failure::Broken(format!("the current folder: {error}")))
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
