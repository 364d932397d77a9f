//! What is saved by adding and removing a thousand connections at once?

use std::time::Duration;

use crate::clock;
use crate::crowd::scaled;
use crate::harness::{Contender, Effort, Timed, interleave};
use crate::ours::Depot;
use bench_report::{Column, Table, column};
use bench_report::{median, ratio, spread};

const COLUMNS: &[Column] = &[
    column("ns/conn", 1),
    column("spread", 2),
    column("× one by one", 2),
];

/// Connections in one batch.
const BATCH: usize = 1000;

pub(crate) fn table(effort: Effort) -> Table {
    let title = "What does it cost to add and to remove 1000 connections, one by one and at once?";
    let mut table = Table::new("batch", title, COLUMNS);
    let contenders = vec![
        Contender::timed("add/1000/one_by_one", adding(Depot::add_each)),
        Contender::timed("add/1000/add_many", adding(Depot::add_many)),
        Contender::timed("remove/1000/one_by_one", removing(Depot::remove_each)),
        Contender::timed("remove/1000/remove_many", removing(Depot::remove_many)),
    ];
    let measured = interleave(contenders, effort);
    for (at, m) in measured.iter().enumerate() {
        // Adding is compared with adding, removing with removing.
        let base = &measured[at - at % 2].rounds;
        let cells = [median(&m.rounds), spread(&m.rounds), ratio(&m.rounds, base)];
        table.add(m.name.to_owned(), cells.map(Some).to_vec());
    }
    table
}

fn adding(add: fn(&mut Depot, usize)) -> Timed {
    let mut depot = Depot::new();
    batches(move |clocked| {
        let began = clock::thread_cpu();
        add(&mut depot, BATCH);
        *clocked += clock::thread_cpu() - began;
        depot.remove_many();
    })
}

fn removing(remove: fn(&mut Depot)) -> Timed {
    let mut depot = Depot::new();
    batches(move |clocked| {
        depot.add_many(BATCH);
        let began = clock::thread_cpu();
        remove(&mut depot);
        *clocked += clock::thread_cpu() - began;
    })
}

/// As many batches as hold the connections asked for.
fn batches(mut batch: impl FnMut(&mut Duration) + 'static) -> Timed {
    Box::new(move |conns| {
        let batches = conns.div_ceil(BATCH as u64);
        let mut clocked = Duration::ZERO;
        for _ in 0..batches {
            batch(&mut clocked);
        }
        scaled(clocked, conns, batches * BATCH as u64)
    })
}
