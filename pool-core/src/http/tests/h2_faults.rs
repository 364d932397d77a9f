//! HTTP/2: peers that refuse, go away or break off, and what is concluded from it.

use super::*;
use crate::error::{ErrorKind, Phase};

async fn pair() -> (Rig, RawPeer) {
    let (io, peer) = tokio::io::duplex(64 * 1024);
    let settings = settings();
    let (mut rig, peer) = tokio::join!(Rig::h2(io, &settings), RawPeer::greet(peer));
    assert_eq!(rig.next().await, Event::Limit(usize::MAX));
    (rig, peer)
}

const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;
const NO_ERROR: u32 = 0;

#[tokio::test(start_paused = true)]
async fn a_refused_stream_comes_back_to_be_sent_again() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.reset(1, REFUSED_STREAM).await;
    };
    let (response, ()) = tokio::join!(rig.send(post("abc")), serve);
    let failed = response.unwrap_err();
    assert_eq!(failed.evidence, Evidence::Refused);
    let request = failed.request.unwrap();
    assert_eq!(request.uri(), "https://a.test/x");
    assert_eq!(
        request.into_body().collect().await.unwrap().to_bytes(),
        "abc"
    );
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn any_other_reset_is_an_answer() {
    let (rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.reset(1, INTERNAL_ERROR).await;
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(response.unwrap_err().evidence, Evidence::ReplyStarted);
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_stream_above_the_last_id_was_not_processed() {
    for (code, error) in [(NO_ERROR, false), (INTERNAL_ERROR, true)] {
        let (mut rig, mut peer) = pair().await;
        let serve = async {
            peer.read(HEADERS).await;
            peer.go_away(0, code).await;
            drop(peer);
        };
        let (response, ()) = tokio::join!(rig.send(post("abc")), serve);
        let failed = response.unwrap_err();
        assert_eq!(failed.evidence, Evidence::GoAwayUnprocessed { error });
        assert!(failed.request.is_some());
        let away = CloseReason::GoAway;
        assert_eq!(rig.next().await, Event::Draining(away));
        assert_eq!(rig.end().await, (away, Some(away)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_up_to_the_last_id_is_served_while_the_connection_drains() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.go_away(0x7fff_ffff, NO_ERROR).await;
        peer.go_away(1, NO_ERROR).await;
        peer.write(HEADERS, END_HEADERS, 1, STATUS_200).await;
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(rig.next().await, Event::Draining(CloseReason::GoAway));
    assert!(!rig.conn.is_open());
    let refused = rig.send(post("abc")).await.unwrap_err();
    assert_eq!(
        refused.evidence,
        Evidence::GoAwayUnprocessed { error: false }
    );
    assert_eq!(rig.next().await, Event::Returned(Some(CloseReason::GoAway)));
    peer.write(DATA, END_STREAM, 1, b"last").await;
    assert_eq!(text(response.unwrap()).await, "last");
    assert_eq!(rig.end().await, (CloseReason::GoAway, None));
}

#[tokio::test(start_paused = true)]
async fn a_stream_up_to_the_last_id_may_have_been_processed_when_the_connection_ends() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        let (rig, mut peer) = pair().await;
        let serve = async {
            peer.read(HEADERS).await;
            peer.go_away(1, code).await;
            drop(peer);
        };
        let (response, ()) = tokio::join!(rig.send(post("abc")), serve);
        assert_eq!(response.unwrap_err().evidence, Evidence::SentNoReply);
    }
}

#[tokio::test(start_paused = true)]
async fn a_goaway_that_grows_again_proves_nothing() {
    let (rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.go_away(1, NO_ERROR).await;
        peer.go_away(0x7fff_ffff, NO_ERROR).await;
    };
    let (response, ()) = tokio::join!(rig.send(post("abc")), serve);
    assert_eq!(response.unwrap_err().evidence, Evidence::SentNoReply);
}

#[tokio::test(start_paused = true)]
async fn close_before_a_reply_is_sent_no_reply() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        drop(peer);
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    let failed = response.unwrap_err();
    assert_eq!(failed.evidence, Evidence::SentNoReply);
    assert!(failed.request.is_some());
    assert_eq!(
        rig.end().await,
        (CloseReason::PeerClosed, Some(CloseReason::PeerClosed))
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_closed_connection_comes_back_whole() {
    let (mut rig, peer) = pair().await;
    drop(peer);
    assert_eq!(rig.next().await, Event::Closed(CloseReason::PeerClosed));
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    drop(feed);
    let failed = rig.send(post(body)).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::NotSent);
    let body = failed.request.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "abc");
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_is_an_error() {
    let (mut rig, mut peer) = pair().await;
    let serve = async {
        peer.read(HEADERS).await;
        peer.write(HEADERS, END_HEADERS, 1, STATUS_200).await;
        peer.write(DATA, 0, 1, b"hal").await;
        drop(peer);
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    let error = response.unwrap().into_body().bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    assert_eq!(rig.end().await, (CloseReason::PeerClosed, None));
}

#[tokio::test(start_paused = true)]
async fn timeouts_name_their_phase_and_keep_the_connection() {
    let terms = ExchangeTerms {
        response_head: Some(Duration::from_secs(5)),
        body_idle: Some(Duration::from_secs(5)),
        ..ExchangeTerms::default()
    };
    let (mut rig, mut peer) = pair().await;
    let failed = rig.send_within(get(), &terms).await.unwrap_err();
    let phase = ErrorKind::Timeout(Phase::ResponseHead);
    assert_eq!(
        (failed.evidence, failed.error.kind()),
        (Evidence::Deadline, phase)
    );
    assert_eq!(rig.next().await, Event::Returned(None));

    let (_, stream, _) = peer.read(RST_STREAM).await;
    assert_eq!(stream, 1);

    let serve = async {
        peer.read(HEADERS).await;
        peer.write(HEADERS, END_HEADERS, 3, STATUS_200).await;
    };
    let (response, ()) = tokio::join!(rig.send_within(get(), &terms), serve);
    let error = response.unwrap().into_body().bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::BodyIdle));
    assert_eq!(rig.next().await, Event::Returned(None));
    let (_, stream, _) = peer.read(RST_STREAM).await;
    assert_eq!(stream, 3);
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_slow_caller_does_not_use_up_the_peers_time() {
    let terms = ExchangeTerms {
        response_head: Some(Duration::from_secs(5)),
        body_idle: None,
        ..ExchangeTerms::default()
    };
    let (rig, mut peer) = pair().await;
    let (feed, body) = fed();
    let serve = async {
        pass(Duration::from_secs(15)).await;
        feed.send(piece("late")).unwrap();
        drop(feed);
        peer.read(DATA).await;
        let flags = END_HEADERS | END_STREAM;
        peer.write(HEADERS, flags, 1, STATUS_200).await;
    };
    let (response, ()) = tokio::join!(rig.send_within(post(body), &terms), serve);
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_sent_costs_nothing() {
    let (mut rig, _peer) = pair().await;
    let request = Request::connect("a.test:443").body(Body::empty()).unwrap();
    let failed = rig.send(request).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::RequestFailed);
    assert_eq!(failed.error.kind(), ErrorKind::Request);
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(rig.conn.is_open());
}

#[test]
fn a_runtime_that_goes_says_so_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (mut rig, mut peer) = runtime.block_on(pair());
    let (response, _peer) = runtime.block_on(async {
        let serve = async {
            peer.read(HEADERS).await;
            peer.write(HEADERS, END_HEADERS, 1, STATUS_200).await;
            peer
        };
        tokio::join!(rig.send(get()), serve)
    });
    drop(runtime);
    let gone = CloseReason::RuntimeGone;
    assert_eq!(rig.events.try_recv().unwrap(), Event::Closed(gone));

    // The body is read where no runtime is.
    let mut body = response.unwrap().into_body();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let frame = http_body::Body::poll_frame(std::pin::Pin::new(&mut body), &mut cx);
    let std::task::Poll::Ready(Some(Err(error))) = frame else {
        panic!("the body ended without an error");
    };
    assert_eq!(error.kind(), ErrorKind::RuntimeGone);
    assert_eq!(rig.events.try_recv().unwrap(), Event::Returned(None));
    assert!(rig.events.try_recv().is_err());
}
