//! The steps of the test run, and the cargo commands each is made of.

use super::args::Args;
use crate::{cargo, root};
use std::process::Command;

/// One part of the test run, with a build of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Unit, property, integration and doc tests of every crate.
    Unit,
    /// The manager's state machines: many cases, and every small state, in release.
    Model,
    /// Many tasks against mock servers on loopback; the server counts.
    Scenarios,
    /// The whole pool in a simulated world, one seed after the other; see [`crate::sim`].
    Simulation,
    /// The manager's races, model-checked.
    Loom,
    /// Crates outside the workspace, each on its trait crate alone, and a binary composed of them.
    Plugins,
}

/// The plugin crates without a runtime, tested as a user of one of them alone builds it.
const LEAN: [&str; 4] = ["-p", "pool-health", "-p", "pool-localip"];

/// What the feature `interfaces` adds to one of them; its other tests have run without it.
const INTERFACES: [&str; 9] = [
    "-p",
    "pool-localip",
    "--features",
    "interfaces",
    "--lib",
    "--test",
    "interfaces",
    "--test",
    "namespace",
];

/// Where the tests are that the step `model` runs with more cases than `unit` does.
const MODELS: [&str; 3] = [
    "manager::state::model::",
    "manager::state::tests::exhaustive::",
    "manager::tests::machine::",
];

/// Everything else, with fixed features. Unit tests and scenarios name the same packages, so that cargo resolves
/// the same features for both and builds the dependencies once.
const REST: [&str; 10] = [
    "-p",
    "pool-tls",
    "-p",
    "pool-core",
    "-p",
    "pool-cli",
    "-p",
    "xtask",
    "--features",
    "pool-core/serde,pool-core/figment,pool-core/testing,pool-core/hickory,pool-cli/hickory",
];

impl Step {
    /// In the order they run.
    pub(crate) const ALL: [Self; 6] = [
        Self::Unit,
        Self::Model,
        Self::Scenarios,
        Self::Simulation,
        Self::Loom,
        Self::Plugins,
    ];

    /// What a filter calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Model => "model",
            Self::Scenarios => "scenarios",
            Self::Simulation => "simulation",
            Self::Loom => "loom",
            Self::Plugins => "plugins",
        }
    }

    /// The step of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Why it cannot run here, if it cannot.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let packaged = self == Self::Plugins && !root().join("xtask/plugins/Cargo.toml").exists();
        packaged.then_some("xtask/plugins is not part of this copy")
    }

    /// Its commands, in order.
    pub(crate) fn commands(self, args: &Args) -> Vec<Command> {
        match self {
            Self::Unit => vec![
                test(&LEAN, args),
                test(&INTERFACES, args),
                test(&REST, args),
            ],
            Self::Scenarios => vec![test(
                &[&REST[..], &["--test", "concurrency"]].concat(),
                args,
            )],
            Self::Model => vec![model(args)],
            Self::Simulation => vec![simulation_step(args)],
            Self::Loom => vec![loom(args)],
            Self::Plugins => {
                let mut command = test(
                    &["--workspace", "--target-dir", "../../target/plugins"],
                    args,
                );
                command.current_dir(root().join("xtask/plugins"));
                vec![command]
            }
        }
    }
}

fn test(packages: &[&str], args: &Args) -> Command {
    let mut command = cargo::command();
    command.args(["test", "--no-fail-fast"]).args(packages);
    seed(&mut command, args);
    if args.full {
        command.env("PROPTEST_CASES", "2048");
    }
    harness_args(&mut command, args.test_name(), args.list);
    command
}

/// What tests read of the seed and the tier.
fn seed(command: &mut Command, args: &Args) {
    command.env("XTASK_SEED", args.seed.to_string());
    command.env("PROPTEST_RNG_SEED", args.seed.to_string());
    if args.full {
        command.env("XTASK_FULL", "1");
    }
}

fn model(args: &Args) -> Command {
    let mut command = cargo::command();
    command.args([
        "test",
        "-p",
        "pool-core",
        "--no-default-features",
        "--lib",
        "--release",
    ]);
    seed(&mut command, args);
    // How many states there are is worth a line.
    command.args(["--", "--show-output"]).args(MODELS);
    if args.list {
        command.arg("--list");
    }
    command
}

