//! A certificate authority for one test, and the leaf it signs.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The protocols a server offers by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alpn {
    /// `h2`, then `http/1.1`. Without TLS: whichever the client begins with.
    #[default]
    Both,
    /// `h2` alone.
    H2,
    /// `http/1.1` alone.
    Http1,
    /// No ALPN at all; HTTP/1.1 is spoken.
    None,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::H2 => vec![b"h2".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::None => Vec::new(),
        }
    }
}

/// What is right or wrong with a leaf certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Certificate {
    /// Signed by the authority, for the right names, now.
    #[default]
    Valid,
    /// As `Valid`, but it ran out in 2001.
    Expired,
    /// As `Valid`, but it runs out so long after the fleet has started, a fraction of a second rounded down.
    ExpiresIn(Duration),
    /// As `Valid`, but it begins in 4000.
    NotYetValid,
    /// For the right names, signed by its own key.
    SelfSigned,
    /// Signed by an authority of the same name with another key.
    UnknownAuthority,
    /// Signed by the authority, for `wrong.invalid` and no address.
    WrongName,
}

/// A certificate for a client and its key, by [`Fleet::client_certificate`](super::Fleet::client_certificate).
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate.
    pub pem: String,
    /// The certificate again, as [`ConnRecord::client_certificate`](super::ConnRecord::client_certificate) has it.
    pub der: Vec<u8>,
    /// The private key, PKCS #8.
    pub key_pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key is not for logs, not even this one.
        f.debug_struct("ClientCertificate")
            .field("pem", &self.pem)
            .finish_non_exhaustive()
    }
}

/// What a server's side of TLS is to be.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) names: Vec<String>,
    pub(super) ips: Vec<IpAddr>,
    pub(super) certificate: Certificate,
    pub(super) alpn: Alpn,
    pub(super) asks_clients: bool,
}

impl Identity {
    /// A valid certificate for one name and one address; clients stay anonymous.
    pub(super) fn simple(name: &str, ip: IpAddr, alpn: Alpn) -> Self {
        Self {
            names: vec![name.to_owned()],
            ips: vec![ip],
            certificate: Certificate::Valid,
            alpn,
            asks_clients: false,
        }
    }
}

/// A root that signs leaves.
#[derive(Debug)]
pub(super) struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "pool testing authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self {
            pem: cert.pem(),
            der: cert.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The server side of TLS.
    pub(super) fn acceptor(&self, identity: &Identity) -> io::Result<TlsAcceptor> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = leaf(identity).map_err(io::Error::other)?;
        let cert = match identity.certificate {
            Certificate::SelfSigned => params.self_signed(&key),
            Certificate::UnknownAuthority => params.signed_by(&key, &Self::new()?.issuer),
            _ => params.signed_by(&key, &self.issuer),
        }
        .map_err(io::Error::other)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(ring::default_provider());
        let verifier = if identity.asks_clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.der.clone()).map_err(io::Error::other)?;
            let roots = Arc::new(roots);
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(io::Error::other)?
        } else {
            WebPkiClientVerifier::no_client_auth()
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![cert.der().clone()], key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = identity.alpn.protocols();
        // Room for a matrix of sources and targets, so that none of its tickets is forgotten.
        config.session_storage = ServerSessionMemoryCache::new(16 * 1024);
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// A certificate that [`Identity::asks_clients`] accepts.
    pub(super) fn client(&self, name: &str) -> io::Result<ClientCertificate> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        Ok(ClientCertificate {
            pem: cert.pem(),
            der: cert.der().to_vec(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn leaf(identity: &Identity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = if identity.certificate == Certificate::WrongName {
        CertificateParams::new(["wrong.invalid".to_owned()])?
    } else {
        let mut params = CertificateParams::new(identity.names.clone())?;
        let ips = identity.ips.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(ips);
        params
    };
    params
        .distinguished_name
        .push(DnType::CommonName, "pool testing leaf");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    match identity.certificate {
        Certificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
        Certificate::ExpiresIn(time) => params.not_after = (SystemTime::now() + time).into(),
        Certificate::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
        _ => {}
    }
    Ok(params)
}
