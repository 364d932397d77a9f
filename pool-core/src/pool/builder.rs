//! Choosing how a pool works.

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use pool_health::{AccessList, EvictionPolicy, HealthCheck, OutlierPolicy};
use pool_localip::{LocalAddrAllocator, SourceListener};
use pool_tls::fidelity::Fidelity;
use pool_tls::spec::Profile;
use pool_tls::{FingerprintSource, ProfileId, TlsConnector, TlsError};
use tokio::runtime::Handle;

use super::familiar::Familiar;
use super::live::Sources;
use super::profiles::Profiles;
use super::{Dialler, Env, Inner, LastHandle, Plugins, Pool};
use crate::config::{Config, ConfigError};
use crate::dial::{Connect, Resolver, SystemResolver, TcpConnector};
use crate::manager::ConnectionManager;
use crate::observe::Observer;
use crate::registry::{Registry, RegistryError};
use crate::select::Selector;

/// Chooses how a pool works; made by [`Pool::builder`]. Whatever is not chosen has a default.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct PoolBuilder {
    config: Config,
    sources: Sources,
    selector: Option<Arc<dyn Selector>>,
    tls: Option<Arc<dyn TlsConnector>>,
    profiles: Vec<Arc<Profile>>,
    least_fidelity: Option<Fidelity>,
    fingerprints: Option<Arc<dyn FingerprintSource>>,
    local_addrs: Option<Arc<dyn LocalAddrAllocator>>,
    resolver: Option<Arc<dyn Resolver>>,
    connect: Option<Arc<dyn Connect>>,
    observers: Vec<Arc<dyn Observer>>,
    runtime: Option<Handle>,
}

impl PoolBuilder {
    /// Limits, timeouts, intervals, and policies by name. Defaults to [`Config::default`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What the policy names of the configuration mean. Defaults to [`Registry::builtin`].
    pub fn registry(mut self, registry: Registry) -> Self {
        self.sources.registry = registry;
        self
    }