fn simulation_step(args: &Args) -> Command {
    let mut command = simulation();
    command.env("XTASK_SEED", args.seed.to_string());
    let minutes = if args.full { 10 } else { 2 };
    command.env("XTASK_SIM_SECONDS", (minutes * 60).to_string());
    harness_args(&mut command, None, args.list);
    if !args.list {
        command.arg("--nocapture");
    }
    command
}

/// The simulation's tests, as the unit tests have built them: in the profile of development more seeds are through by
/// the time that one for release is built.
pub(crate) fn simulation() -> Command {
    let mut command = cargo::command();
    command.arg("test").args(REST);
    command.args(["--test", "simulation"]);
    command
}

fn loom(args: &Args) -> Command {
    let mut command = cargo::command();
    command.args([
        "test",
        "-p",
        "pool-core",
        "--no-default-features",
        "--lib",
        "--release",
    ]);
    // A directory of its own: the flag would rebuild every dependency of the ordinary one.
    command.args(["--target-dir", "target/loom"]);
    command.env("RUSTFLAGS", "--cfg pool_loom");
    command.env("LOOM_MAX_PREEMPTIONS", if args.full { "5" } else { "3" });
    harness_args(
        &mut command,
        Some(args.test_name().unwrap_or("loom_")),
        args.list,
    );
    command
}

fn harness_args(command: &mut Command, name: Option<&str>, list: bool) {
    command.arg("--");
    if let Some(name) = name {
        command.arg(name);
    }
    if list {
        command.arg("--list");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(step: Step, flags: &[&str]) -> Vec<String> {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let args = Args::parse(&flags).expect("the flags are right");
        step.commands(&args).iter().map(cargo::show).collect()
    }

    #[test]
    fn no_command_unifies_the_features_of_the_whole_workspace() {
        for step in Step::ALL {
            for line in lines(step, &[]) {
                assert!(!line.contains("--all-features"), "{line}");
                assert!(
                    step == Step::Plugins || !line.contains("--workspace"),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn the_seed_and_the_tier_reach_the_scenarios() {
        let line = &lines(Step::Scenarios, &["--seed", "9", "--full"])[0];
        assert!(
            line.contains("XTASK_SEED=\"9\"") && line.contains("XTASK_FULL=\"1\""),
            "{line}"
        );
        assert!(!lines(Step::Scenarios, &["--seed", "9"])[0].contains("XTASK_FULL"));
    }

    #[test]
    fn a_name_and_list_reach_the_test_runner() {
        let line = &lines(Step::Scenarios, &["goaway", "--list"])[0];
        assert!(
            line.ends_with("--test concurrency -- goaway --list"),
            "{line}"
        );
    }

    #[test]
    fn the_models_run_in_release_with_the_seed_and_nothing_beside_them() {
        let line = &lines(Step::Model, &["--seed", "9", "--full"])[0];
        assert!(line.contains("--release") && line.contains("--no-default-features"));
        assert!(line.contains("PROPTEST_RNG_SEED=\"9\"") && line.contains("XTASK_FULL=\"1\""));
        assert!(line.ends_with(&MODELS.join(" ")), "{line}");
    }

    #[test]
    fn the_simulation_runs_longer_in_full() {
        let line = &lines(Step::Simulation, &["--seed", "9"])[0];
        assert!(
            line.contains("XTASK_SEED=\"9\"") && line.contains("XTASK_SIM_SECONDS=\"120\""),
            "{line}"
        );
        assert!(line.ends_with("--test simulation -- --nocapture"), "{line}");
        assert!(lines(Step::Simulation, &["--full"])[0].contains("XTASK_SIM_SECONDS=\"600\""));
        assert!(lines(Step::Simulation, &["--list"])[0].ends_with("-- --list"));
    }

    #[test]
    fn loom_builds_apart_and_searches_deeper_in_full() {
        let line = &lines(Step::Loom, &["--full"])[0];
        assert!(
            line.contains("--target-dir target/loom") && line.ends_with("-- loom_"),
            "{line}"
        );
        assert!(line.contains("LOOM_MAX_PREEMPTIONS=\"5\""), "{line}");
    }
}
