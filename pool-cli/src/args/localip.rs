//! What `pool localip` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use pool_localip::{Cidr, SourceError, SourceSpec};

use super::{parse_count, parse_seconds};

#[derive(Subcommand)]
pub(crate) enum LocalipCommand {
    /// Lists the addresses of this machine that connections can come from, and why not the others.
    List {
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Prints what has to be done so that connections can come from all of a prefix. Changes nothing without --apply.
    Plan(LocalipPlanArgs),
    /// Connects from addresses of a prefix, and says from which it works. Exits with 1 if some do not.
    Check(CheckArgs),
}

#[derive(ClapArgs)]
#[command(after_long_help = PLAN_MORE)]
pub(crate) struct LocalipPlanArgs {
    /// The prefix, or one address.
    #[arg(value_name = "CIDR", value_parser = parse_prefix)]
    pub(crate) prefix: Cidr,
    /// The interface that the prefix arrives by [default: the one whose link it is on, else that of the default route].
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// Does what the plan says, after a yes, and writes down what it did.
    #[arg(long, conflicts_with = "json")]
    pub(crate) apply: bool,
    /// Takes back what --apply has done, and nothing else.
    #[arg(long, conflicts_with_all = ["apply", "json", "interface", "yes"])]
    pub(crate) undo: bool,
    /// Says yes to --apply.
    #[arg(long, requires = "apply")]
    pub(crate) yes: bool,
    /// Where --apply writes down what it did [default: /run/pool-localip/PREFIX.jsonl].
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_long_help = CHECK_MORE)]
pub(crate) struct CheckArgs {
    /// The prefix, or one address.
    #[arg(value_name = "CIDR|ADDR", value_parser = parse_prefix)]
    pub(crate) prefix: Cidr,
    /// Connects there instead of to a listener in this process.
    #[arg(long, value_name = "URL|HOST:PORT")]
    pub(crate) target: Option<String>,
    /// Checks so many addresses, drawn at random.
    #[arg(long, value_name = "N", default_value = "16", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) sample: NonZeroUsize,
    /// Draws the same addresses for the same number [default: others each time].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Seconds (or `250ms`) that each address has.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "5", allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A prefix, or an address as a prefix of its own.
fn parse_prefix(text: &str) -> Result<Cidr, String> {
    let spec = text
        .parse()
        .map_err(|error: SourceError| error.to_string())?;
    match spec {
        SourceSpec::Prefix(prefix) => Ok(prefix),
        SourceSpec::Addr(addr) => {
            let len = if addr.is_ipv4() { 32 } else { 128 };
            Cidr::new(addr, len).ok_or("an address has fewer bits".to_owned())
        }
        _ => Err("write an address or a prefix".to_owned()),
    }
}

const PLAN_MORE: &str = "\
Examples:
  pool localip plan 2001:db8:1::/64
  pool localip plan 2001:db8:1::/64 | less
  pool localip plan 192.0.2.64/28 --interface eth1 --json
  pool localip plan 2001:db8:1::/64 --apply
  pool localip plan 2001:db8:1::/64 --undo

The output is a shell script for root: each command with a line of why, and what is so already as \
comments. Read it before you run it, or let --apply do it. What it does is gone after a restart; --undo \
takes back what --apply added or set, the last first, and leaves alone what was there before or has \
changed since.

Exit codes:
  0    the plan is printed, even if nothing is to be done; or all of it is done, or undone
  1    part of it is not done: you said no, a command failed, or something is left to you
  2    a prefix or an interface that makes no sense
  3    this machine cannot: no IPv6, no way to ask the kernel, or --apply without the right to";

const CHECK_MORE: &str = "\
Examples:
  pool localip check 127.0.2.0/29
  pool localip check 2001:db8:1::/64 --sample 100 --seed 1 --json
  pool localip check 2001:db8:1::/64 --target example.com:443
  pool localip check 192.0.2.64/28 --target https://ip.example.com/

Without --target a listener in this process says which address it saw: that shows whether the \
kernel lets the address be bound and takes its answers in, and nothing about the network outside. \
HOST:PORT shows whether answers come back from there. A URL whose body is an address, or a JSON \
object with one under \"ip\", \"origin\" or \"address\", shows what the server saw too.

Exit codes:
  0    every address works
  1    some do not
  2    a prefix or a target that makes no sense
  3    this machine cannot: no IPv6, or no listener";
