//! With an allocator that counts.

use std::process::ExitCode;

use bench_load::{Allocator, COUNTING};

#[global_allocator]
static ALLOCATOR: &Allocator = COUNTING;

fn main() -> ExitCode {
    bench_load::main::<peer_wreq::Wreq>(Some(COUNTING))
}
