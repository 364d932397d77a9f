//! What a fleet answers, and what its ledger says of it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{Client, request};
use super::{header, ip, one, over_h1, over_h2};
use crate::info::Protocol;
use crate::testing::{Body, Certificate, Fleet, body_fnv};

#[tokio::test]
async fn both_protocols_echo_body_and_request_id() {
    let fleet = one().await;
    let addr = fleet.addrs()[0];
    let echo = || request(&fleet.url("/echo"), "7", b"hello");
    let with_h2 = over_h2(&fleet).h2(addr).await.send(echo()).await.unwrap();
    let with_h1 = over_h1(&fleet).h1(addr).await.send(echo()).await.unwrap();
    for (response, conn) in [(with_h2, "0"), (with_h1, "1")] {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), "hello");
        assert_eq!(header(&response, "x-request-id"), "7");
        assert_eq!(header(&response, "x-body-fnv"), body_fnv(b"hello"));
        assert_eq!(header(&response, "x-origin-addr"), addr.to_string());
        assert_eq!(header(&response, "x-conn"), conn);
    }
    let ledger = fleet.ledger();
    assert_eq!(ledger.handshakes(), 2);
    assert_eq!(ledger.conn(0).unwrap().protocol, Some(Protocol::Http2));
    assert_eq!(ledger.conn(1).unwrap().protocol, Some(Protocol::Http1));
    assert_eq!(
        ledger.conn(1).unwrap().server_name.as_deref(),
        Some("origin.test")
    );
    assert_eq!(ledger.duplicates(), [("7".to_owned(), 2)]);
}

#[test]
fn the_body_hash_is_fnv_1a() {
    // The values of the authors' own test table.
    assert_eq!(body_fnv(b""), "cbf29ce484222325");
    assert_eq!(body_fnv(b"foobar"), "85944171f73967e8");
}

#[tokio::test]
async fn answers_larger_than_every_window_arrive_whole() {
    let fleet = one().await;
    let (url, addr) = (fleet.url("/bytes?n=3000000"), fleet.addrs()[0]);
    let with_h2 = over_h2(&fleet)
        .h2(addr)
        .await
        .send(request(&url, "a", b""))
        .await
        .unwrap();
    let with_h1 = over_h1(&fleet)
        .h1(addr)
        .await
        .send(request(&url, "b", b""))
        .await
        .unwrap();
    assert_eq!(with_h2.body().len(), 3_000_000);
    assert_eq!(with_h1.body().len(), 3_000_000);
}

