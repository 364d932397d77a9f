//! Peers that do not finish a handshake.

use std::time::Duration;

use pool_tls::{Plan, TlsConfigId, TlsConnector, TlsContext, TlsErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Ca, End, NAME, Server, connect};

#[tokio::test]
async fn a_plain_http_server_is_recognised() {
    let greeting = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(answer_with(greeting).await, TlsErrorKind::NotTls);
}

#[tokio::test]
async fn other_services_than_tls_are_recognised() {
    let ssh = b"SSH-2.0-OpenSSH_9.9\r\n";
    assert_eq!(answer_with(ssh).await, TlsErrorKind::NotTls);
    let mail = b"220 mail.example.com ESMTP\r\n";
    assert_eq!(answer_with(mail).await, TlsErrorKind::NotTls);
}

#[tokio::test]
async fn a_fatal_alert_of_the_peer_is_reported_as_its_own() {
    // Record: alert, TLS 1.2, two bytes: fatal, handshake_failure.
    let alert = [0x15, 3, 3, 0, 2, 2, 40];
    assert_eq!(answer_with(&alert).await, TlsErrorKind::PeerAlert);
}

#[tokio::test]
async fn a_connection_that_closes_in_the_handshake_is_reported_closed() {
    assert_eq!(answer_with(b"").await, TlsErrorKind::Closed);
    let half_a_record = [0x16, 3, 3];
    assert_eq!(answer_with(&half_a_record).await, TlsErrorKind::Closed);
}

/// What a connector makes of a peer that reads the hello, sends `bytes`, and closes.
async fn answer_with(bytes: &[u8]) -> TlsErrorKind {
    let connector = Ca::new().trusted().build().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan);
    let peer = async {
        let mut hello = [0; 5];
        theirs.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello[0], 0x16, "a handshake record");
        theirs.write_all(bytes).await.unwrap();
        drop(theirs);
    };
    let (result, ()) = tokio::join!(connect(&connector, cx, Box::new(ours)), peer);
    result.unwrap_err().kind()
}

#[tokio::test(start_paused = true)]
async fn a_stalled_handshake_is_given_up_by_dropping_it() {
    let connector = Ca::new().trusted().build().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan);
    let handshake = connect(&connector, cx, Box::new(ours));
    let result = tokio::time::timeout(Duration::from_secs(10), handshake).await;
    assert!(result.is_err(), "the peer never answers");

    let mut sent = Vec::new();
    theirs.read_to_end(&mut sent).await.unwrap();
    assert_eq!(
        sent[0], 0x16,
        "the hello, then the end: the stream is closed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_another_connector_is_refused_before_the_first_byte() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
    let plan = Plan::native(TlsConfigId::unique());
    let cx = TlsContext::new(NAME, &plan);
    // A hello to this peer would wait for ever; paused time makes the limit pass as soon as it does.
    let handshake = connect(&connector, cx, Box::new(ours));
    let result = tokio::time::timeout(Duration::from_secs(10), handshake).await;
    let error = result.expect("refused at once").unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::UnknownProfile);

    let mut sent = Vec::new();
    theirs.read_to_end(&mut sent).await.unwrap();
    assert!(sent.is_empty());
}

#[tokio::test]
async fn a_failed_handshake_leaves_the_connector_usable() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let plan = Plan::native(connector.config_id());
    let (ours, theirs) = tokio::io::duplex(16 * 1024);
    drop(theirs);
    let cx = TlsContext::new(NAME, &plan);
    let error = connect(&connector, cx, Box::new(ours)).await.unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::Closed);

    let server = Server::new(&ca.leaf(&[NAME]));
    connect(&connector, cx, server.open()).await.unwrap();
}

#[tokio::test]
async fn an_end_that_the_peer_did_not_announce_is_an_error() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME]));
    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan);
    let mut data = Vec::new();

    let said = connect(&connector, cx, server.open_to_end(End::Said)).await;
    said.unwrap().io.read_to_end(&mut data).await.unwrap();
    let cut = connect(&connector, cx, server.open_to_end(End::Cut)).await;
    let error = cut.unwrap().io.read_to_end(&mut data).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}
