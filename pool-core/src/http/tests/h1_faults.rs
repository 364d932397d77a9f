//! HTTP/1.1: peers that break off, lie or stall, and what is concluded from it.

use super::*;
use crate::error::{ErrorKind, Phase};

/// Sends `request` to a peer that reads to `until`, answers `answer`, and closes if `close`.
async fn meet(
    request: Request<Body>,
    until: &str,
    answer: &str,
    close: bool,
) -> (
    Rig,
    Result<Response<PoolBody>, Failed>,
    Option<DuplexStream>,
) {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, until).await;
        peer.write_all(answer.as_bytes()).await.unwrap();
        (!close).then_some(peer)
    };
    let (response, peer) = tokio::join!(rig.send(request), serve);
    (rig, response, peer)
}

#[tokio::test(start_paused = true)]
async fn close_before_a_reply_is_sent_no_reply() {
    let (mut rig, response, _) = meet(post("body"), "body", "", true).await;
    let failed = response.unwrap_err();
    assert_eq!(failed.evidence, Evidence::SentNoReply);
    assert_eq!(failed.error.kind(), ErrorKind::Protocol);
    assert!(failed.error.conn_info().is_some());
    let request = failed.request.expect("bytes can be sent again");
    assert_eq!(request.uri(), "https://a.test/x");
    assert!(request.headers().is_empty());
    let closed = CloseReason::PeerClosed;
    assert_eq!(rig.end().await, (closed, Some(closed)));
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_a_reply() {
    let (_rig, response, _) = meet(get(), "\r\n\r\n", "HTTP/1.1 2", true).await;
    let failed = response.unwrap_err();
    assert_eq!(failed.evidence, Evidence::ReplyStarted);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_request_does_not_come_back_once_sent() {
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    let (_rig, response, _) = meet(post(body), "abc\r\n", "", true).await;
    let failed = response.unwrap_err();
    assert_eq!(failed.evidence, Evidence::SentNoReply);
    assert!(failed.request.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_closed_connection_comes_back_whole() {
    let (io, peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    drop(peer);
    assert_eq!(rig.next().await, Event::Closed(CloseReason::PeerClosed));
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    drop(feed);
    let failed = rig.send(post(body)).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::NotSent);
    let request = failed.request.unwrap();
    assert_eq!(request.uri(), "https://a.test/x");
    assert!(request.headers().is_empty());
    let body = request.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "abc");
    let closed = Some(CloseReason::PeerClosed);
    assert_eq!(rig.next().await, Event::Returned(closed));
}

#[tokio::test(start_paused = true)]
async fn a_failing_request_body_is_the_callers_fault() {
    let stream = http_body_util::Full::new(Bytes::from_static(b"abc"))
        .map_err(|never| match never {})
        .map_frame(|frame| frame)
        .boxed();
    let body = FailsAfter(stream);
    let (_rig, response, _) = {
        let (io, peer) = tokio::io::duplex(1024);
        let rig = Rig::h1(ENGINE, io).await;
        let response = rig.send(post(Body::wrap(body))).await;
        (rig, response, peer)
    };
    let failed = response.unwrap_err();
    assert_eq!(failed.evidence, Evidence::RequestFailed);
    assert_eq!(failed.error.kind(), ErrorKind::Body);
}

struct FailsAfter(http_body_util::combinators::BoxBody<Bytes, std::io::Error>);

impl http_body::Body for FailsAfter {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0)
            .poll_frame(cx)
            .map(|frame| Some(frame.unwrap_or_else(|| Err(std::io::Error::other("torn")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_is_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhal",
    ] {
        let (mut rig, response, _) = meet(get(), "\r\n\r\n", answer, true).await;
        let error = response.unwrap().into_body().bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        let closed = CloseReason::PeerClosed;
        assert_eq!(rig.end().await, (closed, Some(closed)));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_after_the_response_close_the_connection() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n";
    let (mut rig, response, _peer) = meet(get(), "\r\n\r\n", answer, false).await;
    assert_eq!(text(response.unwrap()).await, "hi");
    assert_eq!(
        rig.end().await,
        (CloseReason::Unsolicited, Some(CloseReason::Unsolicited))
    );
    assert!(!rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_unsolicited_response_closes_an_idle_connection() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    assert_eq!(rig.next().await, Event::Closed(CloseReason::Unsolicited));
    assert!(!rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_tired_of_waiting_says_so_in_order() {
    for (said, reason) in [
        (
            "HTTP/1.0 408 Request Time-out\r\n\r\n",
            CloseReason::PeerClosed,
        ),
        ("HTTP/1.1 408", CloseReason::PeerClosed),
        ("HTTP/1.1 40", CloseReason::Unsolicited),
        ("HTTP/1.1 409 Conflict\r\n\r\n", CloseReason::Unsolicited),
        ("HTTP/1.14080", CloseReason::Unsolicited),
    ] {
        let (io, mut peer) = tokio::io::duplex(1024);
        let mut rig = Rig::h1(ENGINE, io).await;
        peer.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(rig.next().await, Event::Closed(reason), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_keep_alive_gets_no_second_request() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
    let (mut rig, response, _peer) = meet(get(), "\r\n\r\n", answer, false).await;
    assert_eq!(text(response.unwrap()).await, "hi");
    let closed = CloseReason::PeerClosed;
    assert_eq!(rig.end().await, (closed, Some(closed)));
    assert!(!rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn two_framings_of_one_response_are_refused() {
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let (mut rig, response, _peer) = meet(get(), "\r\n\r\n", answer, false).await;
    let failed = response.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::Protocol);
    let error = CloseReason::Error;
    assert_eq!(rig.end().await, (error, Some(error)));
}

#[tokio::test(start_paused = true)]
async fn an_early_response_is_delivered_and_the_connection_closed() {
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig";
    let (mut rig, response, _peer) = meet(post(body), "abc\r\n", answer, false).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 413);
    let answered = tokio::time::Instant::now();
    assert_eq!(text(response).await, "big");
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.next().await, Event::Returned(Some(unfinished)));
    assert_eq!(rig.next().await, Event::Closed(unfinished));
    assert_eq!(answered.elapsed(), Duration::ZERO, "closed at once");
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_closes_the_connection() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    {
        let mut sending = std::pin::pin!(rig.send(get()));
        tokio::select! {
            biased;
            _ = &mut sending => unreachable!("nobody answers"),
            _ = read_until(&mut peer, "\r\n\r\n") => {}
        }
    }
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.next().await, Event::Returned(Some(unfinished)));
    assert_eq!(rig.next().await, Event::Closed(unfinished));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_runs_into_the_response_head_timeout() {
    let (io, _peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let terms = ExchangeTerms {
        response_head: Some(Duration::from_secs(5)),
        body_idle: None,
        ..ExchangeTerms::default()
    };
    let failed = rig.send_within(get(), &terms).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::Deadline);
    let phase = ErrorKind::Timeout(Phase::ResponseHead);
    assert_eq!(failed.error.kind(), phase);
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.next().await, Event::Returned(Some(unfinished)));
    assert_eq!(rig.next().await, Event::Closed(unfinished));
}

#[tokio::test(start_paused = true)]
async fn a_slow_caller_does_not_use_up_the_peers_time() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(ENGINE, io).await;
    let terms = ExchangeTerms {
        response_head: Some(Duration::from_secs(5)),
        body_idle: None,
        ..ExchangeTerms::default()
    };
    let (feed, body) = fed();
    let serve = async {
        pass(Duration::from_secs(60)).await;
        feed.send(piece("late")).unwrap();
        drop(feed);
        read_until(&mut peer, "0\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send_within(post(body), &terms), serve);
    assert_eq!(response.unwrap().status(), 204);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_runs_into_the_body_idle_timeout() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let terms = ExchangeTerms {
        response_head: None,
        body_idle: Some(Duration::from_secs(5)),
        ..ExchangeTerms::default()
    };
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n")
            .await
            .unwrap();
        // Progress within the limit moves the deadline.
        for piece in [b"a", b"b"] {
            pass(Duration::from_secs(4)).await;
            peer.write_all(piece).await.unwrap();
        }
        peer
    };
    let read = async {
        let response = rig.send_within(get(), &terms).await.unwrap();
        response.into_body().bytes().await.unwrap_err()
    };
    let (error, _peer) = tokio::join!(read, serve);
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::BodyIdle));
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.end().await, (unfinished, Some(unfinished)));
}

#[test]
fn a_runtime_that_goes_says_so_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (io, peer) = tokio::io::duplex(1024);
    let mut rig = runtime.block_on(Rig::h1(ENGINE, io));
    drop(runtime);
    let gone = CloseReason::RuntimeGone;
    assert_eq!(rig.events.try_recv().unwrap(), Event::Closed(gone));
    assert!(rig.events.try_recv().is_err());
    assert!(!rig.conn.is_open());
    drop(peer);
}
