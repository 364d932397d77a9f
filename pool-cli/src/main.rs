//! The `pool` binary with the built-in policies.

use std::process::ExitCode;

use pool_cli::Cli;

fn main() -> ExitCode {
    Cli::new().run()
}
