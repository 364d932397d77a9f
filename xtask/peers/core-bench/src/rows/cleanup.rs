//! How long is an acquire held up while ten thousand idle connections of the same host are cleaned away?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock;
use crate::harness::Effort;
use crate::ours::Depot;
use crate::peers::lifo_deadpool;
use bench_report::{Column, Table, column};
use bench_report::{median, quantile};

const COLUMNS: &[Column] = &[
    column("clean-up ms", 2),
    column("quiet p50 ns", 0),
    column("p50 ns", 0),
    column("quiet p99 ns", 0),
    column("p99 ns", 0),
    column("quiet max µs", 1),
    column("max µs", 1),
];

const CONNS: usize = 10_000;

/// Idle for longer than this goes; the connection in use is never idle for so long.
pub(crate) const MAX_IDLE: Duration = Duration::from_millis(20);

/// A pool that is used and cleaned at the same time.
pub(crate) trait Cleaned: Sync {
    /// Takes a connection and gives it back.
    fn use_once(&self);

    /// Takes out what has been idle for longer than [`MAX_IDLE`]; says how many.
    fn clean(&self) -> usize;
}

pub(crate) fn table(effort: Effort) -> Table {
    let title = "How long is an acquire held up while 10,000 idle connections of the same host are cleaned away?";
    let mut table = Table::new("cleanup", title, COLUMNS);
    let rounds = if effort.quick { 5 } else { 21 };
    let mut results = [("ours", Vec::new()), ("deadpool", Vec::new())];
    for round in 0..rounds {
        for turn in 0..results.len() {
            let (name, measured) = &mut results[(round + turn) % 2];
            measured.push(match *name {
                "ours" => measure(&Depot::with(CONNS)),
                _ => measure(&lifo_deadpool(CONNS)),
            });
        }
    }
    for (name, measured) in &results {
        let cells = (0..COLUMNS.len()).map(|at| {
            let column: Vec<f64> = measured.iter().map(|cells| cells[at]).collect();
            Some(median(&column))
        });
        table.add(format!("{name}/10000_idle"), cells.collect());
    }
    table
}

/// One round, in the order of [`COLUMNS`].
fn measure(pool: &impl Cleaned) -> [f64; 7] {
    // The quiet part lasts until the others have been idle for long enough.
    let began = clock::now();
    let quiet = latencies(pool, || clock::now() - began > MAX_IDLE + MAX_IDLE / 4);
    let cleaned = AtomicBool::new(false);
    let (beside, took) = std::thread::scope(|scope| {
        let cleaner = scope.spawn(|| {
            let began = clock::now();
            let gone = pool.clean();
            let took = clock::now() - began;
            cleaned.store(true, Ordering::SeqCst);
            assert_eq!(gone, CONNS - 1, "all but the one in use");
            took
        });
        let beside = latencies(pool, || cleaned.load(Ordering::SeqCst));
        (beside, cleaner.join().expect("it does not panic"))
    });
    let (p50, p99, max) = (0.5, 0.99, 1.0);
    [
        took.as_secs_f64() * 1e3,
        quantile(&quiet, p50),
        quantile(&beside, p50),
        quantile(&quiet, p99),
        quantile(&beside, p99),
        quantile(&quiet, max) / 1e3,
        quantile(&beside, max) / 1e3,
    ]
}

/// Nanoseconds of each acquire and release until `is_over`; a read of the clock is in each.
fn latencies(pool: &impl Cleaned, is_over: impl Fn() -> bool) -> Vec<f64> {
    let mut latencies = Vec::with_capacity(1 << 20);
    while latencies.is_empty() || !is_over() {
        // Not asked each time: that would cost as much as what is measured.
        for _ in 0..16 {
            let began = clock::now();
            pool.use_once();
            latencies.push((clock::now() - began).as_nanos() as f64);
        }
    }
    latencies
}
