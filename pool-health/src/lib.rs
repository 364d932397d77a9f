#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod access;
mod check;
mod checks;
mod combine;
pub mod conformance;
mod ejectors;
mod endpoint_stats;
mod eviction;
mod evictors;
mod idle_limit;
mod options;
mod outlier;
mod probe;
mod retry_after;
mod stats;
mod status;
mod threshold;
mod utc;

pub use access::{
    Access, AccessAction, AccessChange, AccessChangeKind, AccessContext, AccessList, AccessRule,
    AllowAll, Denied, IpPrefix, Moment, ParsePrefixError, ParseRulesError, PrefixList, RuleError,
    format_rules, parse_rules, parse_rules_as,
};
pub use check::{HealthCheck, Unhealthy};
pub use checks::{AllOf, AnyOf, CertificateExpiry, H2Ping, HttpCheck, Liveness, NoCheck, When};
pub use combine::{And, Or};
pub use ejectors::{
    AtMost, ConsecutiveFailures, NeverEject, SlowEndpoint, StatusEjection, SuccessRate,
};
pub use endpoint_stats::{EndpointStats, HostEndpoints, PeerStats, Recent};
pub use eviction::{EvictReason, EvictionContext, EvictionPolicy, Verdict};
pub use evictors::{
    CertificateEnd, ErrorCount, ErrorRate, IdleTimeout, Lifetime, MaxBytes, MaxErrors, MaxUses,
    MinIdle, NeverEvict, PeerIdle, Surplus,
};
pub use idle_limit::IdleLimit;
pub use options::{OptionDoc, Options, OptionsError, OptionsErrorKind};
pub use outlier::{
    EjectReason, MAX_EJECTION, Outcome, OutlierContext, OutlierPolicy, OutlierVerdict,
};
pub use probe::{Probe, ProbeError, ProbeErrorKind, ProbeFacts, ProbeRequest, ProbeResponse};
pub use retry_after::parse_retry_after;
pub use stats::{ConnStats, HostStats};
pub use status::{ParseStatusSetError, StatusSet};
pub use threshold::{Change, Threshold, Tracker};

/// Any error that may cross threads: how a cause of failure travels without naming its type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
