//! One certificate for all hosts, and who signed it.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::BoxError;

/// A configuration with a new certificate; whose signer is written to `ca`.
pub(crate) fn server_config(ca: &Path) -> Result<ServerConfig, BoxError> {
    let mut signer = CertificateParams::new(Vec::new())?;
    // Not the name that the other has: BoringSSL would take it for signed by itself.
    let names = &mut signer.distinguished_name;
    names.push(DnType::CommonName, "benchmark authority");
    signer.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    signer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signer_key = KeyPair::generate()?;
    std::fs::write(ca, signer.self_signed(&signer_key)?.pem())?;
    let issuer = Issuer::new(signer, signer_key);

    let key = KeyPair::generate()?;
    let cert = CertificateParams::new(vec!["*.bench.test".to_owned()])?;
    let cert: CertificateDer<'static> = cert.signed_by(&key, &issuer)?.into();
    let key = PrivateKeyDer::try_from(key.serialize_der())?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Without memory of its own for each session, as large servers do it.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}
