//! Checks that an implementation of this crate's traits keeps their promises; for the tests of its author.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::spec::Profile;
use crate::{
    BoxedIo, FingerprintContext, FingerprintSource, Plan, ProfileId, TlsConfigId, TlsConnector,
    TlsContext, TlsErrorKind, TlsSession, self_check,
};

/// Checks a [`TlsConnector`], under its own hello and under each of `profiles`.
///
/// `peer` opens a new connection to a TLS server that the connector trusts as `server_name`, that agrees to the
/// protocol `http/1.1`, and that sends back what it reads. An end of a `tokio::io::duplex` whose other end a spawned
/// task serves will do. A connector that waits for what never comes makes this wait too: run it under a time limit.
///
/// # Panics
///
/// With the promise that was broken.
pub async fn connector(
    connector: &dyn TlsConnector,
    server_name: &str,
    profiles: &[Arc<Profile>],
    peer: &(dyn Fn() -> BoxedIo + Sync),
) {
    let id = connector.config_id();
    assert_ne!(
        id,
        TlsConfigId::default(),
        "a TLS configuration has an identity"
    );
    assert_eq!(id, connector.config_id(), "the identity does not change");

    let native = Arc::new(Profile::native());
    for profile in [&native].into_iter().chain(profiles) {
        let plan = match connector.plan(profile) {
            Ok(plan) => plan,
            Err(error) => panic!("cannot plan `{}`: {error}: {error:?}", profile.id),
        };
        assert_eq!(
            plan.profile(),
            profile,
            "the profile planned is the one asked for"
        );
        assert_eq!(
            plan.made_by(),
            id,
            "a plan names the connector that made it"
        );
        sends_what_the_plan_says(connector, &plan).await;
        refuses_what_it_cannot_send(connector, server_name, &plan).await;
        reports_a_peer_without_tls(connector, server_name, &plan).await;
        connects(connector, server_name, &plan, peer).await;
        keeps_tickets_in_their_scope(connector, server_name, &plan, peer).await;
    }
    assert_eq!(id, connector.config_id(), "the identity does not change");
}

/// Checks a [`FingerprintSource`] that is used with a connector of these profiles.
///
/// It is asked about odd hosts, partitions and classes, and then about a plain one some thousand times, by several threads at once.
///
/// # Panics
///
/// With the promise that was broken: it chooses what cannot be sent, or panics.
pub fn source(source: &dyn FingerprintSource, can_send: &[ProfileId]) {
    let long = "a".repeat(300);
    let names = [None, Some(""), Some("a"), Some("Ä \u{1f980}"), Some(&*long)];
    for host in HOSTS {
        for port in [0, 1, 443, u16::MAX] {
            for partition in names {
                for class in names {
                    let cx = FingerprintContext::new(host, port)
                        .with_partition(partition)
                        .with_source_class(class);
                    chooses(source, can_send, &cx);
                }
            }
        }
    }
    thread::scope(|scope| {
        let ask = || {
            for _ in 0..ASKS {
                chooses(source, can_send, &FingerprintContext::new(HOSTS[0], 443));
            }
        };
        for thread in [(); 4].map(|()| scope.spawn(ask)) {
            // The message of the first thread that found something.
            thread.join().unwrap_or_else(|found| resume_unwind(found));
        }
    });
}

fn chooses(source: &dyn FingerprintSource, can_send: &[ProfileId], cx: &FingerprintContext<'_>) {
    let chosen = catch_unwind(AssertUnwindSafe(|| source.choose(cx)))
        .unwrap_or_else(|_| panic!("panicked for {cx:?}"));
    assert!(
        can_send.contains(&chosen),
        "chose `{chosen}` for {cx:?}, which is not one of {can_send:?}"
    );
}

/// Names of one label and of several, in any spelling, and addresses.
const HOSTS: [&str; 7] = [
    "example.com",
    "EXAMPLE.com.",
    "localhost",
    "xn--bcher-kva.example",
    "192.0.2.1",
    "2001:db8::1",
    "",
];

/// By each thread: enough for a source that wears out.
const ASKS: usize = 1_000;

async fn sends_what_the_plan_says(connector: &dyn TlsConnector, plan: &Plan) {
    let sent = match self_check(connector, plan, 8).await {
        Ok(sent) => sent,
        Err(error) => panic!("no hello of `{}`: {error}: {error:?}", plan.profile_id()),
    };
    assert_eq!(
        sent.map(|report| report.grade),
        plan.report().map(|report| report.grade),
        "the grade of what is sent is the one that was planned"
    );
}

