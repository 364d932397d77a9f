//! The workload the pool was made for: a burst of requests to many addresses that are far away.

use bench_report::{Column, Table, column};
use serde_json::Value;

use crate::BoxError;
use crate::bench::Bench;
use crate::child::{Child, number};
use crate::contenders::{Contender, FLEET, Http1};

const COLUMNS: &[Column] = &[
    column("took ms", 0),
    column("p50 ms", 1),
    column("p99 ms", 1),
    column("cpu µs", 0),
];

/// How many addresses, and requests at once.
const ADDRS: u32 = 1600;

/// Milliseconds to the origin and back.
const RTT_MS: u32 = 20;

pub(crate) fn tables(bench: &mut Bench) -> Result<Vec<Table>, BoxError> {
    let title =
        "How long do 1,600 requests at once to 1,600 addresses 20 ms away take, cold and hot?";
    let mut table = Table::new("fleet", title, COLUMNS);
    bench.move_origin(RTT_MS)?;
    let mut contenders = Http1.contenders(bench);
    contenders.push(FLEET);
    for contender in contenders {
        match measure(bench, contender) {
            Ok(bursts) => {
                for (temper, burst) in ["cold", "hot"].iter().zip(bursts) {
                    let cell =
                        |name, per: f64| Ok::<_, BoxError>(Some(number(&burst, name)? / per));
                    let cells = vec![
                        cell("took_ms", 1.0)?,
                        cell("p50_us", 1e3)?,
                        cell("p99_us", 1e3)?,
                        cell("cpu_us", 1.0)?,
                    ];
                    table.add(format!("{temper}/{}", contender.name), cells);
                }
            }
            Err(error) => bench.skip(&format!("fleet/{}: {error}", contender.name)),
        }
    }
    bench.move_origin(0)?;
    Ok(vec![table])
}

/// The pool with one host is warmed before the second burst; the others are by the first.
fn measure(bench: &Bench, who: Contender) -> Result<[Value; 2], BoxError> {
    let mut command = who.command(bench, Http1, false, &[]);
    let mut child = Child::start(command.args(["--threads", "2"]))?;
    if who == FLEET {
        let burst = format!("burst requests={ADDRS}");
        let cold = child.ask(&burst)?;
        child.ask("warm")?;
        return Ok([cold, child.ask(&burst)?]);
    }
    let burst = format!("hosts hosts={ADDRS} first=1 conc={ADDRS}");
    Ok([child.ask(&burst)?, child.ask(&burst)?])
}
