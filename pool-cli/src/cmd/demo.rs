//! `pool demo`: cold against hot connections on origins inside this process, and every claim checked.

mod claims;
mod matrix;
mod report;
mod row;
mod stage;

use std::time::Duration;

use pool_core::Warm;

use crate::args::DemoArgs;
use crate::cmd::fetch::runtime;
use crate::exit::{Exit, Failure, chain};
use crate::output::{Output, Progress, Versioned};
use claims::Claim;
use matrix::Matrix;
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
    let report = runtime()?.block_on(measure(args))?;
    let mut stdout = Output::stdout();
    if args.json {
        stdout.json(&Versioned::new(&report))?;
    } else {
        stdout.write(report.text().as_bytes())?;
    }
    Ok(match claims::broken(&report.claims) {
        0 => Exit::AllGood,
        _ => Exit::SomeFailed,
    })
}

/// The matrix twice, for its two ends, and as much again for everything else.
const FILES: u64 = 1024;

async fn measure(args: &DemoArgs) -> Result<Report, Failure> {
    let load = Load {
        requests: args.requests,
        concurrency: args.concurrency,
    };
    let stage = Stage::set(args.seed).await?;
    let mut progress = Progress::new();
    let mut rows = Vec::new();

    progress.show(|| "cold: a new connection for each request".into());
    rows.push(row::cold(&stage, load).await?);

    let pool = stage.pool(&[])?;
    progress.show(|| "keep_alive: a pool with nothing warmed".into());
    rows.push(row::pooled("keep_alive", &stage, &pool, load, &|| {}).await);
    pool.close(DEADLINE).await;

    let pool = stage.pool(&[stage::check()])?;
    progress.show(|| "hot: opening the matrix".into());
    let warm = Warm::new(&stage.fleet.url("/")).concurrency(WARM_DIALS);
    let warmed = pool.warm(&warm).await;
    let warmed = warmed.map_err(|error| broken("warm the pool", &chain(&error)))?;
    let matrix = Matrix::new(&stage, &warmed);
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
