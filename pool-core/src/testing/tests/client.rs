//! The smallest clients that can talk to a fleet, for the tests beside it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::testing::ClientCertificate;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: String,
    config: Arc<ClientConfig>,
    source: Option<IpAddr>,
}

impl Client {
    /// Trusts `ca`, offers `alpn`, keeps its TLS sessions.
    pub(super) fn new(ca: &[u8], name: &str, alpn: &[&str]) -> Self {
        Self::showing(None, ca, name, alpn)
    }

    /// As `new`, with a certificate of its own.
    pub(super) fn showing(
        shown: Option<&ClientCertificate>,
        ca: &[u8],
        name: &str,
        alpn: &[&str],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(ca.to_vec())).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            Some(shown) => {
                let chain = vec![CertificateDer::from(shown.der.clone())];
                let key = PrivateKeyDer::from_pem_slice(shown.key_pem.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|id| id.as_bytes().to_vec()).collect();
        Self {
            name: name.to_owned(),
            config: Arc::new(config),
            source: None,
        }
    }

    pub(super) fn from(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    pub(super) async fn connect(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let tcp = socket.connect(addr).await?;
        let name = ServerName::try_from(self.name.clone()).unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, tcp).await
    }

    pub(super) async fn h1(&self, addr: SocketAddr) -> H1 {
        let io = TokioIo::new(self.connect(addr).await.unwrap());
        let (send, driver) = http1::handshake(io).await.unwrap();
        H1 {
            send,
            driver: tokio::spawn(driver),
        }
    }

    pub(super) async fn h2(&self, addr: SocketAddr) -> H2 {
        let io = self.connect(addr).await.unwrap();
        let (send, driver) = h2::client::handshake(io).await.unwrap();
        H2 {
            send,
            driver: tokio::spawn(driver),
        }
    }
}

pub(super) struct H1 {
    send: http1::SendRequest<Full<Bytes>>,
    /// Ends with the connection.
    pub(super) driver: JoinHandle<hyper::Result<()>>,
}

impl H1 {
    pub(super) async fn send(&mut self, request: Request<Bytes>) -> hyper::Result<Response<Bytes>> {
        let response = self.send.send_request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}

pub(super) struct H2 {
    send: h2::client::SendRequest<Bytes>,
    /// Ends with the connection.
    pub(super) driver: JoinHandle<Result<(), h2::Error>>,
}

impl H2 {
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, h2::Error> {
        let (head, body) = request.into_parts();
        let empty = Request::from_parts(head, Bytes::new());
        self.begin(empty).await.finish(&body).await
    }

    /// Sends the head alone.
    pub(super) async fn begin(&self, request: Request<Bytes>) -> Upload {
        let send = self.send.clone().ready().await;
        let sent = send.and_then(|mut send| send.send_request(request.map(drop), false));
        Upload(sent)
    }
}

/// A request whose body is still to come.
pub(super) struct Upload(Result<(ResponseFuture, SendStream<Bytes>), h2::Error>);

impl Upload {
    pub(super) async fn finish(self, body: &[u8]) -> Result<Response<Bytes>, h2::Error> {
        let (response, mut stream) = self.0?;
        stream.send_data(Bytes::copy_from_slice(body), true)?;
        let (head, body) = response.await?.into_parts();
        Ok(Response::from_parts(head, read(body).await?))
    }
}

async fn read(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut whole = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

/// A GET of `url`, or a POST of `body`, with this request id.
pub(super) fn request(url: &str, id: &str, body: &'static [u8]) -> Request<Bytes> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    Request::builder()
        .method(method)
        .uri(url)
        .header("host", "origin.test")
        .header("x-request-id", id)
        .body(Bytes::from_static(body))
        .unwrap()
}
