//! What only the inline engine does.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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
