//! From the name of a policy to the policy.

mod builtin;
mod doc;
mod error;
mod shelf;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pool_health::{AccessList, EvictionPolicy, HealthCheck, Options, OutlierPolicy};
use pool_localip::LocalAddrAllocator;
use pool_tls::{FingerprintSource, TlsConnector};

use crate::config::{Config, ConfigError, PolicyConfig};
use crate::error::BoxError;
use crate::select::Selector;
use shelf::Shelf;

pub use doc::{OptionDoc, PolicyDoc, PolicyKind};
pub use error::RegistryError;
#[cfg(feature = "boring")]
pub use tls::boring_from_options;
#[cfg(feature = "rustls")]
pub use tls::rustls_from_options;

/// The policies a configuration can name, each with the function that makes one from its options.
///
/// Names are separate for each [`PolicyKind`]. A name that is registered again stands for the later constructor, so a
/// built-in policy can be replaced. Constructors run when a pool is built and when a configuration is checked, on the
/// caller's thread: they must have no side effects.
///
/// # Examples
///
/// ```
/// use pool_core::config::PolicyConfig;
/// use pool_core::registry::Registry;
/// use pool_health::{EvictionContext, EvictionPolicy, Options, OptionsError, Verdict};
///
/// #[derive(Debug)]
/// struct Forever;
///
/// impl Forever {
///     fn from_options(options: &Options) -> Result<Self, OptionsError> {
///         options.finish::<&str>(&[])?;
///         Ok(Self)
///     }
/// }
///
/// impl EvictionPolicy for Forever {
///     fn name(&self) -> &'static str {
///         "forever"
///     }
///
///     fn judge(&self, _: &EvictionContext<'_>) -> Verdict {
///         Verdict::Keep
///     }
/// }
///
/// let registry = Registry::builtin().eviction("forever", Forever::from_options);
/// let policy = registry.build_eviction(&PolicyConfig::new("forever")).expect("it is registered");
/// assert_eq!(policy.name(), "forever");
///
/// let error = registry.build_eviction(&PolicyConfig::new("forevr")).unwrap_err();
/// assert_eq!(error.to_string(), r#"there is no eviction policy "forevr"; did you mean "forever"?"#);
/// ```
pub struct Registry {
    eviction: Shelf<dyn EvictionPolicy>,
    health: Shelf<dyn HealthCheck>,
    outlier: Shelf<dyn OutlierPolicy>,
    access: Shelf<dyn AccessList>,
    selector: Shelf<dyn Selector>,
    localip: Shelf<dyn LocalAddrAllocator>,
    tls: Shelf<dyn TlsConnector>,
    fingerprint: Shelf<dyn FingerprintSource>,
}

impl Registry {
    /// The policies of pool-health, the allocators of pool-localip and the TLS backends of pool-tls that are compiled in.
    pub fn builtin() -> Self {
        builtin::register(Self::empty())
    }

    /// No policies at all.
    pub fn empty() -> Self {
        Self {
            eviction: Shelf::new(PolicyKind::Eviction),
            health: Shelf::new(PolicyKind::Health),
            outlier: Shelf::new(PolicyKind::Outlier),
            access: Shelf::new(PolicyKind::Access),
            selector: Shelf::new(PolicyKind::Selector),
            localip: Shelf::new(PolicyKind::LocalIp),
            tls: Shelf::new(PolicyKind::Tls),
            fingerprint: Shelf::new(PolicyKind::Fingerprint),
        }
    }

