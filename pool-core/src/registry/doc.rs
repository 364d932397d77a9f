//! What a listing says about policies.

use std::fmt;

/// Which trait a policy implements, and so which section of a configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PolicyKind {
    /// [`pool_health::EvictionPolicy`], `[[eviction]]`.
    Eviction,
    /// [`pool_health::HealthCheck`], `[[health]]`.
    Health,
    /// [`pool_health::OutlierPolicy`], `[[outlier]]`.
    Outlier,
    /// [`pool_health::AccessList`], `[[access]]`.
    Access,
    /// [`Selector`](crate::select::Selector), `[selector]`.
    Selector,
    /// [`pool_localip::LocalAddrAllocator`], `[localip]`.
    LocalIp,
    /// [`pool_tls::TlsConnector`], `[tls]`.
    Tls,
    /// [`pool_tls::FingerprintSource`], `[fingerprint.source]`.
    Fingerprint,
}

impl PolicyKind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::Eviction,
        Self::Health,
        Self::Outlier,
        Self::Access,
        Self::Selector,
        Self::LocalIp,
        Self::Tls,
        Self::Fingerprint,
    ];

    /// The section of a configuration.
    pub fn section(self) -> &'static str {
        match self {
            Self::Eviction => "eviction",
            Self::Health => "health",
            Self::Outlier => "outlier",
            Self::Access => "access",
            Self::Selector => "selector",
            Self::LocalIp => "localip",
            Self::Tls => "tls",
            Self::Fingerprint => "fingerprint.source",
        }
    }
}

/// What the thing is called: "eviction policy", "health check".
impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eviction => "eviction policy",
            Self::Health => "health check",
            Self::Outlier => "outlier policy",
            Self::Access => "access list",
            Self::Selector => "address selector",
            Self::LocalIp => "local address allocator",
            Self::Tls => "TLS connector",
            Self::Fingerprint => "fingerprint source",
        })
    }
}

/// What is known about one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyDoc {
    /// Which trait it implements.
    pub kind: PolicyKind,
    /// The name in a configuration.
    pub name: String,
    /// What it does, as a clause; empty if nobody said.
    pub summary: String,
    /// Its options; empty if it has none, or nobody said.
    pub options: Vec<OptionDoc>,
}

/// What is known about one option of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionDoc {
    /// The key in a configuration; a `*` at its end stands for any rest.
    pub key: String,
    /// What the value means.
    pub meaning: String,
    /// What holds without it; `None` if it must be given.
    pub default: Option<String>,
}

impl From<pool_health::OptionDoc> for OptionDoc {
    fn from(doc: pool_health::OptionDoc) -> Self {
        Self {
            key: doc.key.into(),
            meaning: doc.meaning.into(),
            default: doc.default.map(Into::into),
        }
    }
}

impl From<pool_localip::OptionDoc> for OptionDoc {
    fn from(doc: pool_localip::OptionDoc) -> Self {
        Self {
            key: doc.key.into(),
            meaning: doc.meaning.into(),
            default: doc.default.map(Into::into),
        }
    }
}
