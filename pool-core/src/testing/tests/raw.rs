//! The front and the raw peer.

use bytes::Bytes;
use h2::Reason;

use super::client::{Client, request};
use crate::info::Protocol;
use crate::testing::{Alpn, Fleet, Frame, Peer, TlsFront};

#[tokio::test]
async fn a_front_forwards_both_protocols() {
    let mock = Fleet::builder().tls(false).start().await.unwrap();
    let front = TlsFront::to(mock.addrs()[0]).await.unwrap();
    let client = |alpn| Client::new(front.ca_der(), front.name(), &[alpn]);
    let echo = || request(&front.url("/echo"), "a", b"hello");
    let with_h2 = client("h2")
        .h2(front.addr())
        .await
        .send(echo())
        .await
        .unwrap();
    let with_h1 = client("http/1.1")
        .h1(front.addr())
        .await
        .send(echo())
        .await
        .unwrap();
    assert_eq!(with_h2.body(), "hello");
    assert_eq!(with_h1.body(), "hello");
    let protocols = mock.ledger().conns().into_iter().map(|conn| conn.protocol);
    assert!(protocols.eq([Some(Protocol::Http2), Some(Protocol::Http1)]));
}

#[tokio::test]
async fn a_raw_peer_speaks_frames_over_tls() {
    let addr = "127.0.0.1:0".parse().unwrap();
    let peer = Peer::listen_tls(addr, "raw.test", Alpn::H2).await.unwrap();
    let ca = peer.ca_der().unwrap();
    let client = Client::new(ca, "raw.test", &["h2"]);
    let (conn, accepted) = tokio::join!(client.h2(peer.addr()), peer.accept());
    let mut accepted = accepted.unwrap();
    assert_eq!(accepted.alpn(), Some(&b"h2"[..]));
    assert!(
        accepted
            .read(24)
            .await
            .unwrap()
            .starts_with(b"PRI * HTTP/2.0")
    );
    let settings = accepted.read_frame().await.unwrap();
    assert_eq!((settings.kind, settings.stream), (4, 0));
    let goaway = Frame {
        kind: 7,
        flags: 0,
        stream: 0,
        payload: Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 2]),
    };
    for frame in [
        Frame {
            payload: Bytes::new(),
            flags: 0,
            ..settings
        },
        goaway,
    ] {
        accepted.send_frame(&frame).await.unwrap();
    }
    let error = conn.driver.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
}
