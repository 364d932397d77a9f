//! `pool localip check`: a real connection from each of some addresses.

mod page;
mod target;
mod trip;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use pool_localip::{AddrSet, Cidr, LocalAddrAllocator, MAX_SOURCES, Strategy};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::kernel;
use crate::args::CheckArgs;
use crate::cmd::process::runtime;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Progress, Versioned, micros, note, printable};
use crate::signal::Interrupt;
use target::{Peer, Target};

#[derive(Serialize)]
struct Report {
    prefix: String,
    /// `null` for the listener in this process.
    target: Option<String>,
    seed: u64,
    sampled: usize,
    ok: usize,
    failed: usize,
    addresses: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    addr: IpAddr,
    ok: bool,
    /// What the other side says that it saw; `null` if it does not say.
    seen: Option<IpAddr>,
    us: u64,
    error: Option<Trouble>,
}

/// Why an address does not work.
#[derive(Debug, Serialize)]
struct Trouble {
    /// A stable word.
    kind: &'static str,
    message: String,
}

/// Connections at a time.
const AT_A_TIME: usize = 32;

/// Checks a sample of the addresses, and prints a line for each, or one JSON object.
pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let prefix = args.prefix;
    super::warn_of_host_bits(prefix);
    super::refuse_one_link(prefix)?;
    let target = Target::parse(args.target.as_deref())?;
    let seed = args.seed.unwrap_or_else(random_seed);
    let sample = sample(prefix, args.sample.get(), seed)?;
    if !prefix.is_ipv4() {
        kernel::check_ipv6()?;
    }
    let runtime = runtime()?;
    let rows = runtime.block_on(check(&target, prefix.is_ipv4(), &sample, args.timeout))?;
    runtime.shutdown_background();

    let ok = rows.iter().filter(|row| row.ok).count();
    let report = Report {
        prefix: prefix.to_string(),
        target: target.name(),
        seed,
        sampled: sample.len(),
        ok,
        failed: rows.len() - ok,
        addresses: rows,
    };
    let mut stdout = Output::stdout();
    if args.json {
        stdout.json(&Versioned::new(&report))?;
    } else {
        stdout.write(text(&report).as_bytes())?;
    }
    Ok(match ok {
        ok if ok == sample.len() => Exit::AllGood,
        _ => Exit::SomeFailed,
    })
}

/// One that differs from run to run, short enough to be typed, and for any JSON parser.
fn random_seed() -> u64 {
    RandomState::new().hash_one(0) >> 32
}

/// Distinct addresses of the prefix, or all if there are no more.
fn sample(prefix: Cidr, size: usize, seed: u64) -> Result<Vec<IpAddr>, Failure> {
    if size > MAX_SOURCES {
        return Err(Failure::usage(
            format!("--sample {size} is more than can be drawn"),
            format!("give {MAX_SOURCES} or less; another --seed draws others"),
        ));
    }
    let set = AddrSet::new([prefix]).map_err(|error| {
        Failure::usage(
            error.to_string(),
            "give a prefix that connections can come from",
        )
    })?;
    let mut sample = set.strategy(Strategy::Random { seed }).sources();
    sample.truncate(size);
    sample.sort_unstable();
    Ok(sample)
}

/// One row for each address, in their order; fewer after an interrupt.
async fn check(
    target: &Target,
    v4: bool,
    sample: &[IpAddr],
    limit: Duration,
) -> Result<Vec<Row>, Failure> {
    let interrupt = Interrupt::listen().map_err(|error| {
        Failure::environment(
            format!("no signals: {error}"),
            "this is the operating system's",
        )
    })?;
    let peer = target.peer(v4, sample).await?;
    let asked = stream::iter(sample.iter().copied()).take_until(interrupt.clone().come());
    let rows = asked
        .map(|addr| row(&peer, addr, limit))
        .buffered(AT_A_TIME);
    let mut rows = Box::pin(rows);
    let mut all = Vec::new();
    let mut progress = Progress::new();
    while let Some(row) = rows.next().await {
        all.push(row);
        progress.show(|| format!("{} of {} addresses", all.len(), sample.len()));
    }
    progress.clear();
    if all.len() < sample.len() {
        let left = sample.len() - all.len();
        note(&format!("interrupted: {left} addresses were not checked"));
    }
    drop(rows);
    peer.close().await;
    Ok(all)
}

async fn row(peer: &Peer, addr: IpAddr, limit: Duration) -> Row {
    let began = Instant::now();
    let tried = timeout(limit, peer.meet(addr)).await;
    let us = micros(began.elapsed());
    let tried = tried.unwrap_or_else(|_| Err(Trouble::timeout(limit)));
    let (seen, error) = match tried {
        Ok(Some(seen)) if seen != addr => (Some(seen), Some(Trouble::other(seen))),
        Ok(seen) => (seen, None),
        Err(error) => (None, Some(error)),
    };
    Row {
        addr,
        ok: error.is_none(),
        seen,
        us,
        error,
    }
}

impl Trouble {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    fn timeout(limit: Duration) -> Self {
        Self::new(
            "timeout",
            format!(
                "no answer within {limit:?}: nothing is sent back to it, or it does not arrive here"
            ),
        )
    }

    fn other(seen: IpAddr) -> Self {
        Self::new("other_source", format!("the other side saw {seen}"))
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.addresses {
        let addr = row.addr.to_string();
        let line = match &row.error {
            None => {
                let took = Duration::from_micros(row.us);
                let seen = if row.seen.is_some() {
                    "seen as it is"
                } else {
                    "connected; the other side does not say what it saw"
                };
                format!("{addr:<40} ok      {seen}, {took:.1?}")
            }
            Some(error) => format!("{addr:<40} failed  {}", printable(&error.message)),
        };
        text.push_str(&line);
        text.push('\n');
    }
    let Report {
        prefix,
        target,
        seed,
        sampled,
        ok,
        ..
    } = report;
    let target = target.as_deref().unwrap_or("a listener in this process");
    text.push_str(&format!(
        "{ok} of {sampled} addresses of {prefix} work towards {} (--seed {seed})\n",
        printable(target)
    ));
    if ok < sampled {
        text.push_str(&format!(
            "`pool localip plan {prefix}` prints what this machine lacks\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(prefix: &str, size: usize, seed: u64) -> Vec<String> {
        let drawn = sample(prefix.parse().unwrap(), size, seed).unwrap();
        drawn.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sample_is_distinct_inside_the_prefix_and_the_same_for_a_seed() {
        let prefix: Cidr = "2001:db8::/64".parse().unwrap();
        let drawn = sample(prefix, 500, 1).unwrap();
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), 500);
        assert!(drawn.iter().all(|&addr| prefix.contains(addr)));
        assert_eq!(drawn, sample(prefix, 500, 1).unwrap());
        assert_ne!(drawn, sample(prefix, 500, 2).unwrap());
    }

    #[test]
    fn a_small_prefix_is_checked_as_a_whole() {
        assert_eq!(drawn("192.0.2.6/31", 16, 1), ["192.0.2.6", "192.0.2.7"]);
        assert_eq!(drawn("2001:db8::7/128", 16, 1), ["2001:db8::7"]);
        // The first is for routers.
        assert_eq!(drawn("2001:db8::/126", 16, 1).len(), 3);
    }

    #[test]
    fn what_another_side_saw_differently_failed() {
        let error = Trouble::other("192.0.2.1".parse().unwrap());
        assert_eq!(error.kind, "other_source");
        assert!(error.message.contains("192.0.2.1"));
    }
}
