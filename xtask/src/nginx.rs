//! `cargo xtask nginx`: the command line against a real nginx with TLS, HTTP/2, small limits and reloads.

mod server;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::server::Nginx;
use crate::{Failure, cargo, root};

/// Runs the checks; prints a SKIP line where nginx or openssl is missing.
///
/// # Errors
///
/// [`Failure::Found`] if a request failed or a limit did not hold.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if !args.is_empty() {
        return Err(Failure::Usage("nginx takes no argument".to_owned()));
    }
    if let Some(missing) = server::missing() {
        println!("SKIP nginx: {missing} is not installed");
        return Ok(());
    }
    let mut build = cargo::command();
    build.args(["build", "--release", "-p", "pool-cli"]);
    cargo::read(build)?;
    let nginx = Nginx::start()?;
    let mut outcomes = Vec::new();
    for (name, flag) in [("h2", None), ("http/1.1", Some("--http1.1"))] {
        outcomes.push(report(name, fixed(&nginx, flag)?));
    }
    for (name, asked, least) in [
        ("idle timeout, nothing asked", false, 2.0),
        ("idle timeout, something asked", true, 4.0),
    ] {
        for flag in ["--http2", "--http1.1"] {
            let name = format!("{name}, {flag}");
            outcomes.push(report(&name, timeout(&nginx, flag, asked, least)?));
        }
    }
    outcomes.push(report("reloads under load", reloads(&nginx)?));
    let passed = outcomes.iter().filter(|passed| **passed).count();
    println!("\n{passed} passed, {} failed", outcomes.len() - passed);
    if passed == outcomes.len() {
        Ok(())
    } else {
        Err(Failure::Found)
    }
}

/// Says how a check went, and returns whether well.
fn report(name: &str, outcome: Result<String, String>) -> bool {
    match outcome {
        Ok(seen) => {
            println!("nginx: {name}: ok ({seen})");
            true
        }
        Err(wrong) => {
            println!("nginx: {name}: FAILED: {wrong}");
            false
        }
    }
}

/// How many URLs one check fetches.
const URLS: usize = 200;
/// nginx's `keepalive_requests`.
const PER_CONNECTION: usize = 50;
/// What the pool may have open at a time.
const MAX_CONNS: usize = 4;

/// 200 URLs: each has a record, each is a 200, and the connections are as many as the limits make them.
fn fixed(nginx: &Nginx, flag: Option<&str>) -> Result<Result<String, String>, Failure> {
    let mut fetch = nginx.fetch();
    fetch
        .args(["-c", "16", "--max-conns-per-host", &MAX_CONNS.to_string()])
        .args(flag);
    let mut child = spawn(&mut fetch)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    for at in 0..URLS {
        writeln!(stdin, "{}/file?n={at}", nginx.url()).map_err(broken)?;
    }
    drop(stdin);
    let records = Records::read(child.stdout.take().expect("stdout is piped"))?;
    let status = child.wait().map_err(broken)?;
    if !status.success() {
        return Ok(Err(format!("pool fetch: {status}; {}", records.summary())));
    }
    if records.total != URLS || records.good != URLS {
        return Ok(Err(records.summary()));
    }
    let conns = records.requests_by_conn.len();
    let most = records
        .requests_by_conn
        .values()
        .max()
        .copied()
        .unwrap_or(0);
    // nginx counts to 50 and then says goodbye, so more than that on one connection cannot have happened.
    let expected = URLS / PER_CONNECTION..=URLS / PER_CONNECTION + MAX_CONNS;
    if most > PER_CONNECTION || !expected.contains(&conns) {
        return Ok(Err(format!(
            "{conns} connections, at most {most} requests on one"
        )));
    }
    Ok(Ok(format!(
        "{URLS} records, {conns} connections, at most {most} requests on one"
    )))
}

