//! What every group needs: the programs, the origin, and what could not be measured.

use std::path::PathBuf;
use std::process::Command;

use bench_report::Machine;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;

use crate::BoxError;
use crate::args::Args;
use crate::child::Child;
use crate::contenders::PEERS;

/// One run.
pub(crate) struct Bench {
    pub(crate) args: Args,
    pub(crate) machine: Machine,
    pub(crate) origin: Origin,
    /// What is not in the tables, and why.
    pub(crate) skips: Vec<String>,
    /// Where the programs are.
    folder: PathBuf,
}

impl Bench {
    pub(crate) fn new(args: Args) -> Result<Self, BoxError> {
        // Children inherit it.
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        std::fs::create_dir_all(&args.out)?;
        let folder = std::env::current_exe()?
            .parent()
            .ok_or("a program is in a folder")?
            .to_owned();
        let origin = Origin::start(&folder, &args, 0)?;
        let mut bench = Self {
            machine: Machine::here(),
            origin,
            skips: Vec::new(),
            folder,
            args,
        };
        for (name, reason) in bench.args.skipped.clone() {
            bench.skip(&format!("{name}: {reason}"));
        }
        let missing = PEERS
            .iter()
            .filter(|peer| !bench.was_skipped(peer) && !bench.has(peer));
        let missing: Vec<_> = missing.map(|peer| format!("{peer}: not built")).collect();
        if !bench.args.check && bench.args.profile.is_none() {
            missing.iter().for_each(|line| bench.skip(line));
        }
        Ok(bench)
    }

    /// Says that something is not measured.
    pub(crate) fn skip(&mut self, what: &str) {
        let line = format!("SKIP {what}");
        eprintln!("{line}");
        self.skips.push(line);
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a peer can be run.
    pub(crate) fn has(&self, peer: &str) -> bool {
        !self.was_skipped(peer) && self.program(&format!("peer-{peer}")).exists()
    }

    fn was_skipped(&self, peer: &str) -> bool {
        self.args.skipped.iter().any(|(name, _)| name == peer)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.args.out.join(CA)
    }

    /// Puts another origin in the place of this one, so many milliseconds away.
    pub(crate) fn move_origin(&mut self, rtt_ms: u32) -> Result<(), BoxError> {
        self.origin = Origin::start(&self.folder, &self.args, rtt_ms)?;
        Ok(())
    }
}

const CA: &str = "origin-ca.pem";

/// The server, in a process of its own.
pub(crate) struct Origin {
    child: Child,
    port: u16,
}

impl Origin {
    fn start(folder: &std::path::Path, args: &Args, rtt_ms: u32) -> Result<Self, BoxError> {
        let mut command = Command::new(folder.join("bench-origin"));
        command.arg("--ca").arg(args.out.join(CA));
        command.args(["--rtt-ms", &rtt_ms.to_string()]);
        let mut child = Child::start(&mut command)?;
        let port = child.line()?.parse()?;
        Ok(Self { child, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it has seen: `accepted` and `resumed` connections.
    pub(crate) fn stats(&mut self) -> Result<Value, BoxError> {
        self.child.ask("stats")
    }
}
