//! Who waits how long where a thousand tasks share ten connections, and each asks again as soon as it has given back?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::clock;
use crate::crowd;
use crate::harness::Effort;
use crate::ours::OneHost;
use crate::peers::{bb8, deadpool};
use crate::polls::{Bell, counted as counted_polls, in_turn};
use crate::turns::Turns;
use crate::waiters::{Acquire, SemaphoreVec};
use bench_report::{Column, Table, column};
use bench_report::{median, quantile, ratio};

const TASKS: usize = 1000;
const CONNS: usize = 10;

/// What a task does with a connection besides one trip through the scheduler.
const HOLD: Duration = Duration::from_micros(2);

const TIMED: &[Column] = &[
    column("acquires/s", 0),
    column("× semaphore_vec", 2),
    column("slowest/fastest", 2),
    column("median wait µs", 1),
    column("max/median", 1),
    column("polls/acquire", 3),
];

const COUNTED: &[Column] = &[
    column("out of turn/1000", 2),
    column("most/fewest", 2),
    column("polls/acquire", 3),
    column("wakes/acquire", 3),
    column("allocs/acquire", 3),
];

/// By the clock: two threads, rounds interleaved.
pub(crate) fn timed(effort: Effort) -> Table {
    let title = "1000 tasks share 10 connections: how fast, and who waits how long?";
    let mut table = Table::new("waiting", title, TIMED);
    let (rounds, each) = if effort.quick { (3, 20) } else { (9, 100) };
    let runtime = crowd::runtime();
    let spin = Spin::lasting(HOLD);
    let mut results: Vec<(&str, Vec<Waits>)> =
        CONTENDERS.iter().map(|name| (*name, Vec::new())).collect();
    for round in 0..rounds {
        for turn in 0..CONTENDERS.len() {
            let (name, waits) = &mut results[(round + turn) % CONTENDERS.len()];
            waits.push(contend(name, &runtime, each, spin));
        }
    }
    let rates = |waits: &[Waits]| -> Vec<f64> { waits.iter().map(|w| w.per_second).collect() };
    let base = rates(&results[1].1);
    for (name, waits) in &results {
        let mid = |of: fn(&Waits) -> f64| Some(median(&waits.iter().map(of).collect::<Vec<_>>()));
        table.add(
            format!("{name}/{TASKS}_tasks/{CONNS}_conns"),
            vec![
                mid(|w| w.per_second),
                Some(ratio(&rates(waits), &base)),
                mid(|w| w.slowest_to_fastest),
                mid(|w| w.median * 1e6),
                mid(|w| w.max / w.median),
                mid(|w| w.polls),
            ],
        );
    }
    table
}

fn contend(name: &str, runtime: &Runtime, each: usize, spin: Spin) -> Waits {
    match name {
        "ours" => run(runtime, OneHost::new(CONNS), each, spin),
        "semaphore_vec" => run(runtime, SemaphoreVec::new(CONNS), each, spin),
        "deadpool" => run(runtime, deadpool(CONNS), each, spin),
        _ => run(runtime, bb8(CONNS), each, spin),
    }
}

/// One contender and no other, so many acquires, for a profiler. `false`: there is no such contender.
pub(crate) fn alone(name: &str, acquires: u64) -> bool {
    let known = CONTENDERS.contains(&name);
    if known {
        let each = (acquires as usize).div_ceil(TASKS).max(2);
        contend(name, &crowd::runtime(), each, Spin::lasting(HOLD));
    }
    known
}

/// By counting: one thread, so that every run takes the same turns.
pub(crate) fn counted(effort: Effort) -> Table {
    let title = "1000 tasks share 10 connections: in what order, and with how many polls, wakes and allocations?";
    let mut table = Table::new("order", title, COUNTED);
    let each = if effort.quick { 20 } else { 100 };
    for name in CONTENDERS {
        let counts = match name {
            "ours" => count(OneHost::new(CONNS), each),
            "semaphore_vec" => count(SemaphoreVec::new(CONNS), each),
            "deadpool" => count(deadpool(CONNS), each),
            _ => count(bb8(CONNS), each),
        };
        let name = format!("{name}/{TASKS}_tasks/{CONNS}_conns");
        table.add(name, counts.map(Some).to_vec());
    }
    table
}

const CONTENDERS: [&str; 4] = ["ours", "semaphore_vec", "deadpool", "bb8"];

/// What one round was like.
struct Waits {
    per_second: f64,
    /// The longest and the shortest sum of one task's waits.
    slowest_to_fastest: f64,
    /// Seconds.
    median: f64,
    max: f64,
    polls: f64,
}

