//! The listener: connections until there are hellos enough.

use std::net::SocketAddr;
use std::time::Duration;

use pool_tls::client_hello::ClientHello;
use pool_tls::http2_opening::Http2Opening;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::conn::{Event, Heard, Said, hear};
use super::identity::{self, Identity};
use crate::args::CaptureArgs;
use crate::exit::Failure;
use crate::output::{note, printable};
use crate::signal::Interrupt;

/// What was captured.
#[derive(Default)]
pub(super) struct Captured {
    /// Of full handshakes.
    pub(super) hellos: Vec<ClientHello>,
    pub(super) resumed: usize,
    pub(super) openings: Vec<Http2Opening>,
    pub(super) user_agent: Option<String>,
    /// Connections that have said a hello, and may say more.
    under_way: usize,
}

/// Why no more connections were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Enough,
    TimedOut,
    Interrupted,
}

/// Connections at a time; the operating system keeps more of them waiting.
const CONNS: usize = 64;

/// How long connections that have said their hello may go on when there are enough of them.
const REST: Duration = Duration::from_secs(5);

/// Listens until there are as many hellos as were asked for, the time is over, or an interrupt comes.
///
/// # Errors
///
/// Exit 3: it cannot listen there.
pub(super) async fn listen(args: &CaptureArgs) -> Result<(Captured, End), Failure> {
    let Identity { acceptor, sha256 } = identity::identity()?;
    let interrupt = Interrupt::listen().map_err(|error| {
        Failure::environment(
            format!("no signals: {error}"),
            "this is the operating system's",
        )
    })?;
    let cannot = |error: std::io::Error| {
        Failure::environment(
            format!("cannot listen on {}: {error}", args.listen),
            "give an address of this machine and a port that is free to --listen; port 0 takes any",
        )
    };
    let listener = TcpListener::bind(args.listen).await.map_err(cannot)?;
    let addr = listener.local_addr().map_err(cannot)?;
    note(&format!(
        "listening on https://{addr}/\nthe certificate's SHA-256 is {sha256}"
    ));

    let (tell, mut events) = mpsc::channel(CONNS);
    let (close, closing) = watch::channel(false);
    let mut conns = JoinSet::new();
    let mut captured = Captured::default();
    let deadline = Instant::now() + args.timeout;
    let end = loop {
        if captured.hellos.len() >= args.count.get() {
            break End::Enough;
        }
        tokio::select! {
            accepted = listener.accept(), if conns.len() < CONNS => {
                // A connection that is gone before it is accepted is none of ours.
                if let Ok((tcp, peer)) = accepted {
                    conns.spawn(hear(tcp, peer, acceptor.clone(), tell.clone(), closing.clone()));
                }
            }
            Some(event) = events.recv() => captured.take(event),
            Some(_) = conns.join_next() => {}
            () = tokio::time::sleep_until(deadline) => break End::TimedOut,
            () = interrupt.clone().come() => break End::Interrupted,
        }
    };
    drop(listener);
    let rest = Instant::now() + REST;
    while captured.under_way > 0
        && let Ok(Some(event)) = timeout_at(rest, events.recv()).await
    {
        captured.take(event);
    }
    close.send_replace(true);
    drop(events);
    // Those that have not said a hello have nothing to lose, and the others say goodbye within this.
    let _ = timeout_at(Instant::now() + GOODBYE, async {
        while conns.join_next().await.is_some() {}
    })
    .await;
    Ok((captured, end))
}

const GOODBYE: Duration = Duration::from_secs(1);

impl Captured {
    fn take(&mut self, event: Event) {
        match event {
            Event::Hello(hello) => {
                self.under_way += 1;
                if hello.resumes() {
                    self.resumed += 1;
                } else {
                    self.hellos.push(*hello);
                }
            }
            Event::Heard(peer, Heard::NoHello(why)) => note(&format!("{peer}: {why}")),
            Event::Heard(peer, Heard::Hello { hello, said }) => {
                self.under_way -= 1;
                note(&line(peer, &hello, &said));
                self.hear(said);
            }
        }
    }

    fn hear(&mut self, said: Result<Said, String>) {
        let user_agent = match said {
            Ok(Said::Http2(opening)) => {
                let user_agent = header(&opening, "user-agent");
                self.openings.push(*opening);
                user_agent
            }
            Ok(Said::Http1 { user_agent }) => user_agent,
            Err(_) => None,
        };
        if self.user_agent.is_none() {
            self.user_agent = user_agent;
        }
    }
}

/// The value of a header of the first request.
fn header(opening: &Http2Opening, name: &str) -> Option<String> {
    let mut headers = opening.request.iter().flat_map(|request| &request.headers);
    let found = headers.find(|(header, _)| header == name);
    found.map(|(_, value)| value.clone())
}

/// What was seen on one connection.
fn line(peer: SocketAddr, hello: &ClientHello, said: &Result<Said, String>) -> String {
    let alpn = hello.alpn();
    let alpn: Vec<_> = alpn
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    let alpn = match alpn.as_slice() {
        [] => "none".to_owned(),
        names => printable(&names.join(",")),
    };
    let resumed = if hello.resumes() {
        ", resumed: does not count"
    } else {
        ""
    };
    let said = match said {
        Ok(Said::Http2(opening)) => format!("HTTP/2 {}", opening.akamai()),
        Ok(Said::Http1 { .. }) => "HTTP/1.1".to_owned(),
        Err(why) => printable(why),
    };
    format!("{peer}: JA4 {}, ALPN {alpn}{resumed}; {said}", hello.ja4())
}
