//! Why a handshake failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::ProfileId;

/// A handshake that failed.
///
/// [`kind`](Self::kind) is for branching, [`source`](Error::source) has what the backend said. A clone shares the
/// source, so that everybody who waited for one connection can be told the same.
#[derive(Clone, Debug)]
pub struct TlsError {
    kind: TlsErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TlsError {
    /// An error of this kind, without a source.
    pub fn new(kind: TlsErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// The refusal of a profile of which the connector can send nothing, or which it did not plan.
    pub fn unknown_profile(asked: &ProfileId) -> Self {
        Self::new(TlsErrorKind::UnknownProfile).with_source(format!("asked for `{asked}`"))
    }

    /// Sets what the backend said.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What failed.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// What failed in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The peer's certificate was refused.
    Certificate(CertificateProblem),
    /// The peer refused, and sent an alert that says why; it is the source.
    PeerAlert,
    /// What the peer sent is not TLS: most often it is a plain HTTP server.
    NotTls,
    /// The peer closed or reset the connection in the middle of the handshake.
    Closed,
    /// The server name is neither a DNS name nor an IP address. Nothing was sent.
    ServerName,
    /// The connector cannot send the profile that was asked for. Nothing was sent.
    UnknownProfile,
    /// The connector cannot send the profile as faithfully as is required; the source names what would differ. Nothing was sent.
    Unfaithful,
    /// The peer supports none of the application protocols that were offered, and says so.
    NoCommonProtocol,
    /// The peer supports no TLS version, cipher suite or other necessity in common with the connector.
    Incompatible,
    /// There is no TLS in this build or configuration: see [`NoTls`](crate::NoTls).
    Disabled,
    /// The byte stream under TLS failed.
    Io,
    /// Anything else, such as a peer that breaks the protocol.
    Other,
}

impl fmt::Display for TlsErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate(problem) => return problem.fmt(f),
            Self::PeerAlert => "the peer refused the handshake",
            Self::NotTls => "the peer does not speak TLS (is this a plain http port?)",
            Self::Closed => "the peer closed the connection during the handshake",
            Self::ServerName => "the server name is neither a DNS name nor an IP address",
            Self::UnknownProfile => "the connector cannot send this fingerprint profile",
            Self::Unfaithful => {
                "the connector cannot send this fingerprint profile as faithfully as required"
            }
            Self::NoCommonProtocol => "the peer supports none of the offered application protocols",
            Self::Incompatible => "the peer supports no TLS version or cipher suite of ours",
            Self::Disabled => "no TLS connector is configured",
            Self::Io => "the connection failed during the handshake",
            Self::Other => "the handshake failed",
        })
    }
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// It, or one above it, was valid once.
    Expired,
    /// It, or one above it, will be valid later; or the clock of this machine is slow.
    NotYetValid,
    /// It was issued for other names.
    WrongName,
    /// It does not lead to a root that the connector trusts.
    UnknownIssuer,
    /// Its issuer has withdrawn it.
    Revoked,
    /// Anything else, such as a bad signature; the source says what.
    Other,
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "certificate has expired",
            Self::NotYetValid => "certificate is not valid yet",
            Self::WrongName => "certificate is not valid for this server name",
            Self::UnknownIssuer => "certificate was issued by an unknown authority",
            Self::Revoked => "certificate has been revoked",
            Self::Other => "certificate is not acceptable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_profile_is_named() {
        let error = TlsError::unknown_profile(&ProfileId::new("lynx"));
        assert_eq!(error.kind(), TlsErrorKind::UnknownProfile);
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "asked for `lynx`");
    }
}
