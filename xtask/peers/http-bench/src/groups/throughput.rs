//! Requests a second, latency and processor time, in interleaved rounds.

use bench_report::{Column, Table, column, median, ratio, spread};
use serde_json::Value;

use crate::BoxError;
use crate::bench::Bench;
use crate::child::{Child, number};
use crate::contenders::{Http1, Http2, Protocol};

const COLUMNS: &[Column] = &[
    column("rps", 0),
    column("spread", 2),
    column("× raw", 2),
    column("× hyper_util", 2),
    column("× reqwest", 2),
    column("× wreq", 2),
    column("p50 µs", 0),
    column("p99 µs", 0),
    column("cpu µs", 1),
    column("user µs", 1),
    column("cpu × raw", 2),
];

const COMPARED: [&str; 4] = ["raw", "hyper_util", "reqwest", "wreq"];

struct Case {
    name: &'static str,
    protocol: Protocol,
    load: &'static str,
}

const fn case(name: &'static str, protocol: Protocol, load: &'static str) -> Case {
    Case {
        name,
        protocol,
        load,
    }
}

const CASES: &[Case] = &[
    case("h1/c1", Http1, "conc=1"),
    case("h1/c16", Http1, "conc=16"),
    case("h1/c64", Http1, "conc=64"),
    case("h1/c256", Http1, "conc=256"),
    case("h1/256k/c4", Http1, "conc=4 path=/256k"),
    case("h2/c1", Http2, "conc=1"),
    case("h2/c16", Http2, "conc=16"),
    case("h2/c64", Http2, "conc=64"),
    case("h2/c256", Http2, "conc=256"),
    case("h2/256k/c4", Http2, "conc=4 path=/256k"),
];

pub(crate) fn tables(bench: &mut Bench) -> Result<Vec<Table>, BoxError> {
    let mut table = Table::new("throughput", "How many requests a second?", COLUMNS);
    for case in CASES {
        case.measure(bench, &mut table);
    }
    Ok(vec![table])
}

/// One contender's process and what it answered, round by round.
struct Lane {
    name: &'static str,
    child: Child,
    rounds: Vec<Value>,
}

impl Lane {
    fn column(&self, name: &str) -> Vec<f64> {
        let numbers = self.rounds.iter().map(|round| number(round, name));
        numbers.map(|number| number.unwrap_or(f64::NAN)).collect()
    }
}

impl Case {
    fn measure(&self, bench: &mut Bench, table: &mut Table) {
        let (rounds, ms) = if bench.args.quick { (3, 150) } else { (9, 400) };
        let line = |ms: u32| format!("load ms={ms} {}", self.load);
        let mut lanes = Vec::new();
        for contender in self.protocol.contenders(bench) {
            let mut command = contender.command(bench, self.protocol, false, &[]);
            // The first opens the connections.
            let child = Child::start(command.args(["--threads", "2"]))
                .and_then(|mut child| child.ask(&line(ms / 2)).map(|_| child));
            match child {
                Ok(child) => lanes.push(Lane {
                    name: contender.name,
                    child,
                    rounds: Vec::new(),
                }),
                Err(error) => bench.skip(&format!("{}/{}: {error}", self.name, contender.name)),
            }
        }
        for round in 0..rounds {
            let count = lanes.len();
            let mut failed = None;
            for turn in 0..count {
                let at = (round + turn) % count;
                let lane = &mut lanes[at];
                match lane.child.ask(&line(ms)) {
                    Ok(answer) => lane.rounds.push(answer),
                    Err(error) => {
                        let name = lane.name;
                        bench.skip(&format!("{}/{name}: {error}", self.name));
                        failed = Some(at);
                    }
                }
            }
            if let Some(at) = failed {
                lanes.remove(at);
            }
        }
        self.fill(&lanes, table);
    }

    fn fill(&self, lanes: &[Lane], table: &mut Table) {
        let base = |name: &str| lanes.iter().find(|lane| lane.name == name);
        for lane in lanes {
            let rps = lane.column("rps");
            let mut cells = vec![Some(median(&rps)), Some(spread(&rps))];
            for other in COMPARED {
                cells.push(base(other).map(|other| ratio(&rps, &other.column("rps"))));
            }
            for column in ["p50_us", "p99_us", "cpu_us", "user_us"] {
                cells.push(Some(median(&lane.column(column))));
            }
            let cpu = lane.column("cpu_us");
            cells.push(base("raw").map(|raw| ratio(&cpu, &raw.column("cpu_us"))));
            table.add(format!("{}/{}", self.name, lane.name), cells);
        }
    }
}
