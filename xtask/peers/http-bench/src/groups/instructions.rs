//! Instructions and allocations of one request: the same in every run.

use std::path::{Path, PathBuf};

use bench_report::{Column, Table, column};

use crate::BoxError;
use crate::bench::Bench;
use crate::callgrind;
use crate::child::{number, once};
use crate::contenders::{Contender, Http1, Http2, Protocol, RAW};

const COLUMNS: &[Column] = &[
    column("insn", 0),
    column("insn × raw", 3),
    column("allocs", 1),
    column("bytes", 0),
    column("bytes × raw", 2),
    column("polls", 2),
];

/// One request, many times.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    protocol: Protocol,
    load: &'static str,
    /// Requests in a short and in a long run.
    counts: [u64; 2],
}

const fn case(
    name: &'static str,
    protocol: Protocol,
    load: &'static str,
    counts: [u64; 2],
) -> Case {
    Case {
        name,
        protocol,
        load,
        counts,
    }
}

const MANY: [u64; 2] = [200, 700];
const WIDE: [u64; 2] = [320, 1120];
const LARGE: [u64; 2] = [20, 70];

const CASES: &[Case] = &[
    case("h1/small/c1", Http1, "conc=1", MANY),
    case("h1/small/c16", Http1, "conc=16", WIDE),
    case("h1/rich/c1", Http1, "conc=1 path=/rich rich=1", MANY),
    case("h1/256k/c1", Http1, "conc=1 path=/256k", LARGE),
    case("h2/small/c1", Http2, "conc=1", MANY),
    case("h2/small/c16", Http2, "conc=16", WIDE),
    case("h2/rich/c1", Http2, "conc=1 path=/rich rich=1", MANY),
    case("h2/256k/c1", Http2, "conc=1 path=/256k", LARGE),
];

pub(crate) fn tables(bench: &mut Bench) -> Result<Vec<Table>, BoxError> {
    let counts = callgrind::is_here();
    if !counts {
        bench.skip("instructions: valgrind is not installed");
    }
    let mut table = Table::new("instructions", "What does one request cost?", COLUMNS);
    for case in CASES {
        // How a large body arrives is chance, and with it how often something is allocated.
        if bench.args.check && case.load.contains("/256k") {
            continue;
        }
        let mut raw = None;
        for contender in case.protocol.contenders(bench) {
            let name = format!("{}/{}", case.name, contender.name);
            let seen = match case.measure(bench, contender, counts) {
                Ok(seen) => seen,
                Err(error) => {
                    bench.skip(&format!("{name}: {error}"));
                    continue;
                }
            };
            if contender.name == RAW {
                raw = Some(seen);
            }
            let of_raw = |of: fn(Seen) -> Option<f64>| Some(of(seen)? / of(raw?)?);
            table.add(
                name,
                vec![
                    seen.insn,
                    of_raw(|seen| seen.insn),
                    Some(seen.allocs),
                    Some(seen.bytes),
                    of_raw(|seen| Some(seen.bytes)),
                    Some(seen.polls),
                ],
            );
        }
    }
    Ok(vec![table])
}

#[derive(Clone, Copy)]
struct Seen {
    insn: Option<f64>,
    allocs: f64,
    bytes: f64,
    polls: f64,
}

/// Requests before those that are counted.
const WARM: u64 = 20;

impl Case {
    fn measure(&self, bench: &Bench, who: Contender, insn: bool) -> Result<Seen, BoxError> {
        let mut command = who.command(bench, self.protocol, true, &[]);
        let answer = once(command.args(self.words(self.counts[1])))?;
        let file = bench.args.out.join("callgrind.out");
        let insn = match insn {
            true => Some(self.insn(bench, who, &file)?),
            false => None,
        };
        Ok(Seen {
            insn,
            allocs: number(&answer, "allocs")?,
            bytes: number(&answer, "bytes")?,
            polls: number(&answer, "polls")?,
        })
    }

    /// What the long run has more than the short one, over the requests it has more.
    fn insn(&self, bench: &Bench, who: Contender, file: &Path) -> Result<f64, BoxError> {
        let [short, long] = self.counts;
        let mut seen = [0; 2];
        for (seen, requests) in seen.iter_mut().zip(self.counts) {
            *seen = self.run(bench, who, file, requests)?;
        }
        std::fs::remove_file(file)?;
        let more = seen[1].checked_sub(seen[0]).ok_or("more was less")?;
        Ok(more as f64 / (long - short) as f64)
    }

    fn run(
        &self,
        bench: &Bench,
        who: Contender,
        file: &Path,
        requests: u64,
    ) -> Result<u64, BoxError> {
        let before = callgrind::before(file);
        let before = before.each_ref().map(String::as_str);
        let mut command = who.command(bench, self.protocol, false, &before);
        callgrind::count(command.args(self.words(requests)), file)
    }

    fn words(&self, requests: u64) -> impl Iterator<Item = String> {
        let line = format!("count requests={requests} warm={WARM} {}", self.load);
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        words.into_iter()
    }
}

/// The files of a short and of a long run of the row, and by how many requests they differ.
pub(crate) fn record(bench: &Bench, row: &str) -> Result<([PathBuf; 2], u64), BoxError> {
    let (name, who) = row.rsplit_once('/').ok_or("a row is `h1/small/c1/ours`")?;
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("no case `{name}`"))?;
    let contenders = case.protocol.contenders(bench);
    let contender = contenders.iter().find(|contender| contender.name == who);
    let contender = contender.ok_or_else(|| format!("no `{who}` in it"))?;
    let files = ["short", "long"].map(|run| bench.args.out.join(format!("callgrind.{run}")));
    for (file, requests) in files.iter().zip(case.counts) {
        case.run(bench, *contender, file, requests)?;
    }
    Ok((files, case.counts[1] - case.counts[0]))
}
