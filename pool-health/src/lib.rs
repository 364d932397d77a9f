#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod access;
mod check;
mod checks;
mod combine;
pub mod conformance;
mod ejectors;
mod eviction;
mod evictors;
mod options;
mod outlier;
mod probe;
mod stats;
mod status;
mod threshold;

pub use access::{
    Access, AccessAction, AccessChange, AccessChangeKind, AccessContext, AccessList, AccessRule,
    AllowAll, Denied, IpPrefix, Moment, ParsePrefixError, ParseRulesError, PrefixList, RuleError,
    format_rules, parse_rules, parse_rules_as,
};
pub use check::{HealthCheck, Unhealthy};
pub use checks::{H2Ping, HttpCheck, Liveness, NoCheck};
pub use combine::{And, Or};
pub use ejectors::{ConsecutiveFailures, NeverEject, StatusEjection};
pub use eviction::{EvictReason, EvictionContext, EvictionPolicy, Verdict};
pub use evictors::{IdleTimeout, Lifetime, MaxErrors, MaxUses, NeverEvict, Surplus};
pub use options::{OptionDoc, Options, OptionsError, OptionsErrorKind};
pub use outlier::{
    EjectReason, MAX_EJECTION, Outcome, OutlierContext, OutlierPolicy, OutlierVerdict,
};
pub use probe::{Probe, ProbeError, ProbeErrorKind, ProbeFacts, ProbeRequest, ProbeResponse};
pub use stats::{ConnStats, EndpointStats, HostEndpoints, HostStats};
pub use status::{ParseStatusSetError, StatusSet};
pub use threshold::{Change, Threshold, Tracker};

/// Any error that may cross threads: how a cause of failure travels without naming its type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
