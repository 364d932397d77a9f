//! What is agreed on, and which sessions are resumed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pool_tls::{
    BoxedIo, CertificateProblem, Plan, TlsConnector, TlsContext, TlsErrorKind, conformance,
};

use crate::Connector;
use crate::support::{Ca, NAME, Server, connect, exchange};

#[tokio::test]
async fn the_connector_conforms() {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"http/1.1"]);
    let open = || -> BoxedIo { server.open() };
    let check = conformance::connector(&connector, NAME, &[], &open);
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, check).await.unwrap();
}

#[tokio::test]
async fn the_first_offered_protocol_that_the_server_knows_is_chosen() {
    let chosen = alpn(&[b"h2", b"http/1.1"], &[b"http/1.1", b"h2"]).await;
    assert_eq!(chosen, Ok(Some(b"http/1.1".to_vec())), "the server chooses");
    let chosen = alpn(&[b"h2", b"http/1.1"], &[b"h2"]).await;
    assert_eq!(chosen, Ok(Some(b"h2".to_vec())));
}

#[tokio::test]
async fn a_server_without_alpn_leaves_the_protocol_open() {
    assert_eq!(alpn(&[b"h2"], &[]).await, Ok(None));
}

#[tokio::test]
async fn a_server_that_knows_no_offered_protocol_is_named_so() {
    let result = alpn(&[b"h2"], &[b"gopher"]).await;
    assert_eq!(result, Err(TlsErrorKind::NoCommonProtocol));
}

#[tokio::test]
async fn a_protocol_name_that_cannot_be_encoded_is_refused() {
    let long = [b'x'; 256];
    for name in [&b""[..], &long] {
        assert_eq!(alpn(&[name], &[]).await, Err(TlsErrorKind::Other));
    }
}

/// What comes of offering `ours` to a server that knows `theirs`.
async fn alpn(ours: &[&[u8]], theirs: &[&[u8]]) -> Result<Option<Vec<u8>>, TlsErrorKind> {
    let ca = Ca::new();
    let connector = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME])).alpn(theirs);
    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan).with_alpn(ours);
    match connect(&connector, cx, server.open()).await {
        Ok(session) => Ok(session.alpn),
        Err(error) => Err(error.kind()),
    }
}

#[tokio::test]
async fn a_second_connection_in_the_same_scope_resumes_the_session() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ca = Ca::new();
        let connector = ca.trusted().build().unwrap();
        let server = Server::of_version(&ca.leaf(&[NAME]), version);
        assert!(!exchange(&connector, &server, "scope").await.resumed);
        let again = exchange(&connector, &server, "scope").await;
        assert!(again.resumed, "{:?}", again.version);
    }
}

#[tokio::test]
async fn the_end_of_the_certificate_is_known_after_a_resumed_handshake_too() {
    let end = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ca = Ca::new();
        let connector = ca.trusted().build().unwrap();
        let leaf = ca.leaf_with(&[NAME], |params| params.not_after = end.into());
        let server = Server::of_version(&leaf, version);
        for resumed in [false, true] {
            let session = exchange(&connector, &server, "scope").await;
            assert_eq!(session.resumed, resumed);
            assert_eq!(session.certificate_expires, Some(end), "{version:?}");
        }
    }
}

#[tokio::test]
async fn no_session_outlives_the_certificate_that_it_was_opened_with() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ca = Ca::new();
        let connector = ca.trusted().build().unwrap();
        let end = SystemTime::now() + Duration::from_secs(2);
        let leaf = ca.leaf_with(&[NAME], |params| params.not_after = end.into());
        let server = Server::of_version(&leaf, version);
        exchange(&connector, &server, "scope").await;
        assert!(exchange(&connector, &server, "scope").await.resumed);
        // The certificate is valid throughout its last second, which began a fraction of a second before `end`.
        while !end.elapsed().is_ok_and(|past| past.as_secs() >= 1) {
            tokio::time::sleep(Duration::from_millis(20)).await; // fault: the time of the certificate, which is the system's
        }
        let plan = Plan::native(connector.config_id());
        let cx = TlsContext::new(NAME, &plan).with_scope("scope");
        let error = connect(&connector, cx, server.open()).await.unwrap_err();
        let expired = TlsErrorKind::Certificate(CertificateProblem::Expired);
        assert_eq!(error.kind(), expired);
    }
}

#[tokio::test]
async fn no_session_crosses_from_one_scope_to_another() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ca = Ca::new();
        let connector = ca.trusted().build().unwrap();
        let server = Server::of_version(&ca.leaf(&[NAME]), version);
        exchange(&connector, &server, "one").await;
        let other = exchange(&connector, &server, "two").await;
        assert!(!other.resumed, "{:?}", other.version);
    }
}

#[tokio::test]
async fn no_session_crosses_from_one_connector_to_another() {
    let ca = Ca::new();
    let (one, two) = (ca.trusted().build().unwrap(), ca.trusted().build().unwrap());
    assert_ne!(one.config_id(), two.config_id());
    let server = Server::new(&ca.leaf(&[NAME]));
    exchange(&one, &server, "scope").await;
    assert!(!exchange(&two, &server, "scope").await.resumed);
}

#[tokio::test]
async fn tickets_are_kept_up_to_the_bound_and_each_is_used_once() {
    // The server of rustls sends two tickets after each full handshake.
    for (bound, expected) in [(0, [false, false]), (1, [true, false]), (2, [true, true])] {
        let ca = Ca::new();
        let connector = ca.trusted().tickets_per_server(bound).build().unwrap();
        let server = Server::new(&ca.leaf(&[NAME]));
        exchange(&connector, &server, "").await;
        let resumed = [
            handshake(&connector, &server).await,
            handshake(&connector, &server).await,
        ];
        assert_eq!(resumed, expected, "{bound} tickets per server");
    }
}

#[tokio::test]
async fn without_room_for_a_server_no_session_is_resumed() {
    let ca = Ca::new();
    let connector = ca.trusted().servers_with_tickets(0).build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME]));
    exchange(&connector, &server, "").await;
    assert!(!handshake(&connector, &server).await);
}

/// Whether a connection that reads nothing, so that no ticket comes in, was resumed.
async fn handshake(connector: &Connector, server: &Server) -> bool {
    let plan = Plan::native(connector.config_id());
    let cx = TlsContext::new(NAME, &plan);
    let session = connect(connector, cx, server.open()).await;
    session.unwrap().resumed
}
