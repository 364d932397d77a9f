//! Connecting from a chosen address when most of its ports are taken.

use std::process::Command;

use bench_report::{Column, Table, column};
use serde_json::Value;

use crate::BoxError;
use crate::bench::Bench;
use crate::child::once;

const COLUMNS: &[Column] = &[
    column("p50 µs", 1),
    column("p99 µs", 1),
    column("p50 × empty", 2),
    column("p99 × empty", 2),
    column("failed", 0),
];

/// The range of local ports, so small that a process can hold nearly all of them.
const PORTS: [&str; 2] = ["20000", "35999"];

pub(crate) fn tables(bench: &mut Bench) -> Result<Vec<Table>, BoxError> {
    let title = "What processor time do binding and connecting take, by the percentage of local ports that are taken?";
    let mut table = Table::new("bind", title, COLUMNS);
    let rows = match measure(bench) {
        Ok(rows) => rows,
        Err(error) => {
            bench.skip(&format!("bind: {error}"));
            return Ok(Vec::new());
        }
    };
    for row in &rows {
        let name = row["row"].as_str().ok_or("a row has a name")?;
        let (_, mode) = name.split_once('/').ok_or("a row has a mode")?;
        let empty = rows.iter().find(|row| row["row"] == format!("0/{mode}"));
        let times_empty = |of: &str| Some(row[of].as_f64()? / empty?[of].as_f64()?);
        table.add(
            name.to_owned(),
            vec![
                row["p50_us"].as_f64(),
                row["p99_us"].as_f64(),
                times_empty("p50_us"),
                times_empty("p99_us"),
                row["failed"].as_f64(),
            ],
        );
    }
    Ok(vec![table])
}

/// In a network of its own: the range holds for all of one.
fn measure(bench: &Bench) -> Result<Vec<Value>, BoxError> {
    let [first, last] = PORTS;
    let script = format!(
        "ip link set lo up && echo '{first} {last}' > /proc/sys/net/ipv4/ip_local_port_range && exec \"$0\" {first} {last}"
    );
    let mut command = Command::new("unshare");
    command.args(["-Urn", "sh", "-c", &script]);
    let answer = once(command.arg(bench.program("bench-bind")))?;
    Ok(answer.as_array().cloned().ok_or("it answers with rows")?)
}
