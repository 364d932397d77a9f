//! What a [`BoringConnector`] is made from.

use std::fmt;
use std::sync::Arc;

use ::boring::error::ErrorStack;
use ::boring::pkey::PKey;
use ::boring::x509::X509;
use ::boring::x509::store::{X509Store, X509StoreBuilder};
use ::boring::x509::verify::X509VerifyFlags;

use super::BoringConnector;
use super::base::{Base, ClientCertificate, KeyLog};
use super::hello::Hello;
use super::tickets::Tickets;
use crate::backend::config::{Roots, TlsConfigError, TlsConfigErrorKind};

/// Builds a [`BoringConnector`].
#[must_use]
pub struct BoringConnectorBuilder {
    roots: Roots,
    extra_cas: Vec<X509>,
    client: Option<ClientCertificate>,
    accept_any_certificate: bool,
    tickets_per_server: usize,
    servers_with_tickets: usize,
    key_log: Option<KeyLog>,
}

impl Default for BoringConnectorBuilder {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            extra_cas: Vec::new(),
            client: None,
            accept_any_certificate: false,
            tickets_per_server: 8,
            servers_with_tickets: 1024,
            key_log: None,
        }
    }
}

impl BoringConnectorBuilder {
    /// Trusts these authorities. [`Roots`] says which is the default.
    ///
    /// `Roots::Platform` reads the system's certificates, which BoringSSL then checks itself: the system's own rules,
    /// such as revocation, do not apply.
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
        self.extra_cas
            .extend(certificates(pem, TlsConfigErrorKind::CaCertificate)?);
        Ok(self)
    }

    /// Trusts this certificate as an authority, besides the [`Roots`].
    ///
    /// # Errors
    ///
    /// [`TlsConfigErrorKind::CaCertificate`] if it cannot be read.
    pub fn add_ca_der(mut self, der: &[u8]) -> Result<Self, TlsConfigError> {
        let ca = X509::from_der(der).map_err(refused(TlsConfigErrorKind::CaCertificate))?;
        self.extra_cas.push(ca);
        Ok(self)
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
        // Not `private_key_from_pem`: that one would ask for the password of an encrypted key on the terminal.
        let key = PKey::private_key_from_pem_callback(key_pem, |_| Ok(0))
            .map_err(refused(TlsConfigErrorKind::ClientKey))?;
        self.client = Some(ClientCertificate { chain, key });
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
    /// Defaults to 8, as the rustls backend does. Each ticket is used once.
    pub fn tickets_per_server(mut self, tickets: usize) -> Self {
        self.tickets_per_server = tickets;
        self
    }

    /// Keeps tickets for at most `servers` servers, counted over all profiles and scopes; beyond that, those used
    /// longest ago are forgotten. Zero resumes no session.
    ///
    /// Defaults to 1024, as the rustls backend does.
    pub fn servers_with_tickets(mut self, servers: usize) -> Self {
        self.servers_with_tickets = servers;
        self
    }

    /// Hands the secrets of every session to `log`, for a packet analyser. **WHO HAS THEM CAN READ EVERYTHING.**
    ///
    /// Each call brings a line of the file that analysers read (the NSS key log format), without the line break. It comes
    /// in the middle of a handshake, from the task that runs it: `log` must not block for long, nor panic, which would end the process.
    pub fn key_log(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.key_log = Some(Arc::new(log));
        self
    }

    /// Builds the connector. Its identity is a new one.
    ///
    /// With the platform's [`Roots`] this reads the system's certificates: build once and share the connector.
    ///
    /// # Errors
    ///
    /// [`TlsConfigErrorKind::Roots`] if nobody would be trusted; [`TlsConfigErrorKind::ClientKey`] if the private key
    /// is not the client certificate's.
    pub fn build(self) -> Result<BoringConnector, TlsConfigError> {
        let trusted = if self.accept_any_certificate {
            None
        } else {
            Some(trusting(self.roots, &self.extra_cas)?)
        };
        let resumes = self.tickets_per_server > 0 && self.servers_with_tickets > 0;
        let tickets =
            resumes.then(|| Tickets::new(self.servers_with_tickets, self.tickets_per_server));
        let base = Base {
            trusted,
            client: self.client,
            tickets: tickets.map(Arc::new),
            key_log: self.key_log,
        };
        // Only key and certificate can disagree here.
        let native = Hello::native(&base).map_err(refused(TlsConfigErrorKind::ClientKey))?;
        Ok(BoringConnector::new(base, native))
    }
}

// By hand: it holds a private key.
impl fmt::Debug for BoringConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoringConnectorBuilder")
            .field("roots", &self.roots)
            .field("extra_cas", &self.extra_cas.len())
            .field("has_client_certificate", &self.client.is_some())
            .field("accept_any_certificate", &self.accept_any_certificate)
            .field("tickets_per_server", &self.tickets_per_server)
            .field("servers_with_tickets", &self.servers_with_tickets)
            .field("key_log", &self.key_log.is_some())
            .finish()
    }
}

fn trusting(roots: Roots, extra_cas: &[X509]) -> Result<X509Store, TlsConfigError> {
    let mut store = X509StoreBuilder::new().map_err(refused(TlsConfigErrorKind::Roots))?;
    let mut trusted = extra_cas.len();
    match roots {
        #[cfg(feature = "platform-roots")]
        Roots::Platform => {
            let found = rustls_native_certs::load_native_certs();
            // One bad file among good ones is common; none that can be read is an error.
            if let (true, Some(error)) = (found.certs.is_empty(), found.errors.into_iter().next()) {
                return Err(TlsConfigError::new(TlsConfigErrorKind::Roots, error));
            }
            trusted += add_all(&mut store, found.certs.iter().map(|cert| &**cert))?;
        }
        Roots::WebPki => {
            let certs = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            trusted += add_all(&mut store, certs.map(|cert| &**cert))?;
        }
        Roots::None => {}
    }
    for ca in extra_cas {
        store
            .add_cert(ca)
            .map_err(refused(TlsConfigErrorKind::CaCertificate))?;
    }
    if trusted == 0 {
        let error = "nobody would be trusted";
        return Err(TlsConfigError::new(TlsConfigErrorKind::Roots, error));
    }
    // Whatever is in the store ends a chain, self-signed or not: an intermediate authority can be trusted alone.
    store.set_flags(X509VerifyFlags::PARTIAL_CHAIN);
    Ok(store.build())
}

/// Adds those that BoringSSL can read, and says how many.
fn add_all<'a>(
    store: &mut X509StoreBuilder,
    certs: impl Iterator<Item = &'a [u8]>,
) -> Result<usize, TlsConfigError> {
    let mut added = 0;
    for cert in certs.filter_map(|der| X509::from_der(der).ok()) {
        store
            .add_cert(&cert)
            .map_err(refused(TlsConfigErrorKind::Roots))?;
        added += 1;
    }
    Ok(added)
}

fn certificates(pem: &[u8], kind: TlsConfigErrorKind) -> Result<Vec<X509>, TlsConfigError> {
    let certificates = X509::stack_from_pem(pem).map_err(refused(kind))?;
    if certificates.is_empty() {
        return Err(TlsConfigError::new(
            kind,
            "there is no PEM certificate in it",
        ));
    }
    Ok(certificates)
}

fn refused(kind: TlsConfigErrorKind) -> impl Fn(ErrorStack) -> TlsConfigError {
    move |error| TlsConfigError::new(kind, error)
}
