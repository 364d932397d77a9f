//! Names: which fingerprint profile, and which TLS configuration.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

/// The name of a fingerprint profile, such as `native`.
///
/// Part of a pool's key: connections of two profiles are never mixed. Cloning never allocates.
#[derive(Clone)]
pub struct ProfileId(Name);

// `Native` apart from `Shared`, so that the common answer of a source, given once per request, touches no counter
// that all threads share.
#[derive(Clone)]
enum Name {
    Native,
    Shared(Arc<str>),
}

impl ProfileId {
    /// The profile of this name.
    pub fn new(name: &str) -> Self {
        Self(Name::Shared(name.into()))
    }

    /// The backend's own ClientHello, which imitates nobody.
    pub const fn native() -> Self {
        Self(Name::Native)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Native => "native",
            Name::Shared(name) => name,
        }
    }
}

impl Default for ProfileId {
    fn default() -> Self {
        Self::native()
    }
}

impl PartialEq for ProfileId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ProfileId {}

impl Hash for ProfileId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for ProfileId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProfileId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileId({self})")
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
        Self(NEXT.fetch_add(1, atomic::Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_profile_is_its_name_however_it_was_made() {
        let spelled = ProfileId::new("native");
        assert_eq!(spelled, ProfileId::native());
        assert_eq!(spelled.cmp(&ProfileId::native()), Ordering::Equal);
        assert_eq!(HashSet::from([spelled, ProfileId::native()]).len(), 1);
        assert_ne!(ProfileId::new("other"), ProfileId::native());
    }

    #[test]
    fn a_unique_configuration_is_neither_the_default_nor_another() {
        let (first, second) = (TlsConfigId::unique(), TlsConfigId::unique());
        assert_ne!(first, second);
        assert_ne!(first, TlsConfigId::default());
    }
}
