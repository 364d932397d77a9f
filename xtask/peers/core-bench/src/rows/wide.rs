//! Is one host with very many addresses and connections as quick as one with few, and as many hosts?

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::crowd;
use crate::harness::{Contender, Effort, Timed, interleave};
use crate::ours::Ours;
use crate::peers::Setup;
use crate::walk::Order;
use bench_report::{Column, Table, column};
use bench_report::{median, ratio, spread};

const SELECTION: &[Column] = &[
    column("ns/op", 1),
    column("spread", 2),
    column("× 1_conn", 2),
    column("allocs/op", 2),
];

const LOAD: &[Column] = &[
    column("ops/s", 0),
    column("spread", 2),
    column("time × 64_hosts", 2),
];

/// Name, addresses, connections to all of them together.
const SIZES: [(&str, usize, usize); 5] = [
    ("1_addr/1_conn", 1, 1),
    ("1_addr/10000_conns", 1, 10_000),
    ("10_addrs/10_conns", 10, 10),
    ("1600_addrs/1600_conns", 1600, 1600),
    ("1600_addrs/51200_conns", 1600, 51_200),
];

/// Choosing one of many idle connections.
pub(crate) fn selection(effort: Effort) -> Table {
    let title = "What does it cost to choose among 1 to 51,200 idle connections of one host?";
    let mut table = Table::new("selection", title, SELECTION);
    let contenders = SIZES.iter().map(|&(name, addrs, idle)| {
        let ours = Ours::spread(&Setup { hosts: 1, idle }, addrs);
        let worker = ours.by_handle(Order::new(1).walk(0, 1));
        Contender::new(name, vec![worker])
    });
    let measured = interleave(contenders.collect(), effort);
    for m in &measured {
        let cells = [
            median(&m.rounds),
            spread(&m.rounds),
            ratio(&m.rounds, &measured[0].rounds),
            m.allocs,
        ];
        table.add(m.name.to_owned(), cells.map(Some).to_vec());
    }
    table
}

const TASKS: usize = 64;

/// Sixty-four tasks on one host, and on one each.
pub(crate) fn load(effort: Effort) -> Table {
    let title = "How much slower are 64 tasks on one host than on 64 hosts, with 51,200 connections in all?";
    let mut table = Table::new("one_host", title, LOAD);
    let runtime = crowd::runtime();
    let (one, many) = (
        Setup {
            hosts: 1,
            idle: 51_200,
        },
        Setup {
            hosts: TASKS,
            idle: 800,
        },
    );
    let contenders = vec![
        Contender::timed(
            "64_tasks/1_host",
            tasks(&runtime, &Ours::spread(&one, 1600), 0),
        ),
        Contender::timed(
            "64_tasks/64_hosts",
            tasks(&runtime, &Ours::spread(&many, 25), 0),
        ),
        // What one host in 64 parts, each with a lock of its own, could reach at best: the parts take turns.
        Contender::timed(
            "64_tasks/64_hosts_in_turn",
            tasks(&runtime, &Ours::spread(&many, 25), 1),
        ),
    ];
    let measured = interleave(contenders, effort);
    for m in &measured {
        let cells = [
            1e9 / median(&m.rounds),
            spread(&m.rounds),
            ratio(&m.rounds, &measured[1].rounds),
        ];
        table.add(m.name.to_owned(), cells.map(Some).to_vec());
    }
    table
}

/// Tasks that acquire, take one trip through the scheduler and give back; each then goes on by so many hosts.
fn tasks(runtime: &Arc<Runtime>, ours: &Arc<Ours>, stride: usize) -> Timed {
    let (runtime, ours) = (runtime.clone(), ours.clone());
    Box::new(move |ops| {
        crowd::share(&runtime, TASKS, ops, |task, each| {
            let ours = ours.clone();
            async move { ours.use_hosts(task, stride, each).await }
        })
    })
}
