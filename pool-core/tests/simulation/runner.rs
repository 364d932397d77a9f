//! Runs seed after seed until there were enough, or one fails.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, mpsc};
use std::time::{Duration, Instant};

use crate::run::{self, Report};

#[test]
fn every_seed_keeps_the_promises() {
    let settings = Settings::read();
    let began = now();
    let next = AtomicU64::new(0);
    let requests = AtomicUsize::new(0);
    let failed: Mutex<Option<u64>> = Mutex::new(None);
    // A seed needs one core; which of them run side by side changes nothing.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while failed.lock().expect(INTACT).is_none()
                    && settings.time.is_none_or(|time| now() - began < time)
                {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= settings.seeds {
                        // So that the count below is that of seeds that ran.
                        next.fetch_sub(1, Ordering::Relaxed);
                        return;
                    }
                    let seed = settings.base.wrapping_add(at);
                    let Some(report) = on_a_thread(seed) else {
                        failed.lock().expect(INTACT).get_or_insert(seed);
                        return;
                    };
                    requests.fetch_add(report.book.asked.len(), Ordering::Relaxed);
                    let broken = !report.broken.is_empty();
                    let mut failed = failed.lock().expect(INTACT);
                    if settings.trace {
                        print_all(&report, usize::MAX);
                    } else if broken && failed.is_none() {
                        print_all(&report, 60);
                    }
                    if broken {
                        failed.get_or_insert(seed);
                    }
                }
            });
        }
    });
    if let Some(seed) = *failed.lock().expect(INTACT) {
        fail(seed, "a promise is broken");
    }
    let (base, seeds) = (settings.base, next.into_inner());
    let requests = requests.into_inner();
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
    let mut compared = 0;
    for seed in (0..seeds).map(|at| base.wrapping_add(at)) {
        let began = now();
        let (Some(first), Some(second)) = (on_a_thread(seed), on_a_thread(seed)) else {
            fail(seed, "no end");
        };
        // The h2 crate forgets the streams that were reset a second ago, by the real clock: on a machine that is too busy
        // for that a run may differ, in the order in which streams of one connection learn of its end.
        if now() - began > Duration::from_secs(1) {
            continue;
        }
        compared += 1;
        let (first, second) = (first.book, second.book);
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
    println!(
        "simulation: {compared} of {seeds} seeds were fast enough to compare, and the same twice"
    );
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

/// A thread for each seed: what its tasks leave behind goes with it. `None` says that it did not end.
fn on_a_thread(seed: u64) -> Option<Box<Report>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(run::remember_panics);
    let (done, report) = mpsc::channel();
    std::thread::spawn(move || drop(done.send(Box::new(run::run(seed)))));
    let report = report.recv_timeout(PATIENCE);
    if report.is_err() {
        println!("broken: seed {seed} is busy without end, or the simulation itself is broken");
    }
    report.ok()
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

const INTACT: &str = "nothing panics under this lock";
