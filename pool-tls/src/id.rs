//! Names: which fingerprint profile, and which TLS configuration.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of a fingerprint profile, such as `native`.
///
/// Part of a pool's key: connections of two profiles are never mixed. Cloning is one atomic increment.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId(Arc<str>);

impl ProfileId {
    /// The profile of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The backend's own ClientHello, which imitates nobody.
    pub fn native() -> Self {
        Self::new("native")
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ProfileId {
    fn default() -> Self {
        Self::native()
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileId({})", self.0)
    }
}

/// The identity of one TLS configuration: roots, verifier and client certificate.
///
/// Two connectors with different identities never share a connection or a session ticket. The default identity is
/// "no TLS configuration", which plain text uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsConfigId(u64);

impl TlsConfigId {
    /// A new identity, different from every other of this process.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
