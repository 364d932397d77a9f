//! Runs seed after seed until there were enough, or one fails.

use std::sync::Once;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::run::{self, Report};

#[test]
fn every_seed_keeps_the_promises() {
    let settings = Settings::read();
    let began = now();
    let (mut seeds, mut requests) = (0, 0);
    for seed in (0..settings.seeds).map(|at| settings.base.wrapping_add(at)) {
        if settings.time.is_some_and(|time| now() - began >= time) {
            break;
        }
        let report = on_a_thread(seed);
        seeds += 1;
        requests += report.book.asked.len();
        if settings.trace {
            print_all(&report, usize::MAX);
        }
        if !report.broken.is_empty() {
            print_all(&report, if settings.trace { 0 } else { 60 });
            fail(seed, &format!("{} promises broken", report.broken.len()));
        }
    }
    let base = settings.base;
    println!("simulation: {seeds} seeds from {base}, {requests} requests, every promise kept");
}

/// Says how to have the seed again, on a line that `cargo xtask` looks for.
fn fail(seed: u64, why: &str) -> ! {
    println!("again: cargo xtask sim --seed {seed}");
    panic!("seed {seed}: {why}");
}

#[test]
fn a_seed_has_one_history() {
    let Settings { base, time, .. } = Settings::read();
    let seeds = if time.is_some() { 20 } else { 5 };
    for seed in (0..seeds).map(|at| base.wrapping_add(at)) {
        let [first, second] = [on_a_thread(seed), on_a_thread(seed)].map(|report| report.book);
        if first.hash() == second.hash() {
            continue;
        }
        let same = first.trace.iter().zip(&second.trace);
        let same = same.take_while(|(one, other)| one == other).count();
        let next = |book: &crate::history::Book| book.trace.get(same).cloned();
        let (first, second) = (next(&first), next(&second));
        fail(
            seed,
            &format!("two histories part after {same} lines: {first:?} and {second:?}"),
        );
    }
}

/// What to run.
struct Settings {
    base: u64,
    seeds: u64,
    time: Option<Duration>,
    trace: bool,
}

impl Settings {
    /// From the variables that `cargo xtask` sets; few seeds without them.
    fn read() -> Self {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let time = number("XTASK_SIM_SECONDS").map(Duration::from_secs);
        let few = if time.is_some() { u64::MAX } else { 10 };
        Self {
            base: number("XTASK_SEED").unwrap_or(1),
            seeds: number("XTASK_SIM_SEEDS").unwrap_or(few),
            time,
            trace: std::env::var_os("XTASK_SIM_TRACE").is_some(),
        }
    }
}

/// A thread for each seed: what its tasks leave behind goes with it, and one that never ends is noticed.
fn on_a_thread(seed: u64) -> Box<Report> {
    static HOOK: Once = Once::new();
    HOOK.call_once(run::remember_panics);
    let (done, report) = mpsc::channel();
    std::thread::spawn(move || drop(done.send(Box::new(run::run(seed)))));
    match report.recv_timeout(PATIENCE) {
        Ok(report) => report,
        Err(RecvTimeoutError::Timeout) => fail(seed, "busy without end"),
        Err(RecvTimeoutError::Disconnected) => fail(seed, "the simulation broke"),
    }
}

/// The plan, the end of the trace, and what is wrong.
fn print_all(report: &Report, lines: usize) {
    let trace = &report.book.trace;
    println!("{:?}", report.plan);
    for (at, line) in &trace[trace.len().saturating_sub(lines)..] {
        println!("{:>10.3} {line}", at.as_secs_f64());
    }
    for broken in &report.broken {
        println!("broken: {broken}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how many seeds are run depends on real time alone"
)]
fn now() -> Instant {
    Instant::now()
}

/// Real time for one seed.
const PATIENCE: Duration = Duration::from_secs(120);