#[tokio::test]
async fn a_cut_body_is_an_error_to_both_protocols() {
    let fleet = one().await;
    let cut = Body::Cut {
        declared: 10,
        sent: 4,
    };
    fleet.origin(0).script(|script| script.body = cut);
    let (url, addr) = (fleet.url("/"), fleet.addrs()[0]);
    assert!(
        over_h2(&fleet)
            .h2(addr)
            .await
            .send(request(&url, "a", b""))
            .await
            .is_err()
    );
    assert!(
        over_h1(&fleet)
            .h1(addr)
            .await
            .send(request(&url, "b", b""))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn origins_share_a_port_and_see_the_clients_source() {
    let origins = ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(ip);
    let fleet = Fleet::builder().origins(origins).start().await.unwrap();
    if fleet.ports_stand_in() {
        return; // This system has one loopback address.
    }
    assert!(fleet.addrs().iter().all(|addr| addr.port() == fleet.port()));
    let client = over_h2(&fleet);
    let url = fleet.url("/");
    for addr in fleet.addrs() {
        client
            .h2(addr)
            .await
            .send(request(&url, "a", b""))
            .await
            .unwrap();
    }
    let mark = fleet.ledger().mark();
    let sources = ["127.0.2.5", "127.0.2.6"].map(ip);
    for source in sources {
        let conn = client.clone().from(source).h2(fleet.addrs()[1]).await;
        let response = conn.send(request(&url, "b", b"")).await.unwrap();
        assert!(header(&response, "x-peer-addr").starts_with(&source.to_string()));
    }
    let row = fleet.ledger().since(&mark);
    assert_eq!(row.handshakes(), 2);
    assert_eq!(row.sources(), sources.into());
    assert_eq!(row.served(), 2);
    assert_eq!(fleet.ledger().handshakes(), 5);
    assert_eq!(fleet.origin(1).ledger().handshakes(), 3);
    assert_eq!(fleet.origin(0).ledger().since(&mark).handshakes(), 0);
}

#[tokio::test]
async fn ports_stand_in_for_addresses() {
    let builder = Fleet::builder().ports_stand_in(true);
    let fleet = builder
        .origins(["127.0.1.1", "127.0.1.2"].map(ip))
        .start()
        .await
        .unwrap();
    let addrs = fleet.addrs();
    assert!(fleet.ports_stand_in() && addrs[0].ip() == addrs[1].ip());
    over_h2(&fleet)
        .h2(addrs[1])
        .await
        .send(request(&fleet.url("/"), "a", b""))
        .await
        .unwrap();
    assert_eq!(fleet.origin(1).ledger().served(), 1);
}

#[tokio::test]
async fn concurrent_streams_are_counted_per_connection() {
    let fleet = Fleet::builder().max_streams(3).start().await.unwrap();
    let conn = over_h2(&fleet).h2(fleet.addrs()[0]).await;
    let url = fleet.url("/echo");
    // One answer first: the settings have arrived with it.
    conn.send(request(&url, "a", b"x")).await.unwrap();
    let mut uploads = Vec::new();
    for id in ["b", "c", "d"] {
        uploads.push(conn.begin(request(&url, id, b"")).await);
    }
    fleet.ledger().wait_until(|l| l.arrived() == 4).await;
    assert_eq!(fleet.ledger().conn(0).unwrap().concurrent, 3);
    for upload in uploads {
        upload.finish(b"x").await.unwrap();
    }
    assert_eq!(fleet.ledger().max_concurrent(), 3);
    assert_eq!(fleet.ledger().conn(0).unwrap().concurrent, 0);
    assert_eq!(fleet.ledger().served(), 4);
}

#[tokio::test]
async fn tls_sessions_resume() {
    let fleet = one().await;
    let client = over_h1(&fleet);
    for id in ["a", "b"] {
        let mut conn = client.h1(fleet.addrs()[0]).await;
        conn.send(request(&fleet.url("/"), id, b"")).await.unwrap();
    }
    assert_eq!(fleet.ledger().resumed(), 1);
    assert!(fleet.ledger().conn(1).unwrap().resumed);
}

#[tokio::test]
async fn every_bad_certificate_is_bad() {
    for certificate in [
        Certificate::Expired,
        Certificate::NotYetValid,
        Certificate::SelfSigned,
        Certificate::UnknownAuthority,
        Certificate::WrongName,
    ] {
        let fleet = Fleet::builder()
            .certificate(certificate)
            .start()
            .await
            .unwrap();
        let error = over_h2(&fleet).connect(fleet.addrs()[0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{certificate:?}");
        assert_eq!(fleet.ledger().handshakes(), 0);
    }
}

#[tokio::test]
async fn a_plain_fleet_serves_http1_and_h2c() {
    let fleet = Fleet::builder().tls(false).start().await.unwrap();
    let mut io = TcpStream::connect(fleet.addrs()[0]).await.unwrap();
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let io = TcpStream::connect(fleet.addrs()[0]).await.unwrap();
    let (mut send, driver) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(driver);
    let get = request(&fleet.url("/"), "a", b"").map(drop);
    let (response, _) = send.send_request(get, true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!(fleet.ledger().handshakes(), 2);
}

#[tokio::test]
async fn trailers_follow_a_body_without_length() {
    let fleet = Fleet::builder().tls(false).start().await.unwrap();
    fleet.origin(0).script(|script| {
        let done = HeaderValue::from_static("yes");
        script.trailers.insert("x-done", done);
        let names = HeaderValue::from_static("x-done");
        script.headers.insert("trailer", names);
        let every = Duration::from_millis(1);
        script.body = Body::Drip { bytes: 2, every };
    });
    let mut io = TcpStream::connect(fleet.addrs()[0]).await.unwrap();
    let get = b"GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n";
    io.write_all(get).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    let end = "\r\n\r\n1\r\nx\r\n1\r\nx\r\n0\r\nx-done: yes\r\n\r\n";
    assert!(answer.ends_with(end), "{answer}");

    let io = TcpStream::connect(fleet.addrs()[0]).await.unwrap();
    let (mut send, driver) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(driver);
    let get = request(&fleet.url("/"), "a", b"").map(drop);
    let (response, _) = send.send_request(get, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    assert!(!head.headers.contains_key("content-length"));
    for _ in 0..2 {
        assert_eq!(body.data().await.unwrap().unwrap(), "x");
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["x-done"], "yes");
    assert_eq!(fleet.ledger().conn(1).unwrap().concurrent, 0);
}

#[tokio::test]
async fn statuses_are_the_scripts_and_counted() {
    let fleet = one().await;
    let conn = over_h2(&fleet).h2(fleet.addrs()[0]).await;
    let mut expected = BTreeMap::new();
    for (status, times) in [(204, 1), (403, 2)] {
        fleet.origin(0).script(|script| script.status = status);
        for _ in 0..times {
            let answer = conn.send(request(&fleet.url("/"), "a", b"")).await.unwrap();
            assert_eq!(answer.status(), status);
            assert_eq!(answer.body().is_empty(), status == 204);
        }
        expected.insert(status, times);
    }
    assert_eq!(fleet.ledger().statuses(), expected);
}

#[tokio::test]
async fn the_round_trip_time_delays_the_handshake_twice_and_each_answer_once() {
    let rtt = Duration::from_millis(30);
    let fleet = Fleet::builder().rtt(rtt).start().await.unwrap();
    let start = tokio::time::Instant::now();
    let mut conn = over_h1(&fleet).h1(fleet.addrs()[0]).await;
    let connected = start.elapsed();
    conn.send(request(&fleet.url("/"), "a", b"")).await.unwrap();
    // Lower bounds hold on any machine.
    assert!(connected >= 2 * rtt && start.elapsed() >= 3 * rtt);
}

#[tokio::test]
async fn the_ledger_tells_clients_by_their_certificates() {
    let builder = Fleet::builder().require_client_certificate(true);
    let fleet = builder.start().await.unwrap();
    let (addr, url) = (fleet.addrs()[0], fleet.url("/"));
    for (conn, name) in [(0, "alice"), (1, "bob")] {
        let shown = fleet.client_certificate(name).unwrap();
        let client = Client::showing(Some(&shown), fleet.ca_der(), fleet.name(), &["h2"]);
        let answer = client.h2(addr).await.send(request(&url, name, b"")).await;
        answer.unwrap();
        let seen = fleet.ledger().conn(conn).unwrap().client_certificate;
        assert_eq!(seen, Some(shown.der));
    }
    // With TLS 1.3 the client learns of its rejection only when it reads.
    let mut anonymous = over_h2(&fleet).connect(addr).await.unwrap();
    assert!(anonymous.read_u8().await.is_err());
    assert_eq!(fleet.ledger().handshakes(), 2);
}
