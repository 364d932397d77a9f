//! `pool localip`: the addresses that connections can come from.

mod check;
mod kernel;
mod list;
mod plan;

use std::net::IpAddr;

use pool_localip::Cidr;
use pool_localip::interfaces::{InterfacesError, Network};

use crate::args::LocalipCommand;
use crate::exit::{Exit, Failure, chain};
use crate::output::note;

/// Does what the subcommand asks for.
pub(crate) fn run(command: &LocalipCommand) -> Result<Exit, Failure> {
    match command {
        LocalipCommand::List { json } => list::run(*json),
        LocalipCommand::Plan(args) => plan::run(args),
        LocalipCommand::Check(args) => check::run(args),
    }
}

/// What the machine has.
fn network() -> Result<Network, Failure> {
    Network::read().map_err(|error| {
        let hint = match error {
            InterfacesError::Unsupported => "run it on Linux",
            _ => "netlink needs no right as a rule; a sandbox may forbid it",
        };
        Failure::environment(chain(&error), hint)
    })
}

/// Refuses addresses that are told apart by their interface alone.
fn refuse_one_link(prefix: Cidr) -> Result<(), Failure> {
    let of_one_link = |addr| matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
    if of_one_link(prefix.first()) && of_one_link(prefix.last()) {
        return Err(Failure::usage(
            format!("{prefix} is of one link, and means nothing without an interface"),
            "give addresses of wider scope; `pool localip list` shows those that there are",
        ));
    }
    Ok(())
}

/// Says so if a prefix was not written as it is meant.
fn warn_of_host_bits(prefix: Cidr) {
    if prefix.has_host_bits() {
        let (given, len) = (prefix.given(), prefix.prefix_len());
        note(&format!(
            "warning: {given}/{len} has host bits set; taken as {prefix}"
        ));
    }
}