/// A hold finds out that nginx closes every connection, and after how many seconds without a request.
fn timeout(
    nginx: &Nginx,
    flag: &str,
    asked: bool,
    least: f64,
) -> Result<Result<String, String>, Failure> {
    const PER_CELL: u64 = 4;
    let mut warm = nginx.warm(PER_CELL, asked)?;
    let output = warm.arg(flag).output().map_err(broken)?;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let closings = report["closings"].as_array().map_or(&[][..], Vec::as_slice);
    let [closing] = closings else {
        return Ok(Err(format!("pool warm: {}; {report}", output.status)));
    };
    let idle = closing["idle_ms"]["min"].as_f64().unwrap_or(0.0) / 1e3;
    // nginx counts from its own last byte, by a clock that it reads now and then.
    let holds = output.status.success()
        && closing["by"] == "peer"
        && closing["count"] == PER_CELL * 4
        && report["open"] == 0
        && idle >= least - 0.5;
    Ok(if holds {
        Ok(format!("{closing}"))
    } else {
        Err(report.to_string())
    })
}

/// Ten seconds of requests while nginx reloads twice a second: every GET is a 200.
fn reloads(nginx: &Nginx) -> Result<Result<String, String>, Failure> {
    let mut fetch = nginx.fetch();
    fetch.args(["-c", "8", "--max-conns-per-host", "4"]);
    let mut child = spawn(&mut fetch)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    let url = nginx.url();
    let until = now() + Duration::from_secs(10);
    // The pipe fills when the fetch is slower, so the writer follows its pace.
    let writer = std::thread::spawn(move || {
        let mut written = 0_usize;
        while now() < until {
            writeln!(stdin, "{url}/file?n={written}")?;
            written += 1;
        }
        std::io::Result::Ok(written)
    });
    let reader = std::thread::spawn(move || Records::read(stdout));
    let mut count = 0;
    while now() < until {
        // fault: the time between two reloads.
        std::thread::sleep(Duration::from_millis(500));
        nginx.reload()?;
        count += 1;
    }
    let written = writer
        .join()
        .expect("the writer does not panic")
        .map_err(broken)?;
    let records = reader.join().expect("the reader does not panic")?;
    let status = child.wait().map_err(broken)?;
    if !status.success() || records.total != written || records.good != written {
        return Ok(Err(format!(
            "{written} URLs, {status}; {}",
            records.summary()
        )));
    }
    let conns = records.requests_by_conn.len();
    Ok(Ok(format!(
        "{written} requests, {count} reloads, {conns} connections"
    )))
}

fn spawn(fetch: &mut Command) -> Result<std::process::Child, Failure> {
    fetch
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(broken)
}

fn broken(error: std::io::Error) -> Failure {
    Failure::Broken(format!("pool fetch: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "a wall-clock bound on a load")]
fn now() -> Instant {
    Instant::now()
}

/// What `--jsonl -` said.
#[derive(Default)]
struct Records {
    total: usize,
    good: usize,
    requests_by_conn: BTreeMap<u64, usize>,
    first_bad: Option<String>,
}

impl Records {
    fn read(stdout: impl std::io::Read) -> Result<Self, Failure> {
        let mut records = Self::default();
        for line in BufReader::new(stdout).lines() {
            records.count(&line.map_err(broken)?);
        }
        Ok(records)
    }

    fn count(&mut self, line: &str) {
        self.total += 1;
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(id) = record["conn"]["id"].as_u64() {
            *self.requests_by_conn.entry(id).or_default() += 1;
        }
        if record["status"] == 200 {
            self.good += 1;
        } else if self.first_bad.is_none() {
            self.first_bad = Some(line.to_owned());
        }
    }

    fn summary(&self) -> String {
        let bad = self.first_bad.as_deref().unwrap_or("none");
        format!(
            "{} records, {} with status 200, first other: {bad}",
            self.total, self.good
        )
    }
}

/// The release build of the command line.
fn pool() -> Command {
    Command::new(root().join("target/release/pool"))
}
