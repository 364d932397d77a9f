//! Who is measured.

use std::process::Command;

use crate::bench::Bench;

/// One way to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    /// In the rows of tables.
    pub(crate) name: &'static str,
    /// The peer whose program it is.
    peer: &'static str,
    flags: &'static [&'static str],
}

const fn contender(
    name: &'static str,
    peer: &'static str,
    flags: &'static [&'static str],
) -> Contender {
    Contender { name, peer, flags }
}

/// Without a pool: what the others are compared with.
pub(crate) const RAW: &str = "raw";

const HTTP1: &[Contender] = &[
    contender(RAW, "raw", &[]),
    contender("ours", "ours", &["--engine", "inline"]),
    contender("ours_hyper", "ours", &["--engine", "hyper"]),
    contender("hyper_util", "hyper-util", &[]),
    contender("reqwest", "reqwest", &[]),
    contender("wreq", "wreq", &[]),
];

const HTTP2: &[Contender] = &[
    contender(RAW, "raw", &[]),
    contender("ours", "ours", &[]),
    contender("ours_1_conn", "ours", &["--conns", "1"]),
    contender("hyper_util", "hyper-util", &[]),
    contender("reqwest", "reqwest", &[]),
    contender("wreq", "wreq", &[]),
];

/// A TLS stream and a request written by hand.
pub(crate) const BARE: Contender = contender("bare", "raw", &["--engine", "bare"]);

/// The pool, with one host that has so many addresses.
pub(crate) const FLEET: Contender = contender("ours_one_host", "ours", &["--addrs", "1600"]);

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) use Protocol::{Http1, Http2};

impl Protocol {
    pub(crate) const BOTH: [Self; 2] = [Http1, Http2];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Http1 => "h1",
            Http2 => "h2",
        }
    }

    /// Who is measured with it: everybody whose program there is.
    pub(crate) fn contenders(self, bench: &Bench) -> Vec<Contender> {
        let all = match self {
            Http1 => HTTP1,
            Http2 => HTTP2,
        };
        all.iter()
            .filter(|contender| bench.has(contender.peer))
            .filter(|contender| !bench.args.check || contender.is_checked())
            .copied()
            .collect()
    }
}

/// Every peer, in the order of the rows.
pub(crate) const PEERS: [&str; 5] = ["raw", "ours", "hyper-util", "reqwest", "wreq"];

impl Contender {
    /// Whether a budget is about it, or about its ratio to it.
    fn is_checked(self) -> bool {
        matches!(self.name, RAW | "ours" | "ours_hyper")
    }

    /// What runs it. `counted`: with the allocator that counts.
    pub(crate) fn command(
        self,
        bench: &Bench,
        protocol: Protocol,
        counted: bool,
        before: &[&str],
    ) -> Command {
        let counted = if counted { "-counted" } else { "" };
        let program = bench.program(&format!("peer-{}{counted}", self.peer));
        let mut command = match before.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.args(["--proto", protocol.name()]);
        command.args(["--port", &bench.origin.port().to_string()]);
        command.arg("--ca").arg(bench.ca()).args(self.flags);
        command
    }
}
