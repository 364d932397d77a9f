//! Memory of connections that do nothing.

use bench_report::{Column, Table, column};

use crate::BoxError;
use crate::bench::Bench;
use crate::child::{Child, number};
use crate::contenders::{BARE, Contender, Http1, Protocol};

const COLUMNS: &[Column] = &[column("KiB/conn", 1), column("after a 2nd request", 1)];

pub(crate) fn tables(bench: &mut Bench) -> Result<Vec<Table>, BoxError> {
    let title = "How much memory has an idle TLS connection, in the client?";
    let mut table = Table::new("idle", title, COLUMNS);
    let counts: &[u32] = if bench.args.quick {
        &[1000]
    } else {
        &[1000, 10_000]
    };
    for protocol in Protocol::BOTH {
        let mut contenders = protocol.contenders(bench);
        if protocol == Http1 {
            contenders.insert(0, BARE);
        }
        for conns in counts {
            for contender in &contenders {
                // It differs from the other in how many connections one host may have.
                if contender.name == "ours_1_conn" {
                    continue;
                }
                let name = format!("{}/{conns}/{}", protocol.name(), contender.name);
                match measure(bench, *contender, protocol, *conns) {
                    Ok(cells) => table.add(name, cells.map(Some).to_vec()),
                    Err(error) => bench.skip(&format!("{name}: {error}")),
                }
            }
        }
    }
    Ok(vec![table])
}

/// One host for each connection, so that nobody shares one. One thread, so that one allocator arena is filled.
fn measure(
    bench: &Bench,
    who: Contender,
    protocol: Protocol,
    conns: u32,
) -> Result<[f64; 2], BoxError> {
    let mut child = Child::start(&mut who.command(bench, protocol, false, &[]))?;
    let first = child.ask("hosts hosts=1 first=0")?;
    let before = number(&first, "rss_after")?;
    let mut kib = [0.0; 2];
    for kib in &mut kib {
        let answer = child.ask(&format!("hosts hosts={conns} first=1 conc=64"))?;
        let more = number(&answer, "rss_after")? - before;
        *kib = more / 1024.0 / f64::from(conns);
    }
    Ok(kib)
}