    /// Speaks TLS with this, instead of what the configuration names.
    pub fn tls(mut self, tls: Arc<dyn TlsConnector>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds a profile that connections may be opened under, besides the backend's own hello. One of the same name replaces
    /// an earlier one.
    ///
    /// Which request gets it is for [`fingerprints`](Self::fingerprints) to say.
    pub fn profile(mut self, profile: impl Into<Arc<Profile>>) -> Self {
        self.profiles.push(profile.into());
        self
    }

    /// Refuses, when the pool is built, profiles whose hello would come less near than this, instead of what the configuration
    /// requires.
    ///
    /// Without it a profile is sent as nearly as the TLS connector can, a warning says how nearly, and below
    /// [`Exact`](Fidelity::Exact) none of the profile's headers go with it: a browser's name over another's hello gives
    /// itself away.
    pub fn require_fidelity(mut self, least: Fidelity) -> Self {
        self.least_fidelity = Some(least);
        self
    }

    /// Chooses the profile of each request, instead of what the configuration names.
    ///
    /// A name that was not added with [`profile`](Self::profile) fails the request.
    pub fn fingerprints(mut self, fingerprints: Arc<dyn FingerprintSource>) -> Self {
        self.fingerprints = Some(fingerprints);
        self
    }

    /// Leases source addresses from this, instead of what the configuration names.
    pub fn local_addrs(mut self, local_addrs: Arc<dyn LocalAddrAllocator>) -> Self {
        self.local_addrs = Some(local_addrs);
        self
    }

    /// Looks names up with this. Defaults to the operating system's resolver.
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Opens byte streams with this. Defaults to TCP, as [`Config::dial`] says.
    pub fn connect(mut self, connect: Arc<dyn Connect>) -> Self {
        self.connect = Some(connect);
        self
    }

    /// Adds an eviction policy to those the configuration names.
    pub fn eviction(mut self, policy: Arc<dyn EvictionPolicy>) -> Self {
        self.sources.eviction.push(policy);
        self
    }

    /// Adds a health check to those the configuration names.
    pub fn health(mut self, check: Arc<dyn HealthCheck>) -> Self {
        self.sources.health.push(check);
        self
    }

    /// Adds an outlier policy to those the configuration names.
    pub fn outlier(mut self, policy: Arc<dyn OutlierPolicy>) -> Self {
        self.sources.outlier.push(policy);
        self
    }

    /// Adds an access list to those the configuration names: an address is dialled if all of them allow it.
    ///
    /// Keep a clone of it to change it at run time, and call [`Pool::enforce_access`] to have the change take effect at once.
    pub fn access(mut self, list: Arc<dyn AccessList>) -> Self {
        self.sources.access.push(list);
        self
    }

    /// Prefers addresses as this says, instead of what the configuration names.
    pub fn selector(mut self, selector: Arc<dyn Selector>) -> Self {
        self.selector = Some(selector);
        self
    }

    /// Tells this what happens.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Runs dials, connections and upkeep on this runtime. Defaults to the one of the first request.
    pub fn handle(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Makes the pool. It opens nothing, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the configuration contradicts itself, names an unknown policy, a policy refuses its options, or
    /// the TLS connector a profile.
    pub fn build(self) -> Result<Pool, BuildError> {
        let Self {
            config,
            sources,
            selector,
            tls,
            profiles,
            least_fidelity,
            fingerprints,
            local_addrs,
            resolver,
            connect,
            observers,
            runtime,
        } = self;
        config.validate()?;
        let registry = &sources.registry;
        let tls = match tls {
            Some(tls) => tls,
            None => registry.build_tls(&config.tls)?,
        };
        let fingerprints = match fingerprints {
            Some(fingerprints) => fingerprints,
            None => {
                let known = |name: &str| profiles.iter().any(|at| at.id.as_str() == name);
                config.fingerprint.check_names(known)?;
                match &config.fingerprint.source {
                    Some(source) => registry.build_fingerprint(source)?,
                    None => config.fingerprint.drawn(),
                }
            }
        };
        let plugins = Plugins {
            profiles: Profiles::plan(
                tls.as_ref(),
                profiles,
                least_fidelity.unwrap_or(config.fingerprint.require),
            )
            .map_err(|(profile, source)| BuildError::Profile { profile, source })?,
            tls_config: tls.config_id(),
            tls,
            fingerprints,
            local_addrs: match local_addrs {
                Some(local_addrs) => local_addrs,
                None => registry.build_localip(&config.localip)?,
            },
            resolver: resolver.unwrap_or_else(|| Arc::new(SystemResolver)),
            connect: connect.unwrap_or_else(|| Arc::new(TcpConnector::of(&config.dial))),
            selector: match selector {
                Some(selector) => selector,
                None => registry.build_selector(&config.selector)?,
            },
            observers,
            panics: AtomicU64::new(0),
        };
        let live = sources.live(config)?;
        let looks = plugins
            .contain(|| plugins.selector.looks())
            .unwrap_or(false);
        let env = Arc::new(Env::new(live, sources, plugins));
        let dialler = Arc::new(Dialler { env: env.clone() });
        let manager = ConnectionManager::selecting(&env.live().config, dialler, looks);
        let inner = Arc::new(Inner {
            manager,
            env,
            familiar: Familiar::default(),
        });
        let listener: Weak<dyn SourceListener> = Arc::downgrade(&(inner.clone() as Arc<_>));
        let plugins = &inner.env.plugins;
        let _told: Option<()> = plugins.contain(|| plugins.local_addrs.listen(listener));
        if let Some(runtime) = runtime {
            inner.settle_on(runtime);
        }
        Ok(Pool {
            handle: Arc::new(LastHandle { inner }),
        })
    }
}

/// Why a pool could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration contradicts itself.
    Config(ConfigError),
    /// A policy is unknown or refuses its options.
    Policy(RegistryError),
    /// The TLS connector cannot send a profile, or not as faithfully as required.
    Profile {
        /// Which one.
        profile: ProfileId,
        /// What the connector said.
        source: TlsError,
    },
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<RegistryError> for BuildError {
    fn from(error: RegistryError) -> Self {
        Self::Policy(error)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::Profile { profile, .. } => {
                write!(f, "cannot use the fingerprint profile `{profile}`")
            }
        }
    }
}

impl StdError for BuildError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Config(error) => error.source(),
            Self::Policy(error) => error.source(),
            Self::Profile { source, .. } => Some(source),
        }
    }
}
