//! What does it cost to take an idle connection and to give it back?

use crate::clock;
use crate::harness::{Contender, Effort, Measured, Worker, interleave};
use crate::ours::Ours;
use crate::peers::{Setup, Stacks, bb8s, caches, deadpools};
use crate::walk::{Order, Walk};
use bench_report::{Column, Table, column};
use bench_report::{median, ratio, spread};

const COLUMNS: &[Column] = &[
    column("ns/op", 1),
    column("spread", 2),
    column("× mutex_vec", 2),
    column("× deadpool_in_map", 2),
    column("allocs/op", 2),
];

/// Name, hosts, idle connections of each, threads.
const CASES: [(&str, usize, usize, usize); 8] = [
    ("1_host/1_idle/1_thread", 1, 1, 1),
    ("1_host/10000_idle/1_thread", 1, 10_000, 1),
    ("100_hosts/2_idle/1_thread", 100, 2, 1),
    ("10000_hosts/2_idle/1_thread", 10_000, 2, 1),
    // Each thread finds a connection: nobody waits here.
    ("1_host/2_idle/2_threads", 1, 2, 2),
    ("1_host/10000_idle/2_threads", 1, 10_000, 2),
    ("100_hosts/2_idle/2_threads", 100, 2, 2),
    ("10000_hosts/2_idle/2_threads", 10_000, 2, 2),
];

pub(crate) fn table(effort: Effort) -> Table {
    let title = "What does it cost to take an idle connection and to give it back?";
    let mut table = Table::new("acquire", title, COLUMNS);
    for (case, hosts, idle, threads) in CASES {
        let measured = measure(Setup { hosts, idle }, threads, effort);
        for (name, cells) in cells(&measured) {
            table.add(format!("{name}/{case}"), cells);
        }
    }
    table
}

fn measure(setup: Setup, threads: usize, effort: Effort) -> Vec<Measured> {
    let order = Order::new(setup.hosts);
    let walks = || -> Vec<Walk> { (0..threads).map(|seat| order.walk(seat, threads)).collect() };
    let ours = Ours::new(&setup);
    let stacks = Stacks::new(&setup);
    let deadpools = deadpools(&setup);
    let bb8s = bb8s(&setup);
    interleave(
        vec![
            Contender::new(
                "by_handle",
                walks().into_iter().map(|w| ours.by_handle(w)).collect(),
            ),
            Contender::new(
                "by_handle_no_clock",
                walks()
                    .into_iter()
                    .map(|w| ours.by_handle_no_clock(w))
                    .collect(),
            ),
            Contender::new(
                "by_handle_awaited",
                walks()
                    .into_iter()
                    .map(|w| ours.by_handle_awaited(w))
                    .collect(),
            ),
            Contender::new(
                "by_key",
                walks().into_iter().map(|w| ours.by_key(w)).collect(),
            ),
            Contender::new(
                "mutex_vec",
                walks().into_iter().map(|w| stacks.worker(w)).collect(),
            ),
            Contender::new("hyper_util_cache", caches(&setup, walks())),
            Contender::new(
                "deadpool_in_map",
                walks().into_iter().map(|w| deadpools.worker(w)).collect(),
            ),
            Contender::new(
                "bb8_in_map",
                walks().into_iter().map(|w| bb8s.worker(w)).collect(),
            ),
            Contender::new(
                "two_clock_reads",
                walks().into_iter().map(|_| two_clock_reads()).collect(),
            ),
        ],
        effort,
    )
}

/// What the manager spends on knowing the time, once for the claim and once for the release; no pool at all.
fn two_clock_reads() -> Worker {
    Box::new(|ops| {
        for _ in 0..ops {
            std::hint::black_box(clock::now());
            std::hint::black_box(clock::now());
        }
    })
}

fn cells(measured: &[Measured]) -> Vec<(&'static str, Vec<Option<f64>>)> {
    let rounds = |name: &str| {
        let found = measured.iter().find(|m| m.name == name);
        &found.expect("the baseline takes part").rounds
    };
    let (stack, deadpool) = (rounds("mutex_vec"), rounds("deadpool_in_map"));
    let cells = |m: &Measured| {
        let numbers = [
            median(&m.rounds),
            spread(&m.rounds),
            ratio(&m.rounds, stack),
            ratio(&m.rounds, deadpool),
            m.allocs,
        ];
        (m.name, numbers.map(Some).to_vec())
    };
    measured.iter().map(cells).collect()
}
