//! The settings of a pool, as plain data.
//!
//! This module reads no file, no environment and no flag: an application layers those itself. With the feature
//! `serde` every type here is `Serialize` and `Deserialize`, unknown keys are errors, and missing ones take the
//! defaults. With the feature `figment` a [`Config`] is also a figment `Provider` of its own values, so that layering
//! is one expression:
//!
//! ```
//! # #[cfg(feature = "figment")] {
//! use figment::Figment;
//! use figment::providers::{Env, Format, Toml};
//! use pool_core::Config;
//!
//! let toml = r#"
//!     [limits]
//!     per_host = 4
//!
//!     [[eviction]]
//!     use = "idle"
//!     after = "60s"
//! "#;
//! let config: Config = Figment::from(Config::default())
//!     .merge(Toml::string(toml))
//!     .merge(Env::prefixed("POOL_").split("__"))
//!     .extract()
//!     .expect("the file is well-formed");
//! assert_eq!(config.limits.per_host, 4);
//! assert_eq!(config.eviction[0].options["after"], "60s");
//! config.validate().expect("the values make sense together");
//! # }
//! ```
//!
//! A variable with the prefix that is not a setting is an unknown key like any other: `.ignore(&["log"])` after
//! `Env::prefixed("POOL_")` keeps `POOL_LOG` out.
//!
//! Durations are written as whole numbers with units (`"250ms"`, `"1m30s"`) or `"never"`, counts as numbers or
//! `"unlimited"`, sizes as numbers of bytes.

#[cfg(feature = "serde")]
mod count;
mod dial;
mod duration;
mod fingerprint;
mod http;
mod limits;
mod nearest;
mod policy;
mod problem;
#[cfg(feature = "serde")]
mod protocols;
#[cfg(feature = "figment")]
mod provider;
mod timeouts;
mod upkeep;
mod validate;
mod when_busy;

#[cfg(all(test, feature = "figment"))]
mod layering_tests;

pub use dial::{Dial, Retry};
pub use duration::{DurationError, format_duration, parse_duration};
pub use fingerprint::{Fingerprint, FingerprintPer, WeightedProfile};
pub use http::{Http1, Http1Engine, Http2};
pub use limits::Limits;
pub use nearest::nearest;
pub use policy::PolicyConfig;
pub use problem::{ConfigError, Problem};
pub use timeouts::Timeouts;
pub use upkeep::Upkeep;
pub use when_busy::DialWhenBusy;

use crate::key::Protocols;

/// Everything about a pool that is a value and not code.
///
/// A default configuration is valid. Policies appear by name and options only; a
/// [`Registry`](crate::registry::Registry) turns them into policies. Nothing here is a secret, so a configuration may
/// be printed and logged.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[doc(alias = "PoolConfig")]
pub struct Config {
    /// Which HTTP versions may be spoken: `"auto"`, `"http1"` or `"http2"`.
    ///
    /// Defaults to `auto`: HTTP/2 where the server picks it. A request may override it.
    #[cfg_attr(feature = "serde", serde(with = "protocols"))]
    pub protocols: Protocols,
    /// Whether the extensions of each response hold its [`ConnInfo`](crate::ConnInfo), at the price of three allocations.
    ///
    /// Defaults to true. [`PoolBody::conn_info`](crate::PoolBody::conn_info) has it in any case.
    pub conn_info: bool,
    /// How many of each thing there may be.
    pub limits: Limits,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// HTTP/1.1 connections.
    pub http1: Http1,
    /// HTTP/2 connections.
    pub http2: Http2,
    /// Opening connections.
    pub dial: Dial,
    /// Sending a request again.
    pub retry: Retry,
    /// The work that goes on beside requests.
    pub upkeep: Upkeep,
    /// When an open connection is closed although nothing is wrong with it. Each policy is asked; one is enough.
    ///
    /// Defaults to `idle` after 90 s (hyper-util's idle timeout) and `lifetime` of 10 min with a tenth of jitter, so
    /// that moved addresses are followed and connections opened together do not close together. A list in a later
    /// layer replaces this one, it does not add to it.
    pub eviction: Vec<PolicyConfig>,
    /// How connections are checked, every one of them in turn. Defaults to none: a check sends traffic to somebody.
    pub health: Vec<PolicyConfig>,
    /// When an address is left out for a while. Defaults to `consecutive-failures` with that policy's own thresholds.
    pub outlier: Vec<PolicyConfig>,
    /// Which addresses may be dialled at all, whatever a name lookup says: each list must allow them. Defaults to none: all may.
    pub access: Vec<PolicyConfig>,
    /// Which address of a host a request prefers, of those with an open connection that has room: `round-robin`,
    /// `least-used`, `p2c` (the quicker and less busy of two) or `sticky` (by the request's affinity). It takes any other
    /// rather than wait. Defaults to `round-robin`.
    pub selector: PolicyConfig,
    /// Which local addresses connections come from. Defaults to `os`: the operating system chooses.
    pub localip: PolicyConfig,
    /// Which TLS implementation is spoken, and how. Defaults to `rustls`; with the feature `boring` to `nearest`, which chooses
    /// between the two for each profile; to `none` in a build with neither.
    pub tls: PolicyConfig,
    /// What connections look like to whoever accepts them. Defaults to the TLS backend's own hello.
    pub fingerprint: Fingerprint,
}

/// The TLS backend where none is named.
const DEFAULT_TLS: &str = if cfg!(all(feature = "rustls", feature = "boring")) {
    "nearest"
} else if cfg!(feature = "rustls") {
    "rustls"
} else if cfg!(feature = "boring") {
    "boring"
} else {
    "none"
};

impl Default for Config {
    fn default() -> Self {
        Self {
            protocols: Protocols::Auto,
            conn_info: true,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            http1: Http1::default(),
            http2: Http2::default(),
            dial: Dial::default(),
            retry: Retry::default(),
            upkeep: Upkeep::default(),
            eviction: vec![
                PolicyConfig::new("idle").option("after", "90s"),
                PolicyConfig::new("lifetime")
                    .option("max", "10m")
                    .option("jitter", "0.1"),
            ],
            health: Vec::new(),
            outlier: vec![PolicyConfig::new("consecutive-failures")],
            access: Vec::new(),
            selector: PolicyConfig::new("round-robin"),
            localip: PolicyConfig::new("os"),
            tls: PolicyConfig::new(DEFAULT_TLS),
            fingerprint: Fingerprint::default(),
        }
    }
}
