//! The configuration in layers: defaults, a file, the environment, flags.

mod explain;
mod layer;
mod origin;
mod profiles;

use std::collections::BTreeMap;
use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use pool_core::config::format_duration;
use pool_core::{Config, Registry};
use pool_health::HttpCheck;
use pool_tls::spec::Profile;

use crate::args::SettingArgs;
use crate::exit::Failure;
use crate::limits;
use crate::rules::{self, file::RuleFile};
use layer::Layer;
pub(crate) use origin::Setting;

/// What the circumstances say where the user says nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Files this process may have open.
    pub(crate) open_files: u64,
    /// Whether every target is known to be on this machine or a private network.
    pub(crate) all_private: bool,
    /// Requests at a time, where that is known.
    pub(crate) concurrency: Option<usize>,
}

/// A checked configuration, and where its values come from.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) config: Config,
    /// Every setting, by key.
    pub(crate) settings: Vec<Setting>,
    /// The profiles that the configuration names, each with the name or the file that was given for it. In the configuration
    /// they go by their own names.
    pub(crate) profiles: Vec<(String, Profile)>,
    /// The files of rules that the configuration names, which are not among its access lists any more.
    pub(crate) rule_files: Vec<RuleFile>,
}

/// Reads all layers and checks the result.
///
/// # Errors
///
/// Exit 2 for a file that cannot be read, an unknown key, policy or profile and a value that makes no sense, with its origin;
/// exit 3 for limits that the open files do not allow.
pub(crate) fn load(
    args: &SettingArgs,
    around: Circumstances,
    registry: &Registry,
) -> Result<Effective, Failure> {
    let mut figment = Figment::from(Config::default());
    for layer in derived(around)? {
        figment = figment.merge(layer);
    }
    if let Some(path) = &args.config {
        readable(path)?;
        figment = figment.merge(Toml::file_exact(path));
    }
    // The log filter is not a setting.
    figment = figment.merge(Env::prefixed(ENV).ignore(&["log"]).split("__"));
    for layer in flags(args) {
        figment = figment.merge(layer);
    }

    let mut config: Config = figment.extract().map_err(explain::unreadable)?;
    let root = figment.find_value("").map_err(explain::unreadable)?;
    let settings = origin::settings(&figment, &root);
    check_files(&config, &settings, around.open_files)?;
    rules::policy::find(&mut config, |at, path| {
        origin::beside(&settings, &format!("access[{at}].path"), path)
    });
    config
        .validate()
        .and_then(|()| registry.check(&config))
        .map_err(|error| explain::senseless(&error, &settings))?;
    let profiles = profiles::read(&mut config.fingerprint, &settings)?;
    Ok(Effective {
        rule_files: rules::policy::take(&mut config),
        config,
        settings,
        profiles,
    })
}

/// The prefix of variables that are settings.
const ENV: &str = "POOL_";

/// Defaults that depend on the circumstances: above the built-in ones, below everything that the user says.
fn derived(around: Circumstances) -> Result<Vec<Layer>, Failure> {
    const PRIVATE_PER_HOST: usize = 256;
    let total = limits::total_for(around.open_files)?;
    let built_in = Config::default().limits;
    let per_host = if around.all_private {
        PRIVATE_PER_HOST
    } else {
        built_in.per_host
    };
    let mut layers = vec![Layer::derived(
        "limits.total",
        total,
        format!("the limit of {} open files", around.open_files),
    )];
    if around.all_private {
        layers.push(Layer::derived(
            "limits.per_host",
            per_host.min(total),
            "all targets being loopback or private",
        ));
    } else if per_host > total {
        layers.push(Layer::derived("limits.per_host", total, "limits.total"));
    }
    // Nobody who asks for so many requests at a time wants some of them refused because others wait.
    let waiting = around.concurrency.unwrap_or(0);
    for (key, default) in [
        ("limits.waiters_per_host", built_in.waiters_per_host),
        ("limits.waiters_total", built_in.waiters_total),
    ] {
        if waiting > default {
            layers.push(Layer::derived(key, waiting, "--concurrency"));
        }
    }
    Ok(layers)
}

fn flags(args: &SettingArgs) -> Vec<Layer> {
    let SettingArgs {
        config: _,
        max_conns_per_host,
        ping_interval,
        connect_timeout,
        check,
        freebind,
        fingerprint,
        require,
        http1,
        http2,
        http2_only,
    } = args;
    let mut layers = Vec::new();
    if let Some(connections) = max_conns_per_host {
        let flag = "--max-conns-per-host";
        layers.push(Layer::flag("limits.per_host", connections.get(), flag));
    }
    if let Some(interval) = ping_interval {
        let interval = format_duration(*interval);
        layers.push(Layer::flag(
            "http2.ping_interval",
            interval,
            "--ping-interval",
        ));
    }
    if let Some(timeout) = connect_timeout {
        for key in ["timeouts.resolve", "timeouts.connect", "timeouts.handshake"] {
            layers.push(Layer::flag(
                key,
                format_duration(*timeout),
                "--connect-timeout",
            ));
        }
    }
    if let Some(path) = check {
        let policy = BTreeMap::from([("use", HttpCheck::NAME), ("path", path)]);
        layers.push(Layer::flag("health", vec![policy], "--check"));
    }
    if *freebind {
        layers.push(Layer::flag("dial.freebind", true, "--freebind"));
    }
    if let Some(name) = fingerprint {
        let flag = "--fingerprint";
        layers.push(Layer::flag("fingerprint.profile", name.as_str(), flag));
        // It stands for several of a lower layer too.
        layers.push(Layer::flag(
            "fingerprint.profiles",
            Vec::<String>::new(),
            flag,
        ));
    }
    if let Some(least) = require {
        layers.push(Layer::flag(
            "fingerprint.require",
            least.name(),
            "--require",
        ));
    }
    for (given, word, flag) in [
        (http1, "http1", "--http1.1"),
        (http2, "auto", "--http2"),
        (http2_only, "http2", "--http2-prior-knowledge"),
    ] {
        if *given {
            layers.push(Layer::flag("protocols", word, flag));
        }
    }
    layers
}

/// A file that is not there would count as empty.
fn readable(path: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(
            format!("cannot read the configuration {}: {error}", path.display()),
            "give a TOML file, or leave --config out",
        )),
    }
}

/// Limits that the user sets are held against the open files; derived ones fit by construction.
fn check_files(config: &Config, settings: &[Setting], open_files: u64) -> Result<(), Failure> {
    let set_by_user = |key: &str| {
        let setting = settings.iter().find(|setting| setting.key == key);
        setting.is_some_and(|setting| setting.origin.is_users())
    };
    if set_by_user("limits.total") {
        limits::check("limits.total", config.limits.total, open_files)
    } else if set_by_user("limits.per_host") && config.limits.per_host > config.limits.total {
        limits::check("limits.per_host", config.limits.per_host, open_files)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
