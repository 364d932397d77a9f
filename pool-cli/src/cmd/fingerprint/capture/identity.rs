//! The server's side of TLS, with a certificate that nobody knows.

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;

use crate::exit::{Failure, chain};

/// Who listens.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    /// The SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
    pub(super) sha256: String,
}

/// Offers `h2` and `http/1.1`, and gives no session away, so that each hello is one of a full handshake.
///
/// # Errors
///
/// Exit 3: no key can be made here.
pub(super) fn identity() -> Result<Identity, Failure> {
    config()
        .map(|(config, sha256)| Identity {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            sha256,
        })
        .map_err(|error| {
            Failure::environment(
                format!("no certificate to listen with: {}", chain(error.as_ref())),
                "the operating system may lack random bytes",
            )
        })
}

fn config() -> Result<(ServerConfig, String), Box<dyn std::error::Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, "pool fingerprint capture");
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let sha256 = Sha256::digest(certificate.der());
    let sha256: Vec<String> = sha256.iter().map(|byte| format!("{byte:02X}")).collect();
    Ok((config, sha256.join(":")))
}
