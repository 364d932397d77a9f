//! PING: silent peers are found, talking ones are left alone, and askers share.

use super::*;
use crate::error::ErrorKind;

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);

async fn pair() -> (Rig, RawPeer) {
    let settings = HttpSettings {
        ping_interval: Some(INTERVAL),
        ping_timeout: TIMEOUT,
        ..settings()
    };
    let (io, peer) = tokio::io::duplex(64 * 1024);
    let (mut rig, peer) = tokio::join!(Rig::h2(io, &settings), RawPeer::greet(peer));
    assert_eq!(rig.next().await, Event::Limit(usize::MAX));
    (rig, peer)
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_found_within_interval_and_timeout() {
    let (mut rig, _peer) = pair().await;
    let started = tokio::time::Instant::now();
    let failed = rig.send(get()).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::SentNoReply);
    assert!(started.elapsed() <= INTERVAL + TIMEOUT + Duration::from_millis(10));
    assert_eq!(
        rig.end().await,
        (CloseReason::PingTimeout, Some(CloseReason::PingTimeout))
    );
    assert!(!rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_found_too() {
    let (io, peer) = tokio::io::duplex(64);
    let settings = HttpSettings {
        ping_interval: Some(INTERVAL),
        ping_timeout: TIMEOUT,
        // It never greets either; here PING is to find it.
        greeting_timeout: None,
        ..settings()
    };
    let mut rig = Rig::h2(io, &settings).await;
    let failed = rig.send(post(vec![0; 4096])).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::SentNoReply);
    assert_eq!(
        rig.end().await,
        (CloseReason::PingTimeout, Some(CloseReason::PingTimeout))
    );
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_kept() {
    let (mut rig, mut peer) = pair().await;
    for _ in 0..5 {
        let before = tokio::time::Instant::now();
        let (_, _, payload) = peer.read(PING).await;
        assert!(before.elapsed() >= INTERVAL);
        peer.write(PING, ACK, 0, &payload).await;
    }
    assert!(rig.events.is_empty());
    assert!(rig.conn.is_open());
    assert!(rig.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_is_not_asked() {
    let (mut rig, mut peer) = pair().await;
    for _ in 0..5 {
        tokio::select! {
            _ = peer.read(PING) => panic!("a peer that was just heard was sent a PING"),
            () = pass(INTERVAL - Duration::from_secs(1)) => {}
        }
        peer.write(SETTINGS, 0, 0, &[]).await;
    }
    assert!(rig.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_may_be_late_with_its_pong() {
    let (mut rig, mut peer) = pair().await;
    let (_, _, payload) = peer.read(PING).await;
    for _ in 0..5 {
        pass(TIMEOUT - Duration::from_secs(1)).await;
        peer.write(SETTINGS, 0, 0, &[]).await;
    }
    peer.write(PING, ACK, 0, &payload).await;
    assert!(rig.is_quiet().await);
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn several_askers_share_one_ping() {
    let (rig, mut peer) = pair().await;
    let serve = async {
        let (_, _, payload) = peer.read(PING).await;
        pass(Duration::from_millis(50)).await;
        peer.write(PING, ACK, 0, &payload).await;
        let next = tokio::time::timeout(INTERVAL / 2, peer.read(PING)).await;
        assert!(next.is_err(), "one PING served both");
    };
    let (one, two, ()) = tokio::join!(rig.conn.ping(), rig.conn.ping(), serve);
    let millis = Duration::from_millis(50)..Duration::from_millis(60);
    assert!(millis.contains(&one.unwrap()) && millis.contains(&two.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_ping_without_an_answer_is_an_error() {
    let (mut rig, _peer) = pair().await;
    let error = rig.conn.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(rig.next().await, Event::Closed(CloseReason::PingTimeout));
    assert!(rig.conn.ping().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn http1_has_no_ping() {
    let (io, _peer) = tokio::io::duplex(64);
    let rig = Rig::h1(Http1Engine::default(), io).await;
    let kind = rig.conn.ping().await.unwrap_err().kind();
    assert_eq!(kind, ErrorKind::Request);
}

#[tokio::test(start_paused = true)]
async fn an_h2_peer_that_never_greets_is_given_up() {
    let settings = HttpSettings {
        ping_interval: None,
        greeting_timeout: Some(TIMEOUT),
        ..settings()
    };
    let (io, _peer) = tokio::io::duplex(64 * 1024);
    let mut rig = Rig::h2(io, &settings).await;
    let started = tokio::time::Instant::now();
    let failed = rig.send(get()).await.unwrap_err();
    assert_eq!(failed.evidence, Evidence::SentNoReply);
    assert!(started.elapsed() <= TIMEOUT + Duration::from_millis(10));
    assert_eq!(rig.end().await.0, CloseReason::Error);
}
