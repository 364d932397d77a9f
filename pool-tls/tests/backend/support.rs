//! An authority and its servers.

use std::sync::Arc;

use pool_tls::{
    BoxedIo, Plan, Roots, TlsConnector, TlsContext, TlsError, TlsErrorKind, TlsSession,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use crate::{Connector, ConnectorBuilder};

pub(crate) const NAME: &str = "example.com";

pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        Self::named("pool-tls test authority")
    }

    pub(crate) fn named(common_name: &str) -> Self {
        Self::made(common_name, |params, key| params.self_signed(key).unwrap())
    }

    /// An authority that this one vouches for.
    pub(crate) fn below(&self, common_name: &str) -> Self {
        let issuer = &self.issuer;
        Self::made(common_name, |params, key| {
            params.signed_by(key, issuer).unwrap()
        })
    }

    fn made(
        common_name: &str,
        sign: impl FnOnce(&CertificateParams, &KeyPair) -> rcgen::Certificate,
    ) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let cert = sign(&params, &key);
        Self {
            pem: cert.pem(),
            der: cert.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `names`, with its key.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, |_| ())
    }

    pub(crate) fn leaf_with(
        &self,
        names: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { cert, key }
    }

    /// A connector that trusts this authority and no other.
    pub(crate) fn trusted(&self) -> ConnectorBuilder {
        let builder = Connector::builder().roots(Roots::None);
        builder.add_ca_pem(self.pem.as_bytes()).unwrap()
    }
}

pub(crate) struct Leaf {
    pub(crate) cert: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

/// A TLS server that sends back what it reads.
pub(crate) struct Server {
    config: ServerConfig,
    client_certs: mpsc::UnboundedSender<Option<CertificateDer<'static>>>,
    /// The certificate that each client showed, in the order of finished handshakes.
    pub(crate) seen: mpsc::UnboundedReceiver<Option<CertificateDer<'static>>>,
}

impl Server {
    pub(crate) fn new(leaf: &Leaf) -> Self {
        Self::build(leaf, None, rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn asking_for_client_certs_of(leaf: &Leaf, ca: &Ca) -> Self {
        Self::build(leaf, Some(ca), rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn of_version(leaf: &Leaf, version: &'static SupportedProtocolVersion) -> Self {
        Self::build(leaf, None, &[version])
    }

    fn build(
        leaf: &Leaf,
        client_ca: Option<&Ca>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match client_ca {
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.der.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
        let config = builder
            .with_single_cert(vec![leaf.cert.der().clone()], key)
            .unwrap();
        let (client_certs, seen) = mpsc::unbounded_channel();
        Self {
            config,
            client_certs,
            seen,
        }
    }

    pub(crate) fn alpn(mut self, protocols: &[&[u8]]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        self
    }

    /// Opens a connection; a task serves its other end until it closes.
    pub(crate) fn open(&self) -> BoxedIo {
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let config = Arc::new(self.config.clone());
        tokio::spawn(serve(config, theirs, self.client_certs.clone()));
        Box::new(ours)
    }

    /// Opens a connection that the server ends right after the handshake, in one of two ways.
    pub(crate) fn open_to_end(&self, end: End) -> BoxedIo {
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(self.config.clone()));
        tokio::spawn(async move {
            let mut stream = acceptor.accept(theirs).await.unwrap();
            if let End::Said = end {
                stream.shutdown().await.unwrap();
            }
        });
        Box::new(ours)
    }
}

/// How a server ends a connection.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// With close_notify.
    Said,
    /// Without, as anybody on the path could.
    Cut,
}

async fn serve(
    config: Arc<ServerConfig>,
    io: DuplexStream,
    client_certs: mpsc::UnboundedSender<Option<CertificateDer<'static>>>,
) {
    let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(io).await else {
        return; // The client has the other half of this story.
    };
    let chain = stream.get_ref().1.peer_certificates();
    let _ = client_certs.send(chain.map(|chain| chain[0].clone()));
    let (mut read, mut write) = tokio::io::split(stream);
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

pub(crate) async fn connect(
    connector: &Connector,
    cx: TlsContext<'_>,
    io: BoxedIo,
) -> Result<TlsSession, TlsError> {
    connector.connect(&cx, io).await
}

/// Connects to `server` as [`NAME`] in `scope`, and exchanges some bytes, which brings the tickets.
pub(crate) async fn exchange(connector: &Connector, server: &Server, scope: &str) -> TlsSession {
    let plan = Plan::native(connector.config_id());
    ping(
        connector,
        server,
        TlsContext::new(NAME, &plan).with_scope(scope),
    )
    .await
}

/// The same under a plan.
pub(crate) async fn exchange_under(
    connector: &Connector,
    server: &Server,
    plan: &Plan,
) -> TlsSession {
    ping(connector, server, TlsContext::new(NAME, plan)).await
}

async fn ping(connector: &Connector, server: &Server, cx: TlsContext<'_>) -> TlsSession {
    let mut session = connect(connector, cx, server.open()).await.unwrap();
    echo(&mut session.io).await;
    session
}

/// Sends some bytes and reads them back.
pub(crate) async fn echo(io: &mut BoxedIo) {
    io.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    io.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ping");
}

/// The kind of error that connecting to `server` as `name` ends with.
pub(crate) async fn failure(connector: &Connector, server: &Server, name: &str) -> TlsErrorKind {
    let plan = Plan::native(connector.config_id());
    let result = connect(connector, TlsContext::new(name, &plan), server.open()).await;
    result.unwrap_err().kind()
}
