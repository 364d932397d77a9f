//! Who is trusted.

use std::sync::Arc;

use ::rustls::client::WebPkiServerVerifier;
use ::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use ::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use ::rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::backend::config::{Roots, TlsConfigError, TlsConfigErrorKind};

/// A verifier that trusts `roots` and `extra_cas`.
pub(super) fn trusting(
    roots: Roots,
    extra_cas: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    let store = match roots {
        #[cfg(feature = "platform-roots")]
        Roots::Platform => {
            let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(
                extra_cas,
                Arc::clone(provider),
            )
            .map_err(|error| TlsConfigError::new(TlsConfigErrorKind::Roots, error))?;
            return Ok(Arc::new(verifier));
        }
        Roots::WebPki => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        Roots::None => RootCertStore::empty(),
    };
    let mut store: RootCertStore = store;
    for ca in extra_cas {
        store
            .add(ca)
            .map_err(|error| TlsConfigError::new(TlsConfigErrorKind::CaCertificate, error))?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .build()
            .map_err(|error| TlsConfigError::new(TlsConfigErrorKind::Roots, error))?;
    Ok(verifier)
}

/// Takes whatever certificate it is shown. The peer must still own that certificate's key.
#[derive(Debug)]
pub(super) struct AcceptAny {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AcceptAny {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
