//! The `pool` binary with the built-in policies.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use pool_cli::Cli;

fn main() -> ExitCode {
    Cli::new().run()
}
