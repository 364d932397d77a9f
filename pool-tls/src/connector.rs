//! The seam between a pool and a TLS implementation.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::spec::Profile;
use crate::{Plan, ProfileId, TlsConfigId, TlsError, TlsErrorKind};

/// Turns a byte stream into a TLS session.
///
/// One connector is one TLS configuration: roots, verifier, client certificate. A pool keeps one as `Arc<dyn TlsConnector>`.
///
/// - **Who calls, when, how often:** the pool: [`config_id`](Self::config_id) and [`plan`](Self::plan) when it is built,
///   [`connect`](Self::connect) once per new connection.
/// - **On which thread:** the first two on the one that builds the pool; `connect` in the task that dials, inside a runtime, many at a
///   time. No lock of the pool is held.
/// - **Blocking:** `plan` may take some milliseconds. `connect` never: await `io` instead. The pool sets the deadline, and dropping the
///   future is how it says that time is up; what blocks instead of awaiting holds a thread of the runtime beyond that.
/// - **Panics** in `connect` are contained, counted, and fail that one dial. Those in `config_id` and `plan` reach whoever builds the pool.
/// - **Lies:** the session is taken at its word: its protocol decides how HTTP is spoken, and its profile is what responses are
///   said to have travelled under. Whoever does not check certificates lets anybody answer.
///   [`conformance::connector`](crate::conformance::connector) checks an implementation against what is promised here.
#[async_trait]
pub trait TlsConnector: fmt::Debug + Send + Sync {
    /// The identity of this configuration, the same for as long as the connector lives.
    ///
    /// Part of the key of every connection. Two connectors must not share an identity: connections made by one would be
    /// handed to requests that asked for the other.
    fn config_id(&self) -> TlsConfigId;

    /// Makes a profile ready to be sent.
    ///
    /// Called when a pool is built, once per profile, not per connection: it may take some milliseconds. What it finds out
    /// goes into the plan, with which [`connect`](Self::connect) is then called.
    ///
    /// As provided it knows the backend's own hello and no other.
    ///
    /// # Errors
    ///
    /// [`UnknownProfile`](TlsErrorKind::UnknownProfile) if this connector can send no part of the profile's hello.
    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        match profile.hello {
            None => Ok(Plan::own_hello(profile.clone(), self.config_id())),
            Some(_) => Err(TlsError::unknown_profile(&profile.id)),
        }
    }

    /// Runs a handshake over `io`, which must be connected already.
    ///
    /// The connector checks the peer's certificate against `cx.server_name`. It sends the hello that `cx.plan` says or none
    /// at all: to answer with another one would give away what the profile was chosen to hide. It sets no time limit;
    /// the caller does.
    ///
    /// # Errors
    ///
    /// [`TlsErrorKind`] says which. [`UnknownProfile`](TlsErrorKind::UnknownProfile), for a plan that another connector
    /// made, and [`ServerName`](TlsErrorKind::ServerName) come before the first byte is sent. `io` is closed on every error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `io`, which closes the connection. A session ticket that the handshake had taken is
    /// spent; nothing else is lost.
    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError>;
}

/// What a handshake is for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TlsContext<'a> {
    /// A DNS name, or an IP address without brackets. The certificate must be valid for it; a name is also sent as SNI.
    pub server_name: &'a str,
    /// The application protocols to offer, in order of preference, such as `h2` and `http/1.1`. Empty offers none.
    ///
    /// Not used under a profile with a hello, which has protocols of its own: with others it would be another hello.
    pub alpn: &'a [&'a [u8]],
    /// The fingerprint to send, as this connector planned it.
    pub plan: &'a Plan,
    /// Who may resume whose sessions: tickets are cached per server name, connector, `alpn`, profile and this.
    ///
    /// A ticket lets the server recognise who comes back. So the caller puts in here what must not be linked, such as
    /// its partition and its class of source addresses.
    pub scope: &'a str,
}

impl<'a> TlsContext<'a> {
    /// A handshake with `server_name`, without ALPN, in the empty scope.
    pub fn new(server_name: &'a str, plan: &'a Plan) -> Self {
        Self {
            server_name,
            alpn: &[],
            plan,
            scope: "",
        }
    }

    /// Offers these application protocols.
    #[must_use]
    pub fn with_alpn(mut self, alpn: &'a [&'a [u8]]) -> Self {
        self.alpn = alpn;
        self
    }

    /// Shares session tickets only within `scope`.
    #[must_use]
    pub fn with_scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }
}

/// A finished handshake.
#[non_exhaustive]
pub struct TlsSession {
    /// The plain text side. Dropping it closes the connection; shutting it down sends `close_notify` first.
    pub io: BoxedIo,
    /// The application protocol that the server chose, `None` if it chose none of those offered.
    pub alpn: Option<Vec<u8>>,
    /// Whether an earlier session was resumed, which saves the certificate exchange.
    pub resumed: bool,
    /// The negotiated version.
    pub version: TlsVersion,
    /// The fingerprint that was sent: always the one asked for.
    pub profile: ProfileId,
    /// The end of the peer's certificate, its `notAfter`, also where a session was resumed; `None` if it is not known.
    pub certificate_expires: Option<SystemTime>,
}

impl TlsSession {
    /// A session that was not resumed and agreed on no application protocol.
    pub fn new(io: BoxedIo, version: TlsVersion, profile: ProfileId) -> Self {
        Self {
            io,
            alpn: None,
            resumed: false,
            version,
            profile,
            certificate_expires: None,
        }
    }

    /// Sets the application protocol that the server chose.
    #[must_use]
    pub fn with_alpn(mut self, alpn: Option<Vec<u8>>) -> Self {
        self.alpn = alpn;
        self
    }

    /// Sets the end of the peer's certificate.
    #[must_use]
    pub fn with_certificate_expires(mut self, expires: Option<SystemTime>) -> Self {
        self.certificate_expires = expires;
        self
    }

    /// Sets whether an earlier session was resumed.
    #[must_use]
    pub fn with_resumed(mut self, resumed: bool) -> Self {
        self.resumed = resumed;
        self
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession")
            .field(
                "alpn",
                &self
                    .alpn
                    .as_deref()
                    .map(|alpn| alpn.escape_ascii().to_string()),
            )
            .field("resumed", &self.resumed)
            .field("version", &self.version)
            .field("profile", &self.profile)
            .field("certificate_expires", &self.certificate_expires)
            .finish_non_exhaustive()
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// A byte stream that TLS can run over, and that comes out of it.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Io for T {}

// Errors of a backend carry the stream they happened on, and an error must have `Debug`.
impl fmt::Debug for dyn Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}

/// A boxed [`Io`].
pub type BoxedIo = Box<dyn Io>;

/// The null connector: it refuses every handshake with [`TlsErrorKind::Disabled`].
///
/// For a build without a backend, where `http://` still works.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTls;

#[async_trait]
impl TlsConnector for NoTls {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }

    async fn connect(&self, _cx: &TlsContext<'_>, _io: BoxedIo) -> Result<TlsSession, TlsError> {
        Err(TlsError::new(TlsErrorKind::Disabled))
    }
}

fn _assert_dyn_compatible(_: &dyn TlsConnector) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_backend_every_handshake_is_refused_with_the_reason() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let plan = Plan::native(NoTls.config_id());
        let cx = TlsContext::new("example.com", &plan);
        let error = NoTls.connect(&cx, Box::new(ours)).await.unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::Disabled);
        assert_eq!(error.to_string(), "no TLS connector is configured");
    }
}
