//! The `pool` command line, as a library: a binary with policies of its own is a few lines.
#![doc = ""]
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod args;
mod cmd;
mod config;
mod exit;
mod limits;
mod log;
mod output;
mod rules;
mod signal;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use pool_core::select::Selector;
use pool_core::{BoxError, Registry};
use pool_health::{AccessList, EvictionPolicy, HealthCheck, Options, OutlierPolicy};
use pool_localip::LocalAddrAllocator;
use pool_tls::{FingerprintSource, TlsConnector};

pub use pool_core::registry::{OptionDoc, PolicyKind};

use args::{Args, Command, ConfigCommand, PluginsCommand};
use exit::{Exit, Failure};

/// The examples of the workspace's README, so that they are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct WorkspaceReadme;

/// The command line with the built-in policies, and those that are added.
///
/// A policy that is added is listed by `pool plugins list` and chosen by its name in a configuration, as a built-in one
/// is. A name that exists already stands for the later policy.
#[derive(Debug)]
pub struct Cli {
    registry: Registry,
}

impl Default for Cli {
    fn default() -> Self {
        Self::new()
    }
}

impl Cli {
    /// The command line of the `pool` binary.
    pub fn new() -> Self {
        Self {
            registry: rules::policy::register(Registry::default()),
        }
    }

    /// Adds an eviction policy: `[[eviction]] use = "name"`.
    #[must_use]
    pub fn eviction<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&Options) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: EvictionPolicy + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.eviction(name, constructor);
        self
    }

    /// Adds a health check: `[[health]] use = "name"`.
    #[must_use]
    pub fn health<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&Options) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: HealthCheck + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.health(name, constructor);
        self
    }

    /// Adds an outlier policy: `[[outlier]] use = "name"`.
    #[must_use]
    pub fn outlier<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&Options) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: OutlierPolicy + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.outlier(name, constructor);
        self
    }

    /// Adds an access list: `[[access]] use = "name"`.
    #[must_use]
    pub fn access<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&Options) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: AccessList + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.access(name, constructor);
        self
    }

    /// Adds a selector of addresses: `[selector]` with `use = "name"`.
    #[must_use]
    pub fn selector<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&Options) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: Selector + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.selector(name, constructor);
        self
    }

    /// Adds an allocator of local addresses: `[localip]` with `use = "name"`.
    #[must_use]
    pub fn localip<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&BTreeMap<String, String>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: LocalAddrAllocator + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.localip(name, constructor);
        self
    }

    /// Adds a source of fingerprints: `[fingerprint.source]` with `use = "name"`.
    #[must_use]
    pub fn fingerprint<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&BTreeMap<String, String>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: FingerprintSource + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.fingerprint(name, constructor);
        self
    }

    /// Adds a TLS connector: `[tls]` with `use = "name"`.
    ///
    /// It knows nothing of `--cacert`, `--cert` and `--insecure`, which are for the built-in ones.
    #[must_use]
    pub fn tls<T, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(&Options) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: TlsConnector + 'static,
        E: Into<BoxError>,
    {
        self.registry = self.registry.tls(name, constructor);
        self
    }

    /// Adds what `pool plugins list` says about a policy that was added: one clause without a full stop, and its options.
    ///
    /// # Panics
    ///
    /// If no policy of this kind and name was added.
    #[must_use]
    pub fn describe<D: Into<OptionDoc>>(
        mut self,
        kind: PolicyKind,
        name: &str,
        summary: impl Into<String>,
        options: impl IntoIterator<Item = D>,
    ) -> Self {
        self.registry = self.registry.describe(kind, name, summary, options);
        self
    }

    /// Does what the arguments of this process ask for, and returns its exit code.
    ///
    /// Raises the soft limit of open files of this process to the hard one, and installs a `tracing` subscriber if
    /// `POOL_LOG` is set. To be called once, from `main`, outside a runtime.
    pub fn run(self) -> ExitCode {
        let exit = self.try_run(std::env::args_os());
        exit.unwrap_or_else(Failure::report).into()
    }

    fn try_run(self, args: impl IntoIterator<Item = OsString>) -> Result<Exit, Failure> {
        let args = match Args::try_parse_from(args) {
            Ok(args) => args,
            Err(error) => return refuse(&error),
        };
        log::install()?;
        let open_files = limits::raise_open_files();
        match args.command {
            Command::Fetch(args) => cmd::fetch::run(&args, self.registry, open_files),
            Command::Warm(args) => cmd::warm::run(&args, self.registry, open_files),
            Command::Demo(args) => cmd::demo::run(&args, open_files),
            Command::Plan(args) => cmd::plan::run(&args, open_files),
            Command::Fingerprint { command } => cmd::fingerprint::run(&command),
            Command::Localip { command } => cmd::localip::run(&command),
            Command::Access { command } => cmd::access::run(&command),
            Command::Config {
                command: ConfigCommand::Show { settings, json },
            } => cmd::config::show(&settings, json, &self.registry, open_files),
            Command::Plugins {
                command: PluginsCommand::List { json },
            } => cmd::plugins::list(json, &self.registry),
        }
    }
}

/// Arguments that are none, among them `--help`, which is no error.
fn refuse(error: &clap::Error) -> Result<Exit, Failure> {
    let printed = error.print();
    if !error.use_stderr() {
        return match printed {
            Ok(()) => Ok(Exit::AllGood),
            Err(_) => Err(Failure::ClosedPipe),
        };
    }
    if error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        output::note("hint: `pool help` lists the commands, `pool help COMMAND` its flags");
    }
    Ok(Exit::Usage)
}
