//! As it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench_load::main::<peer_hyper_util::HyperUtil>(None)
}