/// Nobody is served before everybody has asked: each round begins with a full queue.
fn run<P: Acquire>(runtime: &Runtime, pool: P, each: usize, spin: Spin) -> Waits {
    let pool = Arc::new(pool);
    let asking = Arc::new(AtomicUsize::new(0));
    let held = runtime.block_on(all(&*pool));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (pool, asking) = (pool.clone(), asking.clone());
            let mut waits = Vec::with_capacity(each);
            runtime.spawn(async move {
                let mut polls = 0;
                asking.fetch_add(1, Ordering::Relaxed);
                for _ in 0..each {
                    let asked = clock::now();
                    let conn = counted_polls(pool.acquire(), &mut polls).await;
                    waits.push((clock::now() - asked).as_secs_f64());
                    tokio::task::yield_now().await;
                    spin.run();
                    drop(conn);
                }
                (waits, polls)
            })
        })
        .collect();
    runtime.block_on(async {
        until_all_ask(&asking).await;
        let began = clock::now();
        drop(held);
        let mut sums = Vec::with_capacity(TASKS);
        let mut all = Vec::with_capacity(TASKS * each);
        let mut polls = 0;
        for task in tasks {
            let (waits, polled) = task.await.expect("no task panics");
            // The first wait is for the round to begin.
            sums.push(waits[1..].iter().sum::<f64>());
            all.extend_from_slice(&waits[1..]);
            polls += polled;
        }
        let took = clock::now() - began;
        let acquires = (TASKS * each) as f64;
        Waits {
            per_second: acquires / took.as_secs_f64(),
            slowest_to_fastest: quantile(&sums, 1.0) / quantile(&sums, 0.0),
            median: median(&all),
            max: quantile(&all, 1.0),
            polls: polls as f64 / acquires,
        }
    })
}

/// Every connection of the pool.
async fn all<P: Acquire>(pool: &P) -> Vec<P::Conn<'_>> {
    let mut held = Vec::with_capacity(CONNS);
    for _ in 0..CONNS {
        held.push(pool.acquire().await);
    }
    held
}

async fn until_all_ask(asking: &AtomicUsize) {
    while asking.load(Ordering::Relaxed) < TASKS {
        tokio::task::yield_now().await;
    }
}

/// In the order of [`COUNTED`].
fn count<P: Acquire>(pool: P, each: usize) -> [f64; 5] {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime with one thread");
    let pool = Arc::new(pool);
    let turns = Arc::new(Turns::new(TASKS, CONNS, each));
    let (asking, wakes) = (Arc::default(), Arc::default());
    let held = runtime.block_on(all(&*pool));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, turns) = (pool.clone(), turns.clone());
            let asking: Arc<AtomicUsize> = Arc::clone(&asking);
            let mut bell = Bell::new(&wakes);
            runtime.spawn(async move {
                let mut polls = 0;
                asking.fetch_add(1, Ordering::Relaxed);
                for _ in 0..each {
                    let acquire = in_turn(pool.acquire(), &turns, &mut bell);
                    let conn = counted_polls(acquire, &mut polls).await;
                    turns.count(task);
                    tokio::task::yield_now().await;
                    drop(conn);
                }
                polls
            })
        })
        .collect();
    runtime.block_on(until_all_ask(&asking));
    let mut polls = 0;
    let info = allocation_counter::measure(|| {
        drop(held);
        runtime.block_on(async {
            for task in tasks {
                polls += task.await.expect("no task panics");
            }
        });
    });
    let acquires = (TASKS * each) as f64;
    [
        turns.out_of_turn() as f64 * 1000.0 / acquires,
        turns.most_to_fewest(),
        polls as f64 / acquires,
        wakes.load(Ordering::Relaxed) as f64 / acquires,
        info.count_total as f64 / acquires,
    ]
}

/// Work that takes the same number of instructions each time, whatever the clock does meanwhile.
#[derive(Clone, Copy)]
struct Spin(u32);

impl Spin {
    fn lasting(time: Duration) -> Self {
        const TRIED: u32 = 1 << 20;
        let tries = (0..5).map(|_| {
            let began = clock::thread_cpu();
            Self(TRIED).run();
            (clock::thread_cpu() - began).as_secs_f64()
        });
        let took = median(&tries.collect::<Vec<_>>());
        Self((f64::from(TRIED) * time.as_secs_f64() / took) as u32)
    }

    fn run(self) {
        for turn in 0..self.0 {
            std::hint::black_box(turn);
        }
    }
}
