//! The settings in force: replaced as a whole while the pool runs.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pool_health::{AccessList, EvictionPolicy, HealthCheck, OutlierPolicy};

use super::{Inner, finite};
use crate::config::{Config, ConfigError};
use crate::registry::{Registry, RegistryError};
use crate::upkeep;

/// A configuration with the policies it names. Never changed: another one takes its place.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) config: Config,
    pub(crate) eviction: Vec<Arc<dyn EvictionPolicy>>,
    pub(crate) health: Vec<Arc<dyn HealthCheck>>,
    pub(crate) outlier: Vec<Arc<dyn OutlierPolicy>>,
    /// Whether any of these is asked after a success.
    pub(crate) successes_judged: bool,
    pub(crate) access: Vec<Arc<dyn AccessList>>,
}

/// Where live settings come from: the policies given in code, which stay, and the names a configuration may use.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) registry: Registry,
    pub(crate) eviction: Vec<Arc<dyn EvictionPolicy>>,
    pub(crate) health: Vec<Arc<dyn HealthCheck>>,
    pub(crate) outlier: Vec<Arc<dyn OutlierPolicy>>,
    pub(crate) access: Vec<Arc<dyn AccessList>>,
}

impl Sources {
    /// The settings that this configuration means.
    ///
    /// # Errors
    ///
    /// If a policy is unknown or refuses its options.
    pub(crate) fn live(&self, config: Config) -> Result<Live, RegistryError> {
        let mut eviction = self.eviction.clone();
        for policy in &config.eviction {
            eviction.push(self.registry.build_eviction(policy)?);
        }
        let mut health = self.health.clone();
        for check in &config.health {
            health.push(self.registry.build_health(check)?);
        }
        let mut outlier = self.outlier.clone();
        for policy in &config.outlier {
            outlier.push(self.registry.build_outlier(policy)?);
        }
        let mut access = self.access.clone();
        for list in &config.access {
            access.push(self.registry.build_access(list)?);
        }
        // One that panics is asked after each outcome, where panics are contained.
        let failures_only = |policy: &Arc<dyn OutlierPolicy>| {
            catch_unwind(AssertUnwindSafe(|| policy.failures_only())).unwrap_or(false)
        };
        Ok(Live {
            config,
            eviction,
            health,
            successes_judged: !outlier.iter().all(failures_only),
            outlier,
            access,
        })
    }
}

/// Puts another configuration in force. Nothing changes if there is an error.
pub(super) fn reconfigure(inner: &Arc<Inner>, config: Config) -> Result<(), ReconfigureError> {
    config.validate().map_err(ReconfigureError::Config)?;
    let env = &inner.env;
    let live = env.sources.live(config).map_err(ReconfigureError::Policy)?;
    let before = env.live();
    let fixed = [
        ("selector", before.config.selector != live.config.selector),
        ("localip", before.config.localip != live.config.localip),
        (
            "dial.freebind",
            before.config.dial.freebind != live.config.dial.freebind,
        ),
        (
            "dial.device",
            before.config.dial.device != live.config.dial.device,
        ),
        (
            "dial.mark",
            before.config.dial.mark != live.config.dial.mark,
        ),
        ("tls", before.config.tls != live.config.tls),
        (
            "fingerprint",
            before.config.fingerprint != live.config.fingerprint,
        ),
    ];
    let changed: Vec<&'static str> = fixed
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(section, _)| section)
        .collect();
    if !changed.is_empty() {
        return Err(ReconfigureError::NeedsNewPool(changed));
    }
    env.put(live);
    // No lock is held meanwhile, because waiters are woken. Whoever put another one in force since may have been passed
    // by half-way: once more then, so that limits and settings end up the same.
    loop {
        let live = env.live();
        apply(inner, &live.config);
        upkeep::enforce_access(inner);
        if Arc::ptr_eq(&live, &env.live()) {
            return Ok(());
        }
    }
}

/// Tells those that keep settings of their own.
fn apply(inner: &Inner, config: &Config) {
    let retry = &config.retry;
    inner
        .env
        .retries
        .set(retry.budget_min, retry.budget_percent);
    inner.manager.set_limits(config);
    let (interval, timeout) = (config.http2.ping_interval, config.http2.ping_timeout);
    for host in inner.manager.hosts() {
        for entry in host.entries() {
            entry.value().set_pings(finite(interval), timeout);
        }
    }
}

/// Why a configuration was not put in force; the one before still is.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// It contradicts itself.
    Config(ConfigError),
    /// A policy is unknown or refuses its options.
    Policy(RegistryError),
    /// These sections differ from those in force, and open connections depend on them: build another pool.
    NeedsNewPool(Vec<&'static str>),
}

impl fmt::Display for ReconfigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::NeedsNewPool(sections) => write!(
                f,
                "{} cannot change while the pool runs; build another pool",
                sections.join(", ")
            ),
        }
    }
}

impl StdError for ReconfigureError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Config(error) => error.source(),
            Self::Policy(error) => error.source(),
            Self::NeedsNewPool(_) => None,
        }
    }
}
