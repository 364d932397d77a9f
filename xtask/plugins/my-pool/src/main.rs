//! `pool` with one more eviction policy: everything else, the flags and the config file, is as in `pool`.

#![forbid(unsafe_code)]

use max_checkouts::MaxCheckouts;
use std::process::ExitCode;

fn main() -> ExitCode {
    pool_cli::Cli::new()
        .eviction(MaxCheckouts::NAME, MaxCheckouts::from_options)
        .run()
}
