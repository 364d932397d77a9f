//! Everything that must be equal before two requests may share a connection.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use pool_tls::{ProfileId, TlsConfigId};
use smol_str::SmolStr;

/// What a connection is for: two requests may share one only if their keys are equal.
///
/// Equality compares every field, never a hash alone. The comparison is derived, so a field added to the key is
/// compared from its first day. Cloning is one atomic increment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<Parts>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Parts {
    scheme: Scheme,
    /// The usual name needs no allocation of its own.
    host: SmolStr,
    port: u16,
    profile: ProfileId,
    tls: TlsConfigId,
    protocols: Protocols,
    source: SourceClass,
    proxy: Proxy,
    partition: Partition,
}

impl Key {
    /// Names the connections to `host` (a DNS name or an address without brackets) on `port`.
    ///
    /// Everything else starts at its plainest: native TLS, any protocol, any source, no partition. `host` is
    /// compared without regard to ASCII case and a trailing dot.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Self {
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            SmolStr::from(host.to_ascii_lowercase())
        } else {
            SmolStr::new(host)
        };
        Self(Arc::new(Parts {
            scheme,
            host,
            port,
            profile: ProfileId::native(),
            tls: TlsConfigId::default(),
            protocols: Protocols::default(),
            source: SourceClass::Any,
            proxy: Proxy::Direct,
            partition: Partition::default(),
        }))
    }

    /// Sets the TLS fingerprint profile.
    #[must_use]
    pub fn profile(mut self, profile: ProfileId) -> Self {
        Arc::make_mut(&mut self.0).profile = profile;
        self
    }

    /// Sets the identity of the TLS configuration: roots, verifier and client certificate.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfigId) -> Self {
        Arc::make_mut(&mut self.0).tls = tls;
        self
    }

    /// Sets which HTTP versions may be spoken.
    #[must_use]
    pub fn protocols(mut self, protocols: Protocols) -> Self {
        Arc::make_mut(&mut self.0).protocols = protocols;
        self
    }

    /// Sets which local addresses the connection may come from.
    #[must_use]
    pub fn source(mut self, source: SourceClass) -> Self {
        Arc::make_mut(&mut self.0).source = source;
        self
    }

    /// Sets the partition: tenants that must never share a connection get different ones.
    #[must_use]
    pub fn partition(mut self, partition: Partition) -> Self {
        Arc::make_mut(&mut self.0).partition = partition;
        self
    }

    /// Whether this is what [`plain`](Self::plain) would make of it.
    pub(crate) fn is_plain(
        &self,
        wanted: Protocols,
        identity: Option<&(ProfileId, TlsConfigId)>,
    ) -> bool {
        // Named one by one: a field that is added must be compared here as well.
        let Parts {
            scheme: _,
            host: _,
            port: _,
            profile,
            tls,
            protocols,
            source,
            proxy,
            partition,
        } = &*self.0;
        let is_identity = match identity {
            Some((wanted, config)) => profile == wanted && tls == config,
            None => *profile == ProfileId::native() && *tls == TlsConfigId::default(),
        };
        is_identity
            && *protocols == wanted
            && *source == SourceClass::Any
            && *proxy == Proxy::Direct
            && *partition == Partition::default()
    }

    /// The same origin from any source and in no partition, with these protocols and this TLS identity.
    pub(crate) fn plain(
        &self,
        protocols: Protocols,
        identity: Option<(ProfileId, TlsConfigId)>,
    ) -> Self {
        let plain = Self::new(self.scheme(), self.host(), self.port()).protocols(protocols);
        match identity {
            Some((profile, tls)) => plain.profile(profile).tls(tls),
            None => plain,
        }
    }

    /// Whether TLS is spoken.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host name or address, in lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The TLS fingerprint profile.
    pub fn profile_id(&self) -> &ProfileId {
        &self.0.profile
    }

    /// The identity of the TLS configuration.
    pub fn tls_id(&self) -> TlsConfigId {
        self.0.tls
    }

    /// The HTTP versions allowed.
    pub fn allowed_protocols(&self) -> Protocols {
        self.0.protocols
    }

    /// The local addresses allowed.
    pub fn source_class(&self) -> &SourceClass {
        &self.0.source
    }

    /// The partition.
    pub fn partition_id(&self) -> &Partition {
        &self.0.partition
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            scheme, host, port, ..
        } = &*self.0;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self}")?;
        let Parts {
            profile,
            protocols,
            source,
            partition,
            ..
        } = &*self.0;
        write!(f, " {profile} {protocols:?} {source:?} {partition:?})")
    }
}

/// The URL scheme of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The port a URL without one means.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Which HTTP versions a connection may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocols {
    /// HTTP/2 if the server picks it by ALPN, else HTTP/1.1; plain text is HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; on plain text with prior knowledge.
    Http2,
}

/// Which local addresses a connection may come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceClass {
    /// Whatever the allocator gives.
    #[default]
    Any,
    /// A set that the allocator knows by name.
    Named(Arc<str>),
    /// Exactly this address.
    Exact(IpAddr),
}

/// How the target is reached. Upstream proxies are not supported yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Proxy {
    #[default]
    Direct,
}

/// A tenant: connections are never shared across partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Partition(Option<Arc<str>>);

impl Partition {
    /// The partition of this name.
    pub fn named(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// The name, or `None` for the common partition.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way in which two keys can differ, one variant each.
    fn variants() -> Vec<Key> {
        let base = || Key::new(Scheme::Https, "a.test", 443);
        vec![
            base(),
            Key::new(Scheme::Http, "a.test", 443),
            Key::new(Scheme::Https, "b.test", 443),
            Key::new(Scheme::Https, "a.test", 444),
            base().profile(ProfileId::new("other")),
            base().tls(TlsConfigId::unique()),
            base().tls(TlsConfigId::unique()),
            base().protocols(Protocols::Http1),
            base().protocols(Protocols::Http2),
            base().source(SourceClass::Named("lab".into())),
            base().source(SourceClass::Exact([127, 0, 0, 1].into())),
            base().source(SourceClass::Exact([127, 0, 0, 2].into())),
            base().partition(Partition::named("t1")),
            base().partition(Partition::named("t2")),
        ]
    }

    #[test]
    fn keys_that_differ_in_one_field_are_different() {
        let keys = variants();
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(i == j, a == b, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn a_key_is_plain_if_it_is_what_would_be_made_anew() {
        let base = Key::new(Scheme::Https, "a.test", 443);
        for key in variants() {
            let made = key.plain(Protocols::Auto, None);
            assert_eq!(key.is_plain(Protocols::Auto, None), key == made, "{key:?}");
            assert!(made.is_plain(Protocols::Auto, None), "{key:?}");
        }
        let identity = (ProfileId::new("other"), TlsConfigId::unique());
        let made = base.plain(Protocols::Http1, Some(identity.clone()));
        assert!(made.is_plain(Protocols::Http1, Some(&identity)));
        assert!(!made.is_plain(Protocols::Http2, Some(&identity)));
        assert!(!made.is_plain(Protocols::Http1, None));
        assert!(!base.is_plain(Protocols::Auto, Some(&identity)));
    }

    #[test]
    fn host_names_are_compared_without_case_and_trailing_dot() {
        let key = Key::new(Scheme::Https, "A.Test.", 443);
        assert_eq!(key, Key::new(Scheme::Https, "a.test", 443));
        assert_eq!(key.to_string(), "https://a.test:443");
        assert_eq!(
            Key::new(Scheme::Http, "::1", 80).to_string(),
            "http://[::1]:80"
        );
    }
}
