//! What a [`RustlsConnector`] is made from.

use std::fmt;
use std::sync::Arc;

use ::rustls::client::Resumption;
use ::rustls::pki_types::pem::PemObject;
use ::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ::rustls::{ClientConfig, KeyLogFile, RootCertStore, crypto::ring};

use super::tickets::Tickets;
use super::{RustlsConnector, verifier};
use crate::backend::config::{Roots, TlsConfigError, TlsConfigErrorKind};

/// Builds a [`RustlsConnector`].
#[must_use]
pub struct RustlsConnectorBuilder {
    roots: Roots,
    extra_cas: Vec<CertificateDer<'static>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    accept_any_certificate: bool,
    tickets_per_server: usize,
    servers_with_tickets: usize,
    key_log: bool,
}

impl Default for RustlsConnectorBuilder {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            extra_cas: Vec::new(),
            client: None,
            accept_any_certificate: false,
            tickets_per_server: 8,
            servers_with_tickets: 1024,
            key_log: false,
        }
    }
}

impl RustlsConnectorBuilder {
    /// Trusts these authorities. [`Roots`] says which is the default.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Trusts every certificate in `pem` as an authority, besides the [`Roots`].
    ///
    /// # Errors
    ///
    /// [`TlsConfigErrorKind::CaCertificate`] if `pem` holds no certificate, or one that cannot be read.
    pub fn add_ca_pem(mut self, pem: &[u8]) -> Result<Self, TlsConfigError> {
        for ca in certificates(pem, TlsConfigErrorKind::CaCertificate)? {
            self = self.add_ca(ca)?;
        }
        Ok(self)
    }

    /// Trusts this certificate as an authority, besides the [`Roots`].
    ///
    /// # Errors
    ///
    /// [`TlsConfigErrorKind::CaCertificate`] if it cannot be read.
    pub fn add_ca_der(self, der: &[u8]) -> Result<Self, TlsConfigError> {
        self.add_ca(CertificateDer::from(der.to_vec()))
    }

    /// Shows this certificate to servers that ask for one.
    ///
    /// `chain_pem` begins with our own certificate, each next one signs the one before. `key_pem` holds its private key
    /// as PKCS #8, PKCS #1 or SEC 1. Both may be the same text.
    ///
    /// # Errors
    ///
    /// [`TlsConfigErrorKind::ClientCertificate`] or [`TlsConfigErrorKind::ClientKey`] if there is none that can be
    /// read. Whether they belong together is checked by [`build`](Self::build).
    pub fn client_cert_pem(
        mut self,
        chain_pem: &[u8],
        key_pem: &[u8],
    ) -> Result<Self, TlsConfigError> {
        let chain = certificates(chain_pem, TlsConfigErrorKind::ClientCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem)
            .map_err(|error| TlsConfigError::new(TlsConfigErrorKind::ClientKey, error))?;
        self.client = Some((chain, key));
        Ok(self)
    }

    /// Accepts any certificate from anybody. **WHOEVER IS ON THE PATH CAN READ AND CHANGE EVERYTHING.**
    ///
    /// For a test bench that has no certificate to trust; [`add_ca_pem`](Self::add_ca_pem) is the way to reach a server
    /// with a private authority.
    #[expect(
        non_snake_case,
        reason = "nobody should write or review this call by accident"
    )]
    pub fn danger_ACCEPT_ANY_CERTIFICATE(mut self) -> Self {
        self.accept_any_certificate = true;
        self
    }

    /// Keeps at most `tickets` TLS 1.3 session tickets per server and scope; zero resumes no session, of TLS 1.2
    /// neither.
    ///
    /// Defaults to 8, as rustls does: as many connections to one server can then be opened at once without a
    /// certificate exchange. Each ticket is used once.
    pub fn tickets_per_server(mut self, tickets: usize) -> Self {
        self.tickets_per_server = tickets;
        self
    }

    /// Keeps tickets for at most `servers` servers, counted over all scopes; beyond that, those used longest ago are
    /// forgotten. Zero resumes no session.
    ///
    /// Defaults to 1024. With a certificate chain of 4 KiB and eight tickets of 1 KiB each, that is about 12 MiB.
    pub fn servers_with_tickets(mut self, servers: usize) -> Self {
        self.servers_with_tickets = servers;
        self
    }

    /// Writes the secrets of every session to the file that the environment variable `SSLKEYLOGFILE` names, for a
    /// packet analyser. **WHOEVER READS THAT FILE CAN READ EVERYTHING.**
    ///
    /// Off by default, and then that variable does nothing.
    pub fn key_log(mut self, enabled: bool) -> Self {
        self.key_log = enabled;
        self
    }

    /// Builds the connector. Its identity is a new one.
    ///
    /// With the platform's [`Roots`] this reads the system's certificates, some tens of milliseconds on the calling
    /// thread: build once and share the connector.
    ///
    /// # Errors
    ///
    /// [`TlsConfigErrorKind::Roots`] if nobody would be trusted; [`TlsConfigErrorKind::ClientKey`] if the private key
    /// is not the client certificate's.
    pub fn build(self) -> Result<RustlsConnector, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = if self.accept_any_certificate {
            Arc::new(verifier::AcceptAny::new(&provider))
        } else {
            verifier::trusting(self.roots, self.extra_cas, &provider)?
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for the default versions")
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());

        let has_client_certificate = self.client.is_some();
        let mut base = match self.client {
            Some((chain, key)) => config
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsConfigError::new(TlsConfigErrorKind::ClientKey, error))?,
            None => config.with_no_client_auth(),
        };
        // Every space gets its own view of the tickets; the base is never used as it is.
        base.resumption = Resumption::disabled();
        base.enable_early_data = false;
        if self.key_log {
            base.key_log = Arc::new(KeyLogFile::new());
        }
        let resumes = self.tickets_per_server > 0 && self.servers_with_tickets > 0;
        let tickets = resumes.then(|| {
            Arc::new(Tickets::new(
                self.servers_with_tickets,
                self.tickets_per_server,
            ))
        });
        Ok(RustlsConnector::new(
            base,
            verifier,
            tickets,
            !self.accept_any_certificate,
            has_client_certificate,
        ))
    }

    fn add_ca(mut self, ca: CertificateDer<'static>) -> Result<Self, TlsConfigError> {
        // Parsed here and again by the verifier, so that the error comes from the call that brought the certificate.
        RootCertStore::empty()
            .add(ca.clone())
            .map_err(|error| TlsConfigError::new(TlsConfigErrorKind::CaCertificate, error))?;
        self.extra_cas.push(ca);
        Ok(self)
    }
}

// By hand: it holds a private key.
impl fmt::Debug for RustlsConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustlsConnectorBuilder")
            .field("roots", &self.roots)
            .field("extra_cas", &self.extra_cas.len())
            .field("has_client_certificate", &self.client.is_some())
            .field("accept_any_certificate", &self.accept_any_certificate)
            .field("tickets_per_server", &self.tickets_per_server)
            .field("servers_with_tickets", &self.servers_with_tickets)
            .field("key_log", &self.key_log)
            .finish()
    }
}

fn certificates(
    pem: &[u8],
    kind: TlsConfigErrorKind,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsConfigError::new(kind, error))?;
    if certificates.is_empty() {
        return Err(TlsConfigError::new(
            kind,
            "there is no PEM certificate in it",
        ));
    }
    Ok(certificates)
}
