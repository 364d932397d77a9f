//! A certificate authority for one test, and the leaf it signs.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::ServerSessionMemoryCache;

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
    /// As `Valid`, but it begins in 4000.
    NotYetValid,
    /// For the right names, signed by its own key.
    SelfSigned,
    /// Signed by an authority of the same name with another key.
    UnknownAuthority,
    /// Signed by the authority, for `wrong.invalid` and no address.
    WrongName,
}

/// The names a leaf is for.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) names: Vec<String>,
    pub(super) ips: Vec<IpAddr>,
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

    /// The server side of TLS for `names`.
    pub(super) fn acceptor(
        &self,
        names: &Names,
        certificate: Certificate,
        alpn: Alpn,
    ) -> io::Result<TlsAcceptor> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = leaf(names, certificate).map_err(io::Error::other)?;
        let cert = match certificate {
            Certificate::SelfSigned => params.self_signed(&key),
            Certificate::UnknownAuthority => params.signed_by(&key, &Self::new()?.issuer),
            _ => params.signed_by(&key, &self.issuer),
        }
        .map_err(io::Error::other)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = alpn.protocols();
        // Room for a matrix of sources and targets, so that none of its tickets is forgotten.
        config.session_storage = ServerSessionMemoryCache::new(16 * 1024);
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn leaf(names: &Names, certificate: Certificate) -> Result<CertificateParams, rcgen::Error> {
    let mut params = if certificate == Certificate::WrongName {
        CertificateParams::new(["wrong.invalid".to_owned()])?
    } else {
        let mut params = CertificateParams::new(names.names.clone())?;
        let ips = names.ips.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(ips);
        params
    };
    params
        .distinguished_name
        .push(DnType::CommonName, "pool testing leaf");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    match certificate {
        Certificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
        Certificate::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
        _ => {}
    }
    Ok(params)
}
