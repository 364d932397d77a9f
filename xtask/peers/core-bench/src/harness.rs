//! Interleaved rounds: every contender once a round, in rotating order, so that what disturbs the machine hits all alike.

use std::sync::Barrier;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock;

/// Does so many operations; one per thread, made before the clock runs.
pub(crate) type Worker = Box<dyn FnMut(u64) + Send>;

/// Does so many operations and says how long they took.
pub(crate) type Timed = Box<dyn FnMut(u64) -> Duration>;

/// One way to do the operation that a case is about.
pub(crate) struct Contender {
    name: &'static str,
    load: Load,
}

enum Load {
    /// As many as the case has threads.
    Workers(Vec<Worker>),
    Timed(Timed),
}

impl Contender {
    /// Loops of its own for each thread of the case.
    pub(crate) fn new(name: &'static str, workers: Vec<Worker>) -> Self {
        let load = Load::Workers(workers);
        Self { name, load }
    }

    /// What knows by itself where its time begins and ends.
    pub(crate) fn timed(name: &'static str, timed: Timed) -> Self {
        let load = Load::Timed(timed);
        Self { name, load }
    }
}

impl Load {
    fn time(&mut self, ops: u64) -> Duration {
        match self {
            Self::Workers(workers) => time(workers, ops),
            Self::Timed(timed) => timed(ops),
        }
    }

    /// Allocations per operation, on this thread.
    fn allocs(&mut self, ops: u64) -> f64 {
        let info = allocation_counter::measure(|| match self {
            Self::Workers(workers) => workers[0](ops),
            Self::Timed(timed) => {
                timed(ops);
            }
        });
        info.count_total as f64 / ops as f64
    }
}

/// How much to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// What a contender runs for in one round.
    pub(crate) slice: Duration,
    /// A short run, where a case takes something other than time.
    pub(crate) quick: bool,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 31,
        slice: Duration::from_millis(20),
        quick: false,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 7,
        slice: Duration::from_millis(3),
        quick: true,
    };
}

/// What was measured of one contender.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Nanoseconds per operation as one thread sees it, by round.
    pub(crate) rounds: Vec<f64>,
    /// Allocations per operation, on one thread.
    pub(crate) allocs: f64,
}

/// Runs all contenders, round by round. With one thread the time is the thread's processor time, with more it is the
/// clock's.
pub(crate) fn interleave(contenders: Vec<Contender>, effort: Effort) -> Vec<Measured> {
    let mut lanes: Vec<Lane> = contenders
        .into_iter()
        .map(|c| Lane::new(c, effort))
        .collect();
    let count = lanes.len();
    for round in 0..effort.rounds {
        for turn in 0..count {
            lanes[(round + turn) % count].run();
        }
    }
    lanes.into_iter().map(|lane| lane.measured).collect()
}

struct Lane {
    load: Load,
    ops: u64,
    measured: Measured,
}

impl Lane {
    /// Finds out how many operations fill a slice; that warms it up too.
    fn new(contender: Contender, effort: Effort) -> Self {
        let Contender { name, mut load } = contender;
        let mut ops = 64;
        loop {
            let took = load.time(ops);
            if took * 4 >= effort.slice || ops >= 1 << 30 {
                let per_op = took.as_secs_f64() / ops as f64;
                ops = (effort.slice.as_secs_f64() / per_op).max(1.0) as u64;
                break;
            }
            ops *= 2;
        }
        let allocs = load.allocs(ops.min(20_000));
        Self {
            load,
            ops,
            measured: Measured {
                name,
                rounds: Vec::with_capacity(effort.rounds),
                allocs,
            },
        }
    }

    fn run(&mut self) {
        let took = self.load.time(self.ops);
        self.measured
            .rounds
            .push(took.as_secs_f64() * 1e9 / self.ops as f64);
    }
}

fn time(workers: &mut [Worker], ops: u64) -> Duration {
    if let [worker] = workers {
        let began = clock::thread_cpu();
        worker(ops);
        return clock::thread_cpu() - began;
    }
    let barrier = Barrier::new(workers.len());
    let runtime = Handle::current();
    std::thread::scope(|scope| {
        let running: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let (barrier, runtime) = (&barrier, runtime.clone());
                scope.spawn(move || {
                    let _entered = runtime.enter();
                    barrier.wait();
                    let began = clock::now();
                    worker(ops);
                    clock::now() - began
                })
            })
            .collect();
        let times = running.into_iter().map(|thread| thread.join());
        let slowest = times.map(|time| time.expect("no worker panics")).max();
        slowest.expect("a case has a thread")
    })
}
