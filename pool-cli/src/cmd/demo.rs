//! `pool demo`: cold against hot connections on origins inside this process, and every claim checked.

mod claims;
mod report;
mod row;
mod stage;

use std::time::Duration;

use pool_core::Warm;

use crate::args::DemoArgs;
use crate::cmd::matrix::Matrix;
use crate::cmd::process::runtime;
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Output, Progress, Versioned};
use claims::Claim;
use report::Report;
use row::Load;
use stage::{Stage, broken};

/// Measures four rows, prints them and what they prove.
pub(crate) fn run(args: &DemoArgs, open_files: u64) -> Result<Exit, Failure> {
    // Both ends of every connection are in this process.
    if open_files < FILES {
        return Err(Failure::environment(
            format!("the demo needs {FILES} open files, and this process may have {open_files}"),
            format!("raise the limit with `ulimit -n {FILES}`"),
        ));
    }
    let report = runtime()?.block_on(measure(args, false))?;
    let mut stdout = Output::stdout();
    if args.json {
        stdout.json(&Versioned::new(&report))?;
    } else {
        stdout.write(report.text().as_bytes())?;
    }
    match claims::broken(&report.claims) {
        broken if broken.is_empty() => Ok(Exit::AllGood),
        broken => Err(Failure::item(
            format!("did not hold: {}", broken.join("; ")),
            "a machine that is busy with something else is slow to answer: run it again, then with POOL_LOG=pool_core=debug",
        )),
    }
}

/// The matrix twice, for its two ends, and as much again for everything else.
const FILES: u64 = 1024;

async fn measure(args: &DemoArgs, ports_stand_in: bool) -> Result<Report, Failure> {
    let load = Load {
        requests: args.requests,
        concurrency: args.concurrency,
    };
    let stage = Stage::set(args.seed, ports_stand_in).await?;
    let mut progress = Progress::new();
    let mut rows = Vec::new();

    progress.show(|| "cold: a new connection for each request".into());
    rows.push(row::cold(&stage, load).await?);

    let pool = stage.pool(&[])?;
    progress.show(|| "keep_alive: a pool with nothing warmed".into());
    rows.push(row::pooled("keep_alive", &stage, &pool, load, &|| {}).await);
    pool.close(DEADLINE).await;

    let pool = stage.pool(&[stage::check()])?;
    let warm = Warm::new(&stage.fleet.url("/"))
        .per_cell(stage.per_cell())
        .concurrency(WARM_DIALS)
        .progress(output::warm_progress("hot: opening the matrix"));
    let warmed = pool.warm(&warm).await;
    let warmed = warmed.map_err(|error| broken("warm the pool", &chain(&error)))?;
    let matrix = Matrix::new(&warmed.cells);
    rows.push(row::pooled("hot", &stage, &pool, load, &|| {}).await);
    let kill = || stage.fleet.origin(stage.roles.killed).kill();
    rows.push(row::pooled("hot_kill", &stage, &pool, load, &kill).await);
    pool.close(DEADLINE).await;
    progress.clear();

    let claims: Vec<Claim> = claims::check(&rows, stage.sources_expected());
    let report = Report::new(&stage, matrix, rows, claims);
    stage.fleet.shutdown().await;
    Ok(report)
}

/// For a pool to close; everything it has is idle then.
const DEADLINE: Duration = Duration::from_secs(2);

/// Handshakes at a time while the matrix opens: what two processors can do in a round trip.
const WARM_DIALS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn where_ports_stand_in_the_report_says_so_and_the_same_claims_are_made() {
        let args = DemoArgs {
            json: false,
            requests: 200,
            concurrency: 32,
            seed: 5,
        };
        let report = measure(&args, true).await.expect("it runs anywhere");
        let text = report.text();
        assert!(text.contains("ports stand in"), "{text}");
        assert!(text.contains("held    hot: no request failed"), "{text}");
        assert!(
            text.contains("held    hot: all sources carried requests, 1 of 1"),
            "{text}"
        );
        assert!(
            text.contains("held    hot: no connection was opened"),
            "{text}"
        );
    }
}
