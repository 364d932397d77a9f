//! What the builders of all backends are given, and how they refuse it.

use std::error::Error;
use std::fmt;

/// The authorities that are trusted before any is added.
///
/// The default is `Platform` with the feature `platform-roots`, else `WebPki`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
    /// Those of the operating system, with rustls by its own verifier where it has one. Needs the feature
    /// `platform-roots`.
    ///
    /// On Linux that is the distribution's bundle, or the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    #[cfg(feature = "platform-roots")]
    #[default]
    Platform,
    /// Mozilla's, as they were when this was compiled.
    #[cfg_attr(not(feature = "platform-roots"), default)]
    WebPki,
    /// None: only what `add_ca_pem` and its sibling add.
    None,
}

/// A connector that cannot be built.
#[derive(Debug)]
pub struct TlsConfigError {
    kind: TlsConfigErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl TlsConfigError {
    pub(crate) fn new(
        kind: TlsConfigErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            source: source.into(),
        }
    }

    /// Which input is at fault.
    pub fn kind(&self) -> TlsConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TlsConfigErrorKind::Roots => "no trusted root certificate",
            TlsConfigErrorKind::CaCertificate => "cannot use the CA certificate",
            TlsConfigErrorKind::ClientCertificate => "cannot use the client certificate",
            TlsConfigErrorKind::ClientKey => "cannot use the client's private key",
        })
    }
}

impl Error for TlsConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Which input of a connector is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsConfigErrorKind {
    /// No authority is trusted, or the system's cannot be read.
    Roots,
    /// A certificate to trust.
    CaCertificate,
    /// The certificate to show to servers.
    ClientCertificate,
    /// The private key of that certificate.
    ClientKey,
}
