//! The program around a client: reads commands, runs them, answers each in one line of JSON.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::runtime::{Builder, Runtime};

use crate::command::Command;
use crate::runs::Runs;
use crate::{Args, BoxError, Peer};

/// An allocator that counts; what a program has as its global one is measured, and slower for it.
pub type Allocator = StatsAlloc<std::alloc::System>;

/// Runs the client that the flags describe. `counts`: the program's allocator, if it is one that counts.
pub fn main<P: Peer>(counts: Option<&'static Allocator>) -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    match serve::<P>(&args, counts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", with_causes(&*error));
            ExitCode::from(3)
        }
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

/// The allocator that counts, to be made a program's global one.
pub static COUNTING: &Allocator = &INSTRUMENTED_SYSTEM;

fn serve<P: Peer>(args: &Args, counts: Option<&'static Allocator>) -> Result<(), BoxError> {
    let runtime = runtime(args.threads)?;
    let entered = runtime.enter();
    let mut runs = Runs::new(P::new(args)?, args.port, counts);
    drop(entered);
    if !args.commands.is_empty() {
        return answer(&runtime, &mut runs, &args.commands.join(" "));
    }
    for line in std::io::stdin().lock().lines() {
        answer(&runtime, &mut runs, &line?)?;
    }
    Ok(())
}

fn answer<P: Peer>(runtime: &Runtime, runs: &mut Runs<P>, line: &str) -> Result<(), BoxError> {
    let command = Command::parse(line)?;
    let answer = runs.run(runtime, &command)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let mut builder = match threads {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}
