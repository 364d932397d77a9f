//! `pool warm`: the matrix of some targets, opened, held and watched.

mod closings;
mod opening;
mod report;
mod targets;

use std::error::Error as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{Error, Pool, Registry};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::process::{listen, runtime};
use super::setup;
use crate::args::{NetworkArgs, WarmArgs};
use crate::config::{self, Circumstances, Effective};
use crate::exit::{Exit, Failure, chain};
use crate::output::{Output, Versioned};
use crate::signal::Interrupt;
use closings::Closings;
use opening::Plans;
use report::{Held, Opened, Reopened};
use targets::Targets;

/// Opens everything, says what is open, holds it, and says what became of it.
pub(crate) fn run(args: &WarmArgs, registry: Registry, open_files: u64) -> Result<Exit, Failure> {
    let Targets { origins, by_hand } = Targets::read(args)?;
    let mut network = args.network.clone();
    // The last entry for a host counts.
    network.resolve.extend(by_hand);
    let around = Circumstances {
        open_files,
        all_private: setup::all_private(&origins, &network.resolve),
        concurrency: None,
    };
    let mut effective = config::load(&args.settings, around, &registry)?;
    suit(&mut effective, args, &network);
    let most = Most::of(&effective);
    let limits = effective.config.limits.clone();
    let closings = Arc::new(Closings::default());
    let observer = Arc::clone(&closings);
    let (pool, keeper) = setup::pool(&network, effective, registry, Some(observer))?;
    let warming = Warming {
        plans: Plans::new(pool.clone(), origins, args.per_cell.get(), &limits),
        pool,
        closings,
        hold: args.hold,
        keep: args.keep,
        json: args.json,
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let keeping = keeper.map(|keeper| keeper.start(warming.pool.clone()));
        let outcome = warming.run(most, listen()?).await;
        if let Some(keeping) = keeping {
            keeping.finish().await;
        }
        outcome
    });
    // A lookup may hang in a thread that nobody can wake.
    runtime.shutdown_background();
    outcome
}

/// Changes what was made for requests, where the user has not said otherwise.
fn suit(effective: &mut Effective, args: &WarmArgs, network: &NetworkArgs) {
    let mut settings = effective.settings.iter();
    let has_eviction =
        settings.any(|setting| setting.key.starts_with("eviction") && setting.origin.is_users());
    let config = &mut effective.config;
    if !has_eviction {
        // What this side closes can no longer show when the other one would have.
        config.eviction.clear();
    }
    // The addresses that are given are meant, all of them.
    let given = network.resolve.iter().map(|entry| entry.addrs.len()).max();
    config.dial.max_addresses = config.dial.max_addresses.max(given.unwrap_or(0));
    if let Some(dials) = args.concurrency {
        config.limits.dials_total = dials.get();
        config.limits.dials_per_host = dials.get();
    }
}

/// How many connections there may be over all targets, and what says so.
struct Most {
    connections: usize,
    setting: &'static str,
    /// Whether that is so for want of files.
    by_files: bool,
}

impl Most {
    fn of(effective: &Effective) -> Self {
        let limits = &effective.config.limits;
        let idle = limits.idle_total < limits.total;
        let (connections, setting) = if idle {
            (limits.idle_total, "limits.idle_total")
        } else {
            (limits.total, "limits.total")
        };
        let mut settings = effective.settings.iter();
        let users = settings.any(|found| found.key == setting && found.origin.is_users());
        Self {
            connections,
            setting,
            by_files: !users,
        }
    }

    /// # Errors
    ///
    /// Exit 2 if it is more than the limit, exit 3 if that limit comes from too few files.
    fn check(&self, wanted: usize) -> Result<(), Failure> {
        let Self {
            connections,
            setting,
            by_files,
        } = self;
        if wanted <= *connections {
            return Ok(());
        }
        let message = format!(
            "cannot warm: the targets want {wanted} connections together, {setting} is {connections}"
        );
        Err(if *by_files {
            Failure::environment(
                message,
                "it follows from the limit of open files, which `ulimit -n` raises; or warm fewer targets at a time",
            )
        } else {
            Failure::usage(message, "raise it, or warm fewer targets at a time")
        })
    }
}

/// The plan of one target is more than the limits allow, or makes no sense.
pub(super) fn refused(origin: &str, error: &Error) -> Failure {
    Failure::usage(
        // Its first level is about requests; what is wrong with the plan is below.
        format!(
            "cannot warm {origin}: {}",
            error.source().map_or_else(|| chain(error), chain)
        ),
        "--max-conns-per-host allows more connections to one host, over all its addresses and your sources",
    )
}

