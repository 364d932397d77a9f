//! One connection, from its hello to its end.

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use pool_tls::client_hello::ClientHello;
use pool_tls::http2_opening::Http2Opening;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{hello, http};

/// What a connection tells while it goes on; every one ends with [`Event::Heard`].
pub(super) enum Event {
    /// Its hello is there, and it goes on.
    Hello(Box<ClientHello>),
    /// There is nothing more to learn from it.
    Heard(SocketAddr, Heard),
}

/// What became of a connection.
pub(super) enum Heard {
    NoHello(String),
    Hello {
        hello: Box<ClientHello>,
        /// What the client said inside TLS, or why nothing.
        said: Result<Said, String>,
    },
}

/// What a client said inside TLS.
pub(super) enum Said {
    Http2(Box<Http2Opening>),
    Http1 { user_agent: Option<String> },
}

/// How long the handshake and the request may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes what there is to learn from a connection, then keeps it until its client or `closing` ends it.
pub(super) async fn hear(
    mut tcp: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    events: mpsc::Sender<Event>,
    closing: watch::Receiver<bool>,
) {
    // Whoever listens to the events has ended if they cannot be sent, and so will this.
    let (hello, bytes) = match hello::read(&mut tcp).await {
        Ok(read) => read,
        Err(error) => {
            let heard = Heard::NoHello(error.to_string());
            let _ = events.send(Event::Heard(peer, heard)).await;
            return;
        }
    };
    let _ = events.send(Event::Hello(Box::new(hello.clone()))).await;
    let (read, write) = tcp.into_split();
    let tcp = tokio::io::join(Cursor::new(bytes).chain(read), write);
    let mut tls = None;
    let heard = timeout(PATIENCE, async {
        let accepted = acceptor.accept(tcp).await;
        let tls = tls.insert(accepted.map_err(|error| {
            format!("no handshake: {error}; a client that checks certificates must trust this one")
        })?);
        match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => http::http2(tls).await,
            _ => http::http1(tls).await,
        }
    });
    let said = heard
        .await
        .unwrap_or_else(|_elapsed| Err(format!("no request within {} s", PATIENCE.as_secs())));
    let heard = Heard::Hello {
        hello: Box::new(hello),
        said,
    };
    let _ = events.send(Event::Heard(peer, heard)).await;
    if let Some(mut tls) = tls {
        // Closed by both sides, or what was last sent may be lost to a reset.
        let _ = timeout(PATIENCE, until_closed(&mut tls, closing.clone())).await;
        let _ = tls.shutdown().await;
        let _ = timeout(LINGER, drain(&mut tls)).await;
    }
}

/// How long a client may take to close its side at the end.
const LINGER: Duration = Duration::from_millis(500);

async fn until_closed(from: &mut (impl AsyncRead + Unpin), mut closing: watch::Receiver<bool>) {
    tokio::select! {
        () = drain(from) => {}
        // Also if its other end is gone.
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

async fn drain(from: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; 4096];
    while let Ok(1..) = from.read(&mut bytes).await {}
}
