//! A request of plain hyper that travels under a browser's fingerprint, without a pool.
//!
//! ```text
//! cargo run -p pool-tls --example with_hyper                                  asks a server in this process
//! cargo run -p pool-tls --example with_hyper -- https://example.com/          asks that one
//! cargo run -p pool-tls --example with_hyper -- https://localhost:8443/ ca.pem    whose authority is in that file
//! ```
//!
//! With `--features boring` the hello is Chromium's. Without, it is what rustls can do of it, and the plan says so.

use std::error::Error;
use std::io::Cursor;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
#[cfg(feature = "boring")]
use pool_tls::BoringConnector as Connector;
#[cfg(not(feature = "boring"))]
use pool_tls::RustlsConnector as Connector;
use pool_tls::client_hello::ClientHello;
use pool_tls::spec::Profile;
use pool_tls::{BoxedIo, Roots, TlsConnector, TlsContext, TlsSession};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

type Anything = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let mut arguments = std::env::args().skip(1);
    let (uri, io, connector) = match arguments.next() {
        Some(uri) => {
            let uri: Uri = uri.parse()?;
            let host = uri.host().ok_or("the URL has no host")?.to_owned();
            let mut builder = Connector::builder();
            if let Some(file) = arguments.next() {
                builder = builder.add_ca_pem(&std::fs::read(file)?)?;
            }
            let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
            (uri, Box::new(tcp) as BoxedIo, builder.build()?)
        }
        None => {
            let (io, certificate) = server_in_memory()?;
            let builder = Connector::builder().roots(Roots::None);
            let connector = builder.add_ca_der(&certificate)?.build()?;
            (Uri::from_static("https://localhost/"), io, connector)
        }
    };

    // Once per profile. To go on only if the hello is the browser's own: `plan.require(Fidelity::Exact)?`.
    let profile = Arc::new(Profile::built_in("chromium-156")?);
    let plan = connector.plan(&profile)?;
    println!("profile {}, hello {}", plan.profile_id(), plan.fidelity());

    // Once per connection. The protocols that are offered are the profile's.
    let host = uri.host().unwrap_or_default();
    let session = connector.connect(&TlsContext::new(host, &plan), io).await?;
    println!("{}, {session:?}", session.version);
    let response = send(session, &uri).await?;
    println!("{:?} {}", response.version(), response.status());
    let body = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));
    Ok(())
}

/// Asks for `uri` in the protocol that was agreed on. The HTTP/2 opening is hyper's, not the browser's, and so are the
/// headers: the ones of the profile would claim more than is true.
async fn send(session: TlsSession, uri: &Uri) -> Result<Response<Incoming>, Anything> {
    let io = TokioIo::new(session.io);
    if session.alpn.as_deref() == Some(b"h2") {
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        let request = Request::get(uri).body(Empty::<Bytes>::new())?;
        return Ok(client.send_request(request).await?);
    }
    let (mut client, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().ok_or("the URL has no authority")?.as_str();
    let request = Request::get(path).header(HOST, authority);
    Ok(client
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?)
}

/// A server that answers with the JA4 of its client: our end of the connection, and the certificate to trust.
fn server_in_memory() -> Result<(BoxedIo, Vec<u8>), Anything> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().to_vec();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.into())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (ours, theirs) = tokio::io::duplex(16 * 1024);
    tokio::spawn(async move {
        if let Err(error) = serve(config, theirs).await {
            eprintln!("server: {error}");
        }
    });
    Ok((Box::new(ours), certificate))
}

async fn serve(config: ServerConfig, mut io: DuplexStream) -> Result<(), Anything> {
    // The hello is read here, and then given to rustls as if nobody had.
    let mut start = Vec::new();
    let hello = loop {
        if io.read_buf(&mut start).await? == 0 {
            return Err("the client closed before its hello".into());
        }
        match ClientHello::parse(&start) {
            Ok(hello) => break hello,
            Err(error) if error.more().is_some() => {}
            Err(error) => return Err(error.into()),
        }
    };
    let (read, write) = tokio::io::split(io);
    let io = tokio::io::join(Cursor::new(start).chain(read), write);
    let stream = TlsAcceptor::from(Arc::new(config)).accept(io).await?;
    let answer = format!("JA4 {}", hello.ja4());
    let service = service_fn(move |_: Request<Incoming>| {
        let body = Full::new(Bytes::from(answer.clone()));
        async { Ok::<_, std::convert::Infallible>(Response::new(body)) }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}
