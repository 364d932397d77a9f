//! What only the inline engine does.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

use super::*;
use crate::config::Http1Engine;
use crate::error::ErrorKind;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn asking() -> Request<Body> {
    let mut request = post("hello");
    request
        .headers_mut()
        .insert("expect", "100-continue".parse().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_until_the_peer_wants_it() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(Http1Engine::Inline, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        pass(Duration::from_millis(500)).await;
        assert!(pin!(peer.read_u8()).now_or_never().is_none(), "not asked");
        peer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .unwrap();
        let wanted = tokio::time::Instant::now();
        read_until(&mut peer, "hello").await;
        assert_eq!(wanted.elapsed(), Duration::ZERO);
        peer.write_all(OK).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(asking()), serve);
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(rig.next().await, Event::Returned(None));
}

#[tokio::test(start_paused = true)]
async fn a_body_does_not_wait_for_ever() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(Http1Engine::Inline, io).await;
    let serve = async {
        read_until(&mut peer, "hello").await;
        peer.write_all(OK).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(asking()), serve);
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_peer_may_refuse_a_body_it_was_asked_about() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(Http1Engine::Inline, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(asking()), serve);
    assert_eq!(response.unwrap().status(), 417);
    // The body was announced and never came: what follows on this connection could be taken for it.
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.end().await, (unfinished, Some(unfinished)));
}

#[tokio::test(start_paused = true)]
async fn informational_heads_have_an_end() {
    let (io, mut peer) = tokio::io::duplex(64 * 1024);
    let rig = Rig::h1(Http1Engine::Inline, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        let heads = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(101);
        peer.write_all(&heads).await.unwrap();
        peer.write_all(OK).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(response.unwrap_err().error.kind(), ErrorKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_as_long_as_was_said_is_the_callers_fault() {
    for length in ["0", "2", "4"] {
        let (io, _peer) = tokio::io::duplex(1024);
        let mut rig = Rig::h1(Http1Engine::Inline, io).await;
        let (feed, body) = fed();
        feed.send(piece("abc")).unwrap();
        drop(feed);
        let mut request = post(body);
        request
            .headers_mut()
            .insert("content-length", length.parse().unwrap());
        let failed = rig.send(request).await.unwrap_err();
        assert_eq!(failed.evidence, Evidence::RequestFailed, "{length}");
        let unfinished = CloseReason::Unfinished;
        assert_eq!(rig.end().await, (unfinished, Some(unfinished)));
    }
}

/// A stream of somebody else's that panics when it is written to.
struct Panics;

impl AsyncRead for Panics {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Panics {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        panic!("expected by this test")
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_costs_its_request_and_its_connection() {
    let mut rig = Rig::h1(Http1Engine::Inline, Panics).await;
    let sent = AssertUnwindSafe(rig.send(get())).catch_unwind().await;
    assert!(sent.is_err());
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.end().await, (unfinished, Some(unfinished)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_used_up_its_turn_still_sees_what_the_peer_said() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(Http1Engine::Inline, io).await;
    assert!(rig.is_quiet().await);
    peer.write_all(OK).await.unwrap();
    // Every stream of the runtime now tells this task that there is nothing, whatever there is.
    while coop::has_budget_remaining() {
        let _left = coop::consume_budget().now_or_never();
    }
    // Whoever watches has not run yet.
    assert!(!rig.conn.is_open());
    assert_eq!(rig.next().await, Event::Closed(CloseReason::Unsolicited));
}

/// A stream that does something while it is read from.
struct Meanwhile {
    io: DuplexStream,
    act: Box<dyn FnMut() + Send>,
}

impl AsyncRead for Meanwhile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        (self.act)();
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Meanwhile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

type Act = Box<dyn FnOnce() + Send>;

/// Begins an exchange while the connection is looked at; the peer has said `before`.
async fn begun_while_looked_at(
    before: &[u8],
) -> (Rig, Result<Response<PoolBody>, ExchangeError>, DuplexStream) {
    let (io, mut peer) = tokio::io::duplex(1024);
    let when_looked_at: Arc<Mutex<Option<Act>>> = Arc::default();
    let then = when_looked_at.clone();
    let act = Box::new(move || {
        let then = then.lock().unwrap().take();
        if let Some(then) = then {
            then();
        }
    });
    let rig = Arc::new(Rig::h1(Http1Engine::Inline, Meanwhile { io, act }).await);
    pass(Duration::from_millis(1)).await;
    peer.write_all(before).await.unwrap();
    let sending = {
        let rig = rig.clone();
        Box::pin(async move { rig.send(get()).await })
    };
    let sending = Arc::new(Mutex::new(Some(sending)));
    let begin = sending.clone();
    *when_looked_at.lock().unwrap() = Some(Box::new(move || {
        let mut sending = begin.lock().unwrap();
        let polled = sending.as_mut().unwrap().as_mut().now_or_never();
        assert!(polled.is_none(), "somebody else has the socket");
    }));
    assert_eq!(rig.conn.is_open(), before.is_empty());
    let sending = sending.lock().unwrap().take().unwrap();
    let serve = async {
        if before.is_empty() {
            read_until(&mut peer, "\r\n\r\n").await;
            peer.write_all(OK).await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(sending, serve);
    let rig = Arc::into_inner(rig).expect("the request has ended");
    (rig, answer, peer)
}

#[tokio::test(start_paused = true)]
async fn an_exchange_may_begin_while_the_connection_is_looked_at() {
    let (mut rig, answer, _peer) = begun_while_looked_at(b"").await;
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_sends_nothing_if_the_look_was_bad() {
    let (_rig, answer, mut peer) = begun_while_looked_at(OK).await;
    assert_eq!(answer.unwrap_err().evidence, Evidence::NotSent);
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"");
}