async fn refuses_what_it_cannot_send(connector: &dyn TlsConnector, server_name: &str, plan: &Plan) {
    let of_another = Plan::own_hello(plan.profile().clone(), TlsConfigId::unique());
    let cases = [
        (server_name, &of_another, TlsErrorKind::UnknownProfile),
        ("", plan, TlsErrorKind::ServerName),
        ("not a name", plan, TlsErrorKind::ServerName),
        ("[::1]", plan, TlsErrorKind::ServerName),
    ];
    for (name, plan, expected) in cases {
        let profile = plan.profile_id();
        let peer = Script::default();
        let written = Arc::clone(&peer.written);
        let result = connector
            .connect(&TlsContext::new(name, plan), Box::new(peer))
            .await;
        assert_eq!(
            kind_of(result),
            Err(expected),
            "connecting to `{name}` as `{profile}`"
        );
        assert_eq!(
            written.load(Ordering::Relaxed),
            0,
            "bytes sent to `{name}` as `{profile}`, which must be refused before"
        );
    }
}

async fn reports_a_peer_without_tls(connector: &dyn TlsConnector, server_name: &str, plan: &Plan) {
    let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
    for (input, expected) in [
        (&b""[..], TlsErrorKind::Closed),
        (http, TlsErrorKind::NotTls),
    ] {
        let peer = Script {
            input,
            ..Script::default()
        };
        let result = connector
            .connect(&TlsContext::new(server_name, plan), Box::new(peer))
            .await;
        assert_eq!(
            kind_of(result),
            Err(expected),
            "the peer sent `{}` and closed",
            input.escape_ascii()
        );
    }
}

async fn connects(
    connector: &dyn TlsConnector,
    server_name: &str,
    plan: &Plan,
    peer: &(dyn Fn() -> BoxedIo + Sync),
) {
    let cx = TlsContext::new(server_name, plan).with_scope("conformance: connects");
    let offered = cx.with_alpn(&[b"http/1.1"]);
    let session = exchange(connector, &offered, peer).await;
    assert_eq!(
        session.profile,
        *plan.profile_id(),
        "the profile sent is the one asked for"
    );
    assert_eq!(session.alpn.as_deref(), Some(&b"http/1.1"[..]));

    if plan.profile().hello.is_none() {
        let session = exchange(connector, &cx, peer).await;
        assert_eq!(session.alpn, None, "a protocol agreed on, but none offered");
    }
}

async fn keeps_tickets_in_their_scope(
    connector: &dyn TlsConnector,
    server_name: &str,
    plan: &Plan,
    peer: &(dyn Fn() -> BoxedIo + Sync),
) {
    let cx = TlsContext::new(server_name, plan);
    exchange(connector, &cx.with_scope("conformance: one"), peer).await;
    let other = exchange(connector, &cx.with_scope("conformance: two"), peer).await;
    assert!(
        !other.resumed,
        "a session of another scope was resumed, which links the two"
    );
}

/// Connects and sends a few bytes to and fro, which is also when tickets arrive.
async fn exchange(
    connector: &dyn TlsConnector,
    cx: &TlsContext<'_>,
    peer: &(dyn Fn() -> BoxedIo + Sync),
) -> TlsSession {
    let mut session = match connector.connect(cx, peer()).await {
        Ok(session) => session,
        Err(error) => panic!("cannot connect ({cx:?}): {error}: {error:?}"),
    };
    if let Err(error) = echo(&mut session.io, b"ping").await {
        panic!("the session does not carry bytes ({cx:?}): {error}");
    }
    session
}

async fn echo(io: &mut BoxedIo, message: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < message.len() {
        let rest = &message[sent..];
        sent += poll_fn(|task| Pin::new(&mut *io).poll_write(task, rest)).await?;
    }
    poll_fn(|task| Pin::new(&mut *io).poll_flush(task)).await?;

    let mut back = vec![0; message.len()];
    let mut buf = ReadBuf::new(&mut back);
    while buf.remaining() > 0 {
        let before = buf.remaining();
        poll_fn(|task| Pin::new(&mut *io).poll_read(task, &mut buf)).await?;
        if buf.remaining() == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    assert_eq!(buf.filled(), message, "bytes changed on the way");
    Ok(())
}

fn kind_of(result: Result<TlsSession, crate::TlsError>) -> Result<(), TlsErrorKind> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(error.kind()),
    }
}

/// A peer that sends `input`, closes, and counts what it is sent. It never makes anybody wait.
#[derive(Default)]
struct Script {
    input: &'static [u8],
    written: Arc<AtomicUsize>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.input.split_at(self.input.len().min(buf.remaining()));
        buf.put_slice(now);
        self.input = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.fetch_add(buf.len(), Ordering::Relaxed);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
