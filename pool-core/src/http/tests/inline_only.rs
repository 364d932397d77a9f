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
) -> (Rig, Result<Response<PoolBody>, Failed>, DuplexStream) {
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

/// Asks a peer to speak `asked`, which answers `answer`.
async fn switching(
    asked: &'static str,
    answer: &str,
) -> (Rig, Result<Response<PoolBody>, Failed>, DuplexStream) {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(Http1Engine::Inline, io).await;
    let mut request = get();
    let fields = request.headers_mut();
    fields.insert("connection", "keep-alive, Upgrade".parse().unwrap());
    fields.insert("upgrade", asked.parse().unwrap());
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(answer.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(request), serve);
    (rig, response, peer)
}

const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhi";

#[tokio::test(start_paused = true)]
async fn a_connection_is_handed_out_after_a_switch() {
    let (mut rig, response, mut peer) = switching("chat, Echo", SWITCHED).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 101);
    let mut upgraded = response.into_body().into_upgraded().unwrap();
    assert_eq!(upgraded.conn_info().id, ConnId(7));
    let mut hi = [0; 2];
    upgraded.read_exact(&mut hi).await.unwrap();
    assert_eq!(&hi, b"hi", "what came with the head comes first");
    upgraded.write_all(b"ping").await.unwrap();
    assert_eq!(read_until(&mut peer, "ping").await, "ping");
    // Half-closed: the peer sees the end, and still answers.
    upgraded.shutdown().await.unwrap();
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
    peer.write_all(b"late").await.unwrap();
    let mut late = [0; 4];
    upgraded.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"late");
    assert!(rig.is_quiet().await, "leased until it is dropped");
    drop(upgraded);
    let over = CloseReason::Upgraded;
    assert_eq!(rig.end().await, (over, Some(over)));
}

#[tokio::test(start_paused = true)]
async fn both_halves_of_a_switched_connection_learn_of_its_end() {
    let (rig, response, _peer) = switching("echo", SWITCHED).await;
    let upgraded = response.unwrap().into_body().into_upgraded().unwrap();
    let (mut reader, mut writer) = tokio::io::split(upgraded);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap_err().kind()
    });
    let writing = tokio::spawn(async move {
        // More than the pipe holds.
        writer.write_all(&[0; 4096]).await.unwrap_err().kind()
    });
    pass(Duration::from_millis(1)).await;
    rig.conn.abort(CloseReason::PoolClosed);
    let aborted = io::ErrorKind::ConnectionAborted;
    assert_eq!(
        (reading.await.unwrap(), writing.await.unwrap()),
        (aborted, aborted)
    );
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_nobody_takes_closes_the_connection() {
    let (mut rig, response, _peer) = switching("echo", SWITCHED).await;
    assert!(
        response
            .unwrap()
            .into_body()
            .bytes()
            .await
            .unwrap()
            .is_empty()
    );
    let over = CloseReason::Upgraded;
    assert_eq!(rig.end().await, (over, Some(over)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_may_decline_to_switch() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
    let (mut rig, response, _peer) = switching("echo", answer).await;
    assert_eq!(text(response.unwrap()).await, "no");
    assert_eq!(rig.next().await, Event::Returned(None));
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_something_else_is_refused() {
    let none = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n";
    for (asked, answer) in [("chat", SWITCHED), ("ech", SWITCHED), ("echo", none)] {
        let (mut rig, response, _peer) = switching(asked, answer).await;
        let failed = response.unwrap_err();
        assert_eq!(failed.error.kind(), ErrorKind::Protocol);
        let error = CloseReason::Error;
        assert_eq!(rig.end().await, (error, Some(error)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_back_has_all_its_fields() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(Http1Engine::Inline, io).await;
    let mut request = get();
    request.headers_mut().insert("x-a", "1".parse().unwrap());
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        let early = b"HTTP/1.1 103 Early Hints\r\nx-b: 2\r\n\r\n";
        peer.write_all(early).await.unwrap();
        drop(peer);
    };
    let (failed, ()) = tokio::join!(rig.send(request), serve);
    let request = failed.unwrap_err().request.unwrap();
    assert_eq!(request.headers().len(), 1);
    assert_eq!(request.headers()["x-a"], "1");
}

/// A stream that takes nothing before it has been read from so often.
struct Clogged {
    io: DuplexStream,
    reads: usize,
}

impl AsyncRead for Clogged {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads = self.reads.saturating_sub(1);
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Clogged {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.reads > 0 {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_request_could_be_written_is_not_its_response() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let reads = usize::MAX;
    let mut rig = Rig::h1(Http1Engine::Inline, Clogged { io, reads }).await;
    let speak = async {
        // Looked at by now, and not yet sent.
        pass(Duration::from_secs(1)).await;
        peer.write_all(OK).await.unwrap();
    };
    let (failed, ()) = tokio::join!(rig.send(post("body")), speak);
    let failed = failed.unwrap_err();
    assert_eq!(failed.evidence, Evidence::NotSent);
    assert!(failed.request.is_some());
    let unsolicited = CloseReason::Unsolicited;
    assert_eq!(rig.end().await, (unsolicited, Some(unsolicited)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_wait_for_its_turn_on_the_socket_is_answered() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(Http1Engine::Inline, Clogged { io, reads: 2 }).await;
    assert!(rig.is_quiet().await);
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(OK).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(response.unwrap().status(), 200);
}

/// Takes no byte, and reads from the other end of a pipe.
struct Deaf(DuplexStream);

impl AsyncRead for Deaf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_stream_nothing_is_read_for_a_connection_that_takes_nothing() {
    let (near, far) = tokio::io::duplex(1024);
    let rig = Rig::h1(Http1Engine::Inline, Deaf(near)).await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    drop(feed);
    let hang_up = async {
        pass(Duration::from_millis(1)).await;
        drop(far);
    };
    let (failed, ()) = tokio::join!(rig.send(post(body)), hang_up);
    let failed = failed.unwrap_err();
    assert_eq!(failed.evidence, Evidence::NotSent);
    let request = failed.request.expect("it can be sent again");
    let body = request.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "abc");
}
