//! What `pool warm` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use pool_core::config::parse_duration;

use super::{NetworkArgs, SettingArgs, parse_count};

#[derive(ClapArgs)]
#[command(after_long_help = MORE)]
pub(crate) struct WarmArgs {
    /// What to warm: HOST, HOST:PORT or a URL, whose path is of no account.
    #[arg(value_name = "TARGET", required_unless_present = "list")]
    pub(crate) targets: Vec<String>,
    /// Reads targets from this file, or from stdin (`-`): on each line HOST[:PORT] and after a space its ADDR[,ADDR...].
    #[arg(long = "targets", value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,

    /// Connections from each source to each address.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) per_cell: NonZeroUsize,
    /// Connections being opened at a time, in all [default: 64, and 8 to one target].
    #[arg(short, long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) concurrency: Option<NonZeroUsize>,
    /// Holds what is open for so long, or `never` for no end, and then says who closed what when.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) hold: Option<Duration>,
    /// Opens again what has closed, so often while it holds [default: 5s].
    #[arg(
        long, value_name = "DURATION", value_parser = parse_pause, requires = "hold",
        num_args = 0..=1, require_equals = true, default_missing_value = "5s"
    )]
    pub(crate) keep: Option<Duration>,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}

fn parse_pause(text: &str) -> Result<Duration, String> {
    let pause = parse_duration(text).map_err(|error| error.to_string())?;
    if pause.is_zero() {
        return Err("write a time between two rounds, such as 5s".into());
    }
    Ok(pause)
}

const MORE: &str = "\
Examples:
  pool warm example.com
  pool warm example.com --for 5m
  pool warm https://a.test:8443/ --resolve a.test:8443:127.0.1.1,127.0.1.2 \\
      --source 127.0.2.0/30 --per-cell 2 --for 60s --keep
  pool warm --targets list.txt --for never --keep --json
  pool warm example.com --check /healthz

A line of --targets is a host and the addresses to connect to, whatever DNS says: \
`a.test:8443 127.0.1.1,127.0.1.2`. What follows # is a comment. Without a port it is 443; all are \
https.

Nothing is sent on what is open, except PINGs over HTTP/2 (--ping-interval never: none) and health \
checks that --check or the configuration asks for. Idle and old connections are not closed by this side, unless \
the configuration has an [[eviction]]: who closes them is what a hold finds out. It ends early when \
nothing is open any more, unless --keep opens it again. --keep never closes anything.

Exit codes:
  0    all connections were opened
  1    some were not
  2    bad arguments or a bad list, or more connections than the limits allow
  3    a source address this machine does not have, or too few open files
  130  interrupted twice; the first interrupt ends the hold, and what was seen is told";
