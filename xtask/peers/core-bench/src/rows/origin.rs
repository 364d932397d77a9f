//! Reads, writes, state checks and waits for reuse, each under more tasks and with more writers.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::crowd;
use crate::harness::{Contender, Effort, Timed, interleave};
use crate::ours::Books;
use crate::walk::Random;
use bench_report::{Column, Table, column};
use bench_report::{median, spread};

const COLUMNS: &[Column] = &[
    column("ops/s", 0),
    column("spread", 2),
    column("lock wait %", 2),
];

/// Connections of the one host, and the addresses they lead to.
const CONNS: usize = 64;
const ADDRS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// The connections of the host, and those to one of its addresses.
    Reads,
    /// A connection is added and removed.
    Writes,
    /// The state of a connection is read from its handle.
    StateChecks,
    /// A connection is waited for while all are leased.
    ReuseWaits,
}

pub(crate) fn table(effort: Effort) -> Table {
    let title = "How many operations a second on one host, and what share of its threads' time is spent waiting for locks?";
    let mut table = Table::new("origin", title, COLUMNS);
    let runtime = crowd::runtime();
    let mut cases = Vec::new();
    for (name, operation, writers) in [
        ("reads", Operation::Reads, &[0, 1, 10][..]),
        ("writes", Operation::Writes, &[100]),
        ("state_checks", Operation::StateChecks, &[0, 1, 10]),
        ("reuse_waits", Operation::ReuseWaits, &[0, 1, 10]),
    ] {
        for tasks in [1, 8, 64] {
            for &writers in writers {
                let name = format!("{name}/{tasks}_tasks/{writers}%_writers");
                cases.push((name, operation, tasks, writers));
            }
        }
    }
    let waited: Vec<Rc<Waited>> = cases.iter().map(|_| Rc::default()).collect();
    let contenders = cases.iter().zip(&waited).map(|(case, waited)| {
        let &(_, operation, tasks, writers) = case;
        Contender::timed("", load(&runtime, operation, tasks, writers, waited))
    });
    let measured = interleave(contenders.collect(), effort);
    for (((name, ..), waited), m) in cases.into_iter().zip(waited).zip(measured) {
        let cells = [1e9 / median(&m.rounds), spread(&m.rounds), waited.percent()];
        table.add(name, cells.map(Some).to_vec());
    }
    table
}

/// Time spent, and how much of it waiting for locks.
#[derive(Default)]
struct Waited {
    locks: Cell<Duration>,
    all: Cell<Duration>,
}

impl Waited {
    fn percent(&self) -> f64 {
        100.0 * self.locks.get().as_secs_f64() / self.all.get().as_secs_f64()
    }
}

fn load(
    runtime: &Arc<Runtime>,
    operation: Operation,
    tasks: usize,
    writers: usize,
    waited: &Rc<Waited>,
) -> Timed {
    let (runtime, waited) = (runtime.clone(), waited.clone());
    // So many wait, and one in eight of them has what they wait for.
    let (conns, running) = match operation {
        Operation::ReuseWaits => (tasks.div_ceil(8), tasks + tasks.div_ceil(8)),
        _ => (CONNS, tasks),
    };
    let books = Arc::new(Books::new(conns, ADDRS));
    Box::new(move |ops| {
        let before = books.lock_wait();
        let took = crowd::share(&runtime, running, ops, |task, each| {
            run(books.clone(), operation, task, writers, each)
        });
        let locks = books.lock_wait() - before;
        waited.locks.set(waited.locks.get() + locks);
        waited
            .all
            .set(waited.all.get() + took * crowd::THREADS as u32);
        took
    })
}

async fn run(books: Arc<Books>, operation: Operation, task: usize, writers: usize, times: u64) {
    let mut random = Random(task as u64);
    for turn in 0..times {
        let number = random.next() as usize;
        if number % 100 < writers {
            books.write(number / 100);
        } else {
            match operation {
                Operation::Reads => books.read(number / 100),
                Operation::Writes => books.write(number / 100),
                Operation::StateChecks => books.check(number / 100),
                Operation::ReuseWaits => books.wait().await,
            }
        }
        // So that every task gets on; not each time, which would cost more than the operation.
        if turn % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
}
