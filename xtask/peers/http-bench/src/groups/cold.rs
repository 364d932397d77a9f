//! What a connection costs that is not there yet.

use bench_report::{Column, Table, column, median, ratio};
use serde_json::Value;

use crate::BoxError;
use crate::bench::Bench;
use crate::child::{Child, number};
use crate::contenders::{BARE, Contender, Http1, Protocol};

const COLUMNS: &[Column] = &[
    column("per s", 0),
    column("cpu µs", 0),
    column("user µs", 0),
    column("cpu × bare", 2),
    column("user × bare", 2),
];

pub(crate) fn tables(bench: &mut Bench) -> Result<Vec<Table>, BoxError> {
    Ok(vec![connects(bench), dials(bench), resumed(bench)])
}

/// Opening a connection, and the first request on it, each to a host that was never seen.
fn connects(bench: &mut Bench) -> Table {
    let title = "What does it cost to open a connection, alone or for a request?";
    let mut table = Table::new("cold", title, COLUMNS);
    for (name, connect) in [("connect", 1), ("request", 0)] {
        for protocol in Protocol::BOTH {
            let mut contenders = protocol.contenders(bench);
            contenders.retain(|contender| {
                let connects = contender.name == "raw" || contender.name.starts_with("ours");
                contender.name != "ours_1_conn" && (connects || connect == 0)
            });
            // What it does is the same with any protocol, as long as nothing is sent.
            if protocol == Http1 || connect == 1 {
                contenders.insert(0, BARE);
            }
            let prefix = format!("{}/{name}", protocol.name());
            rounds(bench, protocol, &contenders, connect, &prefix, &mut table);
        }
    }
    table
}

fn rounds(
    bench: &mut Bench,
    protocol: Protocol,
    contenders: &[Contender],
    connect: u32,
    prefix: &str,
    table: &mut Table,
) {
    let (rounds, conns) = if bench.args.quick { (3, 200) } else { (9, 400) };
    let mut answers: Vec<Vec<Value>> = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            // A new process each time: what it has open goes away with it.
            let mut command = contenders[at].command(bench, protocol, false, &[]);
            let answer = Child::start(&mut command).and_then(|mut child| {
                child.ask(&format!("hosts hosts=1 first=0 connect={connect}"))?;
                child.ask(&format!(
                    "hosts hosts={conns} first=1 conc=8 connect={connect}"
                ))
            });
            match answer {
                Ok(answer) => answers[at].push(answer),
                Err(error) => bench.skip(&format!("{prefix}/{}: {error}", contenders[at].name)),
            }
        }
    }
    let of = |at: usize, name: &str| -> Vec<f64> {
        let numbers = answers[at].iter().map(|answer| number(answer, name));
        numbers.map(|number| number.unwrap_or(f64::NAN)).collect()
    };
    let bare = contenders.iter().position(|contender| *contender == BARE);
    let bare = bare.filter(|at| !answers[*at].is_empty());
    for (at, contender) in contenders.iter().enumerate() {
        if answers[at].is_empty() {
            continue;
        }
        let mut cells: Vec<_> = ["per_s", "cpu_us", "user_us"]
            .map(|name| Some(median(&of(at, name))))
            .to_vec();
        for name in ["cpu_us", "user_us"] {
            cells.push(bare.map(|bare| ratio(&of(at, name), &of(bare, name))));
        }
        table.add(format!("{prefix}/{}", contender.name), cells);
    }
}

const DIALS: &[Column] = &[column("dials", 0)];

/// Requests at the same time to a host that nobody has asked before.
const CROWD: u32 = 64;

fn dials(bench: &mut Bench) -> Table {
    let title = "How many connections do 64 simultaneous first requests open?";
    let mut table = Table::new("dials", title, DIALS);
    for protocol in Protocol::BOTH {
        for contender in pools(bench, protocol) {
            let name = format!("{}/{}", protocol.name(), contender.name);
            let line = format!("count requests={CROWD} conc={CROWD}");
            match seen(bench, contender, protocol, &["--threads", "2"], &line) {
                Ok([accepted, _]) => table.add(name, vec![Some(accepted)]),
                Err(error) => bench.skip(&format!("dials/{name}: {error}")),
            }
        }
    }
    table
}

const RESUMED: &[Column] = &[column("handshakes", 0), column("resumed share", 3)];

/// Connections one after the other to the same host, none kept.
fn resumed(bench: &mut Bench) -> Table {
    let title = "How many handshakes are resumed where the host was seen before?";
    let mut table = Table::new("resumed", title, RESUMED);
    for protocol in Protocol::BOTH {
        for contender in pools(bench, protocol) {
            let name = format!("{}/{}", protocol.name(), contender.name);
            match seen(
                bench,
                contender,
                protocol,
                &["--close"],
                "count requests=200",
            ) {
                Ok([accepted, resumed]) => {
                    // The first cannot be.
                    let share = (accepted > 1.0).then(|| resumed / (accepted - 1.0));
                    table.add(name, vec![Some(accepted), share]);
                }
                Err(error) => bench.skip(&format!("resumed/{name}: {error}")),
            }
        }
    }
    table
}

fn pools(bench: &Bench, protocol: Protocol) -> Vec<Contender> {
    let mut contenders = protocol.contenders(bench);
    contenders.retain(|contender| contender.name != "raw" && contender.name != "ours_1_conn");
    contenders
}

/// How many connections the origin accepted meanwhile, and how many of them were resumed.
fn seen(
    bench: &mut Bench,
    who: Contender,
    protocol: Protocol,
    flags: &[&str],
    line: &str,
) -> Result<[f64; 2], BoxError> {
    let before = bench.origin.stats()?;
    let mut command = who.command(bench, protocol, false, &[]);
    let mut child = Child::start(command.args(flags))?;
    child.ask(line)?;
    // Dials that nobody waits for any more may still end in a connection.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let after = bench.origin.stats()?;
    let mut counts = [0.0; 2];
    for (count, name) in counts.iter_mut().zip(["accepted", "resumed"]) {
        *count = number(&after, name)? - number(&before, name)?;
    }
    Ok(counts)
}