struct Warming {
    pool: Pool,
    plans: Plans,
    closings: Arc<Closings>,
    hold: Option<Duration>,
    keep: Option<Duration>,
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    opened: &'a Opened,
    #[serde(flatten)]
    held: &'a Held,
}

impl Warming {
    async fn run(self, most: Most, interrupt: Interrupt) -> Result<Exit, Failure> {
        let total = tokio::select! {
            total = self.plans.size() => total?,
            () = interrupt.clone().come() => return Err(Failure::item(
                "interrupted before anything was opened",
                "the names of the targets were still being looked up",
            )),
        };
        most.check(total)?;
        let opened = self.open(total, &interrupt).await;
        let mut stdout = Output::stdout();
        if !self.json {
            stdout.write(opened.text().as_bytes())?;
        }
        let held = self.hold(&interrupt).await;
        self.pool.close(Duration::ZERO).await;
        if self.json {
            let (opened, held) = (&opened, &held);
            stdout.json(&Versioned::new(Report { opened, held }))?;
        } else if self.hold.is_some() {
            stdout.write(held.text().as_bytes())?;
        }
        Ok(opened.exit())
    }

    /// An interrupt ends it: what was not open by then has failed.
    async fn open(&self, total: usize, interrupt: &Interrupt) -> Opened {
        let mut opening = pin!(self.plans.open(total));
        let outcomes = tokio::select! {
            outcomes = &mut opening => outcomes,
            () = interrupt.clone().come() => {
                self.pool.close(Duration::ZERO).await;
                opening.await
            }
        };
        Opened::new(self.plans.origins(), outcomes)
    }

    /// Holds what is open until its time is over, an interrupt comes, or nothing is left to hold.
    async fn hold(&self, interrupt: &Interrupt) -> Held {
        let began = Instant::now();
        let before = self.closings.counts().opened;
        let mut failed = 0;
        if let Some(hold) = self.hold {
            tokio::select! {
                biased;
                () = interrupt.clone().come() => {}
                () = sleep(hold) => {}
                () = self.closings.nothing_is_open(), if self.keep.is_none() => {}
                () = self.keep(&mut failed) => {}
            }
        }
        let counts = self.closings.counts();
        let mut held = Held::new(began.elapsed(), counts, self.closings.list());
        held.reopened = self.keep.map(|_| Reopened {
            opened: counts.opened - before,
            failed,
        });
        held
    }

    /// Opens again what has closed, round after round; for ever at rest without `--keep`.
    async fn keep(&self, failed: &mut usize) {
        let Some(pause) = self.keep else {
            return std::future::pending().await;
        };
        loop {
            sleep(pause).await;
            *failed += self.plans.reopen().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    /// What the flags make of a configuration.
    fn suited(flags: &[&str]) -> Effective {
        let all = ["pool", "warm", "a.test"].iter().chain(flags);
        let Ok(Command::Warm(args)) = Args::try_parse_from(all).map(|args| args.command) else {
            panic!("not understood: {flags:?}");
        };
        let around = Circumstances {
            open_files: 1024,
            all_private: false,
            concurrency: None,
        };
        let mut effective = config::load(&args.settings, around, &Registry::builtin()).unwrap();
        suit(&mut effective, &args, &args.network);
        effective
    }

    #[test]
    fn nothing_is_evicted_unless_the_configuration_says_so() {
        assert_eq!(suited(&[]).config.eviction, []);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "[[eviction]]\nuse = \"uses\"\nmax = 9\n").unwrap();
        let path = file.path().display().to_string();
        let eviction = suited(&["--config", &path]).config.eviction;
        assert_eq!(eviction.len(), 1, "{eviction:?}");
    }

    #[test]
    fn no_address_that_is_given_is_left_out_and_dials_are_as_many_as_wanted() {
        let addrs: Vec<_> = (1..=99).map(|i| format!("192.0.2.{i}")).collect();
        let resolve = format!("a.test:443:{}", addrs.join(","));
        let config = suited(&["--resolve", &resolve, "-c", "100"]).config;
        assert_eq!(config.dial.max_addresses, 99);
        let limits = config.limits;
        assert_eq!((limits.dials_total, limits.dials_per_host), (100, 100));
        let config = suited(&[]).config;
        assert_eq!(config.dial.max_addresses, 64);
    }

    #[test]
    fn too_few_files_for_all_targets_is_the_machines_fault() {
        let most = Most::of(&suited(&[]));
        most.check(most.connections).unwrap();
        let failure = most.check(most.connections + 1).unwrap_err();
        assert_eq!(failure.exit(), Exit::Environment);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "limits.total = 20\n").unwrap();
        let path = file.path().display().to_string();
        let failure = Most::of(&suited(&["--config", &path]))
            .check(21)
            .unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
    }
}
