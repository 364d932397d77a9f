//! `pool plan`: how many connections a load needs, and the limits for it.

mod report;
mod sheet;

use pool_core::capacity::{Demand, DemandError, Fit};
use pool_core::config::Limits;

use crate::args::PlanArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned};
use report::Report;
use sheet::number_below;

/// Prints the plan, as a configuration file whose comments show the calculation, or as one JSON object.
pub(crate) fn run(args: &PlanArgs, open_files: u64) -> Result<Exit, Failure> {
    let plan = demand(args, open_files)
        .plan()
        .map_err(|error| senseless(&error))?;
    let limits = plan.limits(&Limits::default());
    let mut stdout = Output::stdout();
    if args.json {
        stdout.json(&Versioned::new(Report::new(&plan, &limits)))?;
    } else {
        stdout.write(sheet::text(args, &plan, &limits).as_bytes())?;
    }
    match plan.fit {
        Fit::TooFewFiles {
            needed,
            available,
            rate,
        } => Err(Failure::item(
            format!("the plan needs {needed} open files, and there are {available}"),
            match rate {
                Some(rate) => format!(
                    "raise the limit with `ulimit -n {needed}`, or ask for {} requests per second or less",
                    number_below(rate)
                ),
                None => format!(
                    "raise the limit with `ulimit -n {needed}`; no rate fits so many hosts, addresses and sources"
                ),
            },
        )),
        _ => Ok(Exit::AllGood),
    }
}

fn demand(args: &PlanArgs, open_files: u64) -> Demand {
    let PlanArgs {
        rate,
        latency,
        p99,
        http1: _,
        http2,
        streams: _,
        requests_per_conn,
        lifetime,
        idle_close,
        handshake,
        hosts,
        addresses,
        sources,
        margin,
        fd_limit,
        json: _,
    } = *args;
    let mut demand = Demand::new(rate, latency)
        .lifetime(lifetime)
        .idle_close(idle_close)
        .handshake(handshake)
        .hosts(hosts.get())
        .addresses(addresses.get())
        .sources(sources.get())
        .margin(margin)
        .open_files(fd_limit.unwrap_or(open_files));
    if let Some(p99) = p99 {
        demand = demand.p99(p99);
    }
    if http2 {
        demand = demand.http2(streams(args));
    }
    if let Some(requests) = requests_per_conn {
        demand = demand.requests_per_conn(requests);
    }
    demand
}

/// Requests at a time on one connection.
fn streams(args: &PlanArgs) -> usize {
    match args.streams {
        _ if !args.http2 => 1,
        Some(streams) => streams.get(),
        None => Limits::default().streams_per_conn,
    }
}

/// Every field has a flag of its name.
fn senseless(error: &DemandError) -> Failure {
    let flag = error.field().name().replace('_', "-");
    Failure::usage(format!("--{flag}: {}", error.wrong()), error.fix())
}

#[cfg(test)]
mod tests;
