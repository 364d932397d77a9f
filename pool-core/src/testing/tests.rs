use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{Client, request};
use super::{Alpn, Body, Certificate, Close, Fleet, Frame, OnLimit, Peer, TlsFront, body_fnv};
use crate::info::Protocol;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn h1(fleet: &Fleet) -> Client {
    Client::new(fleet.ca_der(), fleet.name(), &["http/1.1"])
}

fn h2(fleet: &Fleet) -> Client {
    Client::new(fleet.ca_der(), fleet.name(), &["h2"])
}

async fn one() -> Fleet {
    Fleet::builder().start().await.unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn both_protocols_echo_body_and_request_id() {
    let fleet = one().await;
    let addr = fleet.addrs()[0];
    let echo = || request(&fleet.url("/echo"), "7", b"hello");
    let over_h2 = h2(&fleet).h2(addr).await.send(echo()).await.unwrap();
    let over_h1 = h1(&fleet).h1(addr).await.send(echo()).await.unwrap();
    for (response, conn) in [(over_h2, "0"), (over_h1, "1")] {
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
async fn origins_share_a_port_and_see_the_clients_source() {
    let origins = ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(ip);
    let fleet = Fleet::builder().origins(origins).start().await.unwrap();
    if fleet.ports_stand_in() {
        return; // This system has one loopback address.
    }
    assert!(fleet.addrs().iter().all(|addr| addr.port() == fleet.port()));
    let client = h2(&fleet);
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
    h2(&fleet)
        .h2(addrs[1])
        .await
        .send(request(&fleet.url("/"), "a", b""))
        .await
        .unwrap();
    assert_eq!(fleet.origin(1).ledger().served(), 1);
}

#[tokio::test]
async fn a_killed_origin_resets_and_refuses_until_restarted() {
    let fleet = one().await;
    let (origin, client) = (fleet.origin(0), h2(&fleet));
    let conn = client.h2(origin.addr()).await;
    conn.send(request(&fleet.url("/"), "a", b"")).await.unwrap();
    origin.kill();
    assert_eq!(fleet.ledger().open_connections(), 0);
    let refused = TcpStream::connect(origin.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let error = conn.driver.await.unwrap().unwrap_err();
    assert_eq!(
        error.get_io().unwrap().kind(),
        io::ErrorKind::ConnectionReset
    );

    origin.restart().await.unwrap();
    let conn = client.h2(origin.addr()).await;
    conn.send(request(&fleet.url("/"), "b", b"")).await.unwrap();
    assert_eq!(fleet.ledger().peak_open(), 1);
}

#[tokio::test]
async fn refusing_leaves_open_connections_alone() {
    let fleet = one().await;
    let origin = fleet.origin(0);
    let conn = h2(&fleet).h2(origin.addr()).await;
    origin.script(|script| script.refuse = true);
    let refused = TcpStream::connect(origin.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    conn.send(request(&fleet.url("/"), "a", b"")).await.unwrap();
    origin.script(|script| script.refuse = false);
    TcpStream::connect(origin.addr()).await.unwrap();
}

#[tokio::test]
async fn goaway_lets_the_stream_in_progress_end() {
    let fleet = one().await;
    let origin = fleet.origin(0);
    let conn = h2(&fleet).h2(origin.addr()).await;
    let url = fleet.url("/slow?ms=100");
    let (response, ()) = tokio::join!(conn.send(request(&url, "a", b"")), async {
        fleet.ledger().wait_until(|l| l.requests().len() == 1).await;
        origin.goaway();
    });
    assert_eq!(response.unwrap().status(), StatusCode::OK);
    conn.driver.await.unwrap().unwrap();
    fleet
        .ledger()
        .wait_until(|l| l.open_connections() == 0)
        .await;
}

#[tokio::test]
async fn goaway_closes_http1_after_the_answer() {
    let fleet = one().await;
    let origin = fleet.origin(0);
    let mut conn = h1(&fleet).h1(origin.addr()).await;
    let url = fleet.url("/slow?ms=100");
    let (response, ()) = tokio::join!(conn.send(request(&url, "a", b"")), async {
        fleet.ledger().wait_until(|l| l.requests().len() == 1).await;
        origin.goaway();
    });
    assert_eq!(header(&response.unwrap(), "connection"), "close");
    conn.driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_abrupt_goaway_carries_its_reason() {
    let fleet = one().await;
    let conn = h2(&fleet).h2(fleet.addrs()[0]).await;
    conn.send(request(&fleet.url("/"), "a", b"")).await.unwrap();
    fleet.origin(0).abrupt_goaway(Reason::ENHANCE_YOUR_CALM);
    let error = conn.driver.await.unwrap().unwrap_err();
    assert!(error.is_go_away() && error.is_remote());
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn idle_connections_close_and_busy_ones_stay() {
    let fleet = one().await;
    let origin = fleet.origin(0);
    let idle = h1(&fleet).h1(origin.addr()).await;
    let busy = h2(&fleet).h2(origin.addr()).await;
    let url = fleet.url("/slow?ms=100");
    let (response, ()) = tokio::join!(busy.send(request(&url, "a", b"")), async {
        fleet
            .ledger()
            .wait_until(|l| l.requests().len() == 1 && l.handshakes() == 2)
            .await;
        origin.close_idle();
        fleet
            .ledger()
            .wait_until(|l| l.open_connections() == 1)
            .await;
    });
    response.unwrap();
    assert!(idle.driver.await.is_ok());
    origin.script(|script| script.idle_close = Some(Duration::from_millis(20)));
    busy.driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_limit_ends_the_connection_either_way() {
    for on_limit in [OnLimit::Goaway, OnLimit::Close] {
        let fleet = one().await;
        let origin = fleet.origin(0);
        origin.script(|script| {
            script.max_requests_per_connection = Some(2);
            script.on_limit = on_limit;
        });
        let (url, addr) = (fleet.url("/"), origin.addr());
        let over_h2 = h2(&fleet).h2(addr).await;
        let mut over_h1 = h1(&fleet).h1(addr).await;
        for id in ["a", "b"] {
            over_h2.send(request(&url, id, b"")).await.unwrap();
            over_h1.send(request(&url, id, b"")).await.unwrap();
        }
        let says_goaway = over_h2.driver.await.unwrap().is_ok();
        assert_eq!(says_goaway, on_limit == OnLimit::Goaway);
        assert!(over_h1.driver.await.is_ok());
        assert_eq!(fleet.ledger().max_requests_on_a_connection(), 2);
    }
}

#[tokio::test]
async fn a_request_can_die_unanswered() {
    let fleet = one().await;
    let (origin, url) = (fleet.origin(0), fleet.url("/"));
    origin.script(|script| script.reset_stream = Some(Reason::REFUSED_STREAM));
    let conn = h2(&fleet).h2(origin.addr()).await;
    let error = conn.send(request(&url, "a", b"x")).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
    origin.script(|script| script.close_before_response = Some(Close::Fin));
    assert!(conn.send(request(&url, "b", b"x")).await.is_err());
    let mut conn = h1(&fleet).h1(origin.addr()).await;
    assert!(conn.send(request(&url, "c", b"x")).await.is_err());
    assert_eq!(fleet.ledger().requests().len(), 3);
    assert_eq!(fleet.ledger().served(), 0);
}

#[tokio::test]
async fn a_silent_peer_answers_not_even_a_ping() {
    let fleet = one().await;
    fleet
        .origin(0)
        .script(|script| script.silent_after = Some(1));
    let io = h2(&fleet).connect(fleet.addrs()[0]).await.unwrap();
    let (mut send, mut driver) = h2::client::handshake(io).await.unwrap();
    let mut ping = driver.ping_pong().unwrap();
    let driver = tokio::spawn(driver);
    let get = request(&fleet.url("/"), "a", b"").map(drop);
    let (response, _) = send.send_request(get, true).unwrap();
    response.await.unwrap();
    let pong = ping.ping(h2::Ping::opaque());
    assert!(
        tokio::time::timeout(Duration::from_millis(100), pong)
            .await
            .is_err()
    );
    assert_eq!(fleet.ledger().open_connections(), 1);
    fleet.origin(0).close_all(Close::Reset);
    assert!(driver.await.unwrap().is_err());
}

#[tokio::test]
async fn answers_larger_than_every_window_arrive_whole() {
    let fleet = one().await;
    let (url, addr) = (fleet.url("/bytes?n=3000000"), fleet.addrs()[0]);
    let over_h2 = h2(&fleet)
        .h2(addr)
        .await
        .send(request(&url, "a", b""))
        .await
        .unwrap();
    let over_h1 = h1(&fleet)
        .h1(addr)
        .await
        .send(request(&url, "b", b""))
        .await
        .unwrap();
    assert_eq!(over_h2.body().len(), 3_000_000);
    assert_eq!(over_h1.body().len(), 3_000_000);
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
        h2(&fleet)
            .h2(addr)
            .await
            .send(request(&url, "a", b""))
            .await
            .is_err()
    );
    assert!(
        h1(&fleet)
            .h1(addr)
            .await
            .send(request(&url, "b", b""))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn concurrent_streams_are_counted_per_connection() {
    let fleet = Fleet::builder().max_streams(4).start().await.unwrap();
    let conn = h2(&fleet).h2(fleet.addrs()[0]).await;
    let url = fleet.url("/slow?ms=50");
    // One answer first: the settings have arrived with it.
    conn.send(request(&url, "a", b"")).await.unwrap();
    let get = || conn.send(request(&url, "b", b""));
    let _ = tokio::join!(get(), get(), get(), get(), get(), get());
    assert_eq!(fleet.ledger().max_concurrent(), 4);
    assert_eq!(fleet.ledger().conn(0).unwrap().concurrent, 0);
    assert_eq!(fleet.ledger().served(), 7);
}

#[tokio::test]
async fn tls_sessions_resume() {
    let fleet = one().await;
    let client = h1(&fleet);
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
        let error = h2(&fleet).connect(fleet.addrs()[0]).await.unwrap_err();
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
async fn the_round_trip_time_delays_the_handshake_twice_and_each_answer_once() {
    let rtt = Duration::from_millis(30);
    let fleet = Fleet::builder().rtt(rtt).start().await.unwrap();
    let start = tokio::time::Instant::now();
    let mut conn = h1(&fleet).h1(fleet.addrs()[0]).await;
    let connected = start.elapsed();
    conn.send(request(&fleet.url("/"), "a", b"")).await.unwrap();
    // Lower bounds hold on any machine.
    assert!(connected >= 2 * rtt && start.elapsed() >= 3 * rtt);
}

#[tokio::test]
async fn shutting_down_leaves_no_task() {
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = alive();
    let fleet = one().await;
    fleet.origin(0).script(|script| script.stall_accept = true);
    let mut stalled = TcpStream::connect(fleet.addrs()[0]).await.unwrap();
    fleet
        .ledger()
        .wait_until(|l| l.open_connections() == 1)
        .await;
    assert!(alive() > before);
    fleet.shutdown().await;
    assert_eq!(alive(), before);
    assert!(stalled.read_u8().await.is_err());
}

#[tokio::test]
async fn a_front_forwards_both_protocols() {
    let mock = Fleet::builder().tls(false).start().await.unwrap();
    let front = TlsFront::to(mock.addrs()[0]).await.unwrap();
    let client = |alpn| Client::new(front.ca_der(), front.name(), &[alpn]);
    let echo = || request(&front.url("/echo"), "a", b"hello");
    let over_h2 = client("h2")
        .h2(front.addr())
        .await
        .send(echo())
        .await
        .unwrap();
    let over_h1 = client("http/1.1")
        .h1(front.addr())
        .await
        .send(echo())
        .await
        .unwrap();
    assert_eq!(over_h2.body(), "hello");
    assert_eq!(over_h1.body(), "hello");
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
