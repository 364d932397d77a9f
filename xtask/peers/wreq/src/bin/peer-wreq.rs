//! As it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench_load::main::<peer_wreq::Wreq>(None)
}
