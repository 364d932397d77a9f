//! What rustls can do of a profile's hello.

use std::sync::Arc;

use ::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ::rustls::client::{ClientConnection, Resumption};
use ::rustls::crypto::{CryptoProvider, ring};
use ::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use ::rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion, version,
};

use crate::client_hello::ClientHello;
use crate::fidelity::FidelityReport;
use crate::spec::{ClientHelloSpec, Profile, Slot};
use crate::{TlsError, TlsErrorKind};

/// Hellos that are drawn to see what varies. rustls draws the order of its extensions from 16 bits, so that eight in the same
/// order by chance are out of the question.
const SAMPLES: usize = 8;

/// Why rustls 0.23 does not send it; read in its source.
const REASONS: &[(&str, &str)] = &[
    (
        "ciphers",
        "rustls sends those it implements, no GREASE, and with TLS 1.2 a signalling value at the end",
    ),
    (
        "supported_groups",
        "rustls sends those that ring implements, and no GREASE",
    ),
    (
        "key_share",
        "rustls sends one share, of the first group that ring implements",
    ),
    (
        "signature_algorithms",
        "rustls sends those it can verify, and no GREASE",
    ),
    ("supported_versions", "rustls sends no GREASE"),
    ("extension_order", "rustls draws it for each connection"),
    ("GREASE 1", GREASE),
    ("GREASE 2", GREASE),
    (
        "encrypted_client_hello",
        "rustls sends it only where TLS 1.2 is off",
    ),
    (
        "compress_certificate",
        "this build of rustls decompresses none",
    ),
    ("renegotiation_info", "rustls sends the signalling value"),
    ("signed_certificate_timestamp", UNKNOWN),
    ("application_settings", UNKNOWN),
    ("trust_anchors", UNKNOWN),
    ("delegated_credentials", UNKNOWN),
    ("record_size_limit", UNKNOWN),
    ("padding", UNKNOWN),
];

const GREASE: &str = "rustls sends no GREASE";
const UNKNOWN: &str = "rustls does not have this extension";

/// The configuration nearest to `hello`, with the verifier and the client certificate of `base`.
///
/// rustls takes the cipher suites, groups, signature algorithms and versions that it knows, in the order it is given.
///
/// # Errors
///
/// [`TlsErrorKind::UnknownProfile`] if rustls could shake hands with none of them.
pub(super) fn config(
    base: &ClientConfig,
    verifier: &Arc<dyn ServerCertVerifier>,
    profile: &Profile,
    hello: &ClientHelloSpec,
) -> Result<ClientConfig, TlsError> {
    let pick = |slots: &[Slot]| -> Vec<u16> {
        let values = slots.iter().filter_map(|slot| slot.value());
        values.collect()
    };
    let cipher_suites = pick(&hello.ciphers)
        .into_iter()
        .filter_map(|code| {
            ring::ALL_CIPHER_SUITES
                .iter()
                .find(|suite| u16::from(suite.suite()) == code)
        })
        .copied()
        .collect();
    let kx_groups = pick(hello.groups())
        .into_iter()
        .filter_map(|code| {
            ring::ALL_KX_GROUPS
                .iter()
                .find(|group| u16::from(group.name()) == code)
        })
        .copied()
        .collect();
    let versions: Vec<&SupportedProtocolVersion> = [&version::TLS13, &version::TLS12]
        .into_iter()
        .filter(|known| pick(hello.versions()).contains(&u16::from(known.version)))
        .collect();
    let provider = CryptoProvider {
        cipher_suites,
        kx_groups,
        ..ring::default_provider()
    };
    let known = verifier.supported_verify_schemes();
    let schemes = pick(hello.signature_algorithms())
        .into_iter()
        .map(SignatureScheme::from)
        .filter(|scheme| known.contains(scheme))
        .collect();
    let verifier = Arc::new(Advertising {
        inner: verifier.clone(),
        schemes,
    });
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions)
        .map_err(|error| TlsError::unknown_profile(&profile.id).with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(base.client_auth_cert_resolver.clone());
    config.key_log = base.key_log.clone();
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    config.alpn_protocols = hello
        .alpn()
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(config)
}

/// What a connection with this configuration really sends, read from hellos that are drawn from it and go nowhere.
///
/// # Errors
///
/// [`TlsErrorKind::Other`] if rustls sends none, or one that cannot be read.
pub(super) fn drawn(config: &ClientConfig, resumes: bool) -> Result<ClientHelloSpec, TlsError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        TlsError::new(TlsErrorKind::Other).with_source(source)
    };
    let mut config = config.clone();
    if resumes {
        // As when it is used: with somewhere to keep sessions, rustls says that it takes tickets.
        config.resumption = Resumption::in_memory_sessions(1);
    }
    let config = Arc::new(config);
    let name = ServerName::try_from("example.com").expect("a DNS name");
    let mut hellos = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let mut conn = ClientConnection::new(config.clone(), name.clone())
            .map_err(|error| failed(error.into()))?;
        let mut records = Vec::new();
        conn.write_tls(&mut records)
            .map_err(|error| failed(error.into()))?;
        hellos.push(ClientHello::parse(&records).map_err(|error| failed(error.into()))?);
    }
    ClientHelloSpec::from_hellos(&hellos).map_err(|error| failed(error.into()))
}

/// How near `sent` comes, and why not nearer.
pub(super) fn report(wanted: &ClientHelloSpec, sent: &ClientHelloSpec) -> FidelityReport {
    let mut report = FidelityReport::compare(wanted, sent);
    for (field, reason) in REASONS {
        report = report.with_reason(field, *reason);
    }
    report
}

/// A verifier that says in the hello which signatures it takes, in another one's order.
#[derive(Debug)]
struct Advertising {
    inner: Arc<dyn ServerCertVerifier>,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Advertising {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let inner = &self.inner;
        inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