    /// Registers an eviction policy: `[[eviction]] use = "name"`.
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
        self.eviction.put(name.into(), move |options| {
            let policy = constructor(&options.clone().into()).map_err(Into::into)?;
            Ok(Arc::new(policy))
        });
        self
    }

    /// Registers a health check: `[[health]] use = "name"`.
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
        self.health.put(name.into(), move |options| {
            let check = constructor(&options.clone().into()).map_err(Into::into)?;
            Ok(Arc::new(check))
        });
        self
    }

    /// Registers an outlier policy: `[[outlier]] use = "name"`.
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
        self.outlier.put(name.into(), move |options| {
            let policy = constructor(&options.clone().into()).map_err(Into::into)?;
            Ok(Arc::new(policy))
        });
        self
    }

    /// Registers an access list: `[[access]] use = "name"`.
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
        self.access.put(name.into(), move |options| {
            let list = constructor(&options.clone().into()).map_err(Into::into)?;
            Ok(Arc::new(list))
        });
        self
    }

    /// Registers a selector of addresses: `[selector]` with `use = "name"`.
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
        self.selector.put(name.into(), move |options| {
            let selector = constructor(&options.clone().into()).map_err(Into::into)?;
            Ok(Arc::new(selector))
        });
        self
    }

    /// Registers an allocator of local addresses: `[localip]` with `use = "name"`.
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
        self.localip.put(name.into(), move |options| {
            let allocator = constructor(options).map_err(Into::into)?;
            Ok(Arc::new(allocator))
        });
        self
    }

    /// Registers a TLS connector: `[tls]` with `use = "name"`.
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
        self.tls.put(name.into(), move |options| {
            let connector = constructor(&options.clone().into()).map_err(Into::into)?;
            Ok(Arc::new(connector))
        });
        self
    }

    /// Registers a source of fingerprints: `[fingerprint.source]` with `use = "name"`. It chooses between the profiles that
    /// `[fingerprint]` names, and the backend's own hello.
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
        self.fingerprint.put(name.into(), move |options| {
            let source = constructor(options).map_err(Into::into)?;
            Ok(Arc::new(source))
        });
        self
    }

    /// Adds what [`list`](Self::list) says about a policy: one clause without a full stop, and its options.
    ///
    /// # Panics
    ///
    /// If no policy of this kind and name is registered.
    #[must_use]
    pub fn describe<D: Into<OptionDoc>>(
        mut self,
        kind: PolicyKind,
        name: &str,
        summary: impl Into<String>,
        options: impl IntoIterator<Item = D>,
    ) -> Self {
        let summary = summary.into();
        let options = options.into_iter().map(Into::into).collect();
        match kind {
            PolicyKind::Eviction => self.eviction.describe(name, summary, options),
            PolicyKind::Health => self.health.describe(name, summary, options),
            PolicyKind::Outlier => self.outlier.describe(name, summary, options),
            PolicyKind::Access => self.access.describe(name, summary, options),
            PolicyKind::Selector => self.selector.describe(name, summary, options),
            PolicyKind::LocalIp => self.localip.describe(name, summary, options),
            PolicyKind::Tls => self.tls.describe(name, summary, options),
            PolicyKind::Fingerprint => self.fingerprint.describe(name, summary, options),
        }
        self
    }

    /// Makes the eviction policy that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such policy, or it refuses its options.
    pub fn build_eviction(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn EvictionPolicy>, RegistryError> {
        self.eviction.build(policy)
    }

    /// Makes the health check that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such check, or it refuses its options.
    pub fn build_health(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn HealthCheck>, RegistryError> {
        self.health.build(policy)
    }

    /// Makes the outlier policy that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such policy, or it refuses its options.
    pub fn build_outlier(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn OutlierPolicy>, RegistryError> {
        self.outlier.build(policy)
    }

    /// Makes the access list that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such list, or it refuses its options.
    pub fn build_access(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn AccessList>, RegistryError> {
        self.access.build(policy)
    }

    /// Makes the selector that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such selector, or it refuses its options.
    pub fn build_selector(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn Selector>, RegistryError> {
        self.selector.build(policy)
    }

    /// Makes the allocator that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such allocator, or it refuses its options.
    pub fn build_localip(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn LocalAddrAllocator>, RegistryError> {
        self.localip.build(policy)
    }

    /// Makes the TLS connector that a configuration names.
    ///
    /// This may read the certificates of the system: make one and share it.
    ///
    /// # Errors
    ///
    /// If there is no such connector, it refuses its options, or nobody would be trusted.
    pub fn build_tls(&self, policy: &PolicyConfig) -> Result<Arc<dyn TlsConnector>, RegistryError> {
        self.tls.build(policy)
    }

    /// Makes the source of fingerprints that a configuration names.
    ///
    /// # Errors
    ///
    /// If there is no such source, or it refuses its options.
    pub fn build_fingerprint(
        &self,
        policy: &PolicyConfig,
    ) -> Result<Arc<dyn FingerprintSource>, RegistryError> {
        self.fingerprint.build(policy)
    }

    /// Checks every policy of a configuration by making it once. [`Config::validate`] checks the rest.
    ///
    /// Of a TLS connector only the name is checked: making one asks the system for its certificates, and what is wrong
    /// with those is not wrong with the configuration.
    ///
    /// # Errors
    ///
    /// All problems at once, each with the key of the name or option that is at fault.
    pub fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (i, policy) in config.eviction.iter().enumerate() {
            let key = format!("eviction[{i}]");
            problems.extend(self.eviction.check(&key, policy));
        }
        for (i, policy) in config.health.iter().enumerate() {
            let key = format!("health[{i}]");
            problems.extend(self.health.check(&key, policy));
        }
        for (i, policy) in config.outlier.iter().enumerate() {
            let key = format!("outlier[{i}]");
            problems.extend(self.outlier.check(&key, policy));
        }
        for (i, policy) in config.access.iter().enumerate() {
            let key = format!("access[{i}]");
            problems.extend(self.access.check(&key, policy));
        }
        problems.extend(self.selector.check("selector", &config.selector));
        problems.extend(self.localip.check("localip", &config.localip));
        problems.extend(self.tls.check_name("tls", &config.tls));
        if let Some(source) = &config.fingerprint.source {
            problems.extend(self.fingerprint.check("fingerprint.source", source));
        }
        ConfigError::unless_empty(problems)
    }

    /// Every policy there is, by kind and name, with what was said about it.
    pub fn list(&self) -> Vec<PolicyDoc> {
        let mut all = self.eviction.list();
        all.extend(self.health.list());
        all.extend(self.outlier.list());
        all.extend(self.access.list());
        all.extend(self.selector.list());
        all.extend(self.localip.list());
        all.extend(self.tls.list());
        all.extend(self.fingerprint.list());
        all
    }
}

/// [`Registry::builtin`].
impl Default for Registry {
    fn default() -> Self {
        Self::builtin()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("eviction", &self.eviction)
            .field("health", &self.health)
            .field("outlier", &self.outlier)
            .field("access", &self.access)
            .field("selector", &self.selector)
            .field("localip", &self.localip)
            .field("tls", &self.tls)
            .field("fingerprint", &self.fingerprint)
            .finish()
    }
}
