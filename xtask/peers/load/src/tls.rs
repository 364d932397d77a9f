//! The TLS client of everybody who takes rustls.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{Args, BoxError};

/// A configuration on ring that trusts the origin alone and offers one protocol.
///
/// # Errors
///
/// If the certificate cannot be read.
pub fn client_config(args: &Args) -> Result<ClientConfig, BoxError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&args.ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![args.protocol.alpn().to_vec()];
    Ok(config)
}
