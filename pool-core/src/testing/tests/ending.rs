//! How connections of a fleet end, each on a word.

use std::io;
use std::time::Duration;

use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::client::request;
use super::{one, over_h1, over_h2};
use crate::testing::{Close, Ledger, OnLimit};

#[tokio::test]
async fn a_killed_origin_resets_and_refuses_until_restarted() {
    let fleet = one().await;
    let (origin, client) = (fleet.origin(0), over_h2(&fleet));
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
    let conn = over_h2(&fleet).h2(origin.addr()).await;
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
    let conn = over_h2(&fleet).h2(fleet.addrs()[0]).await;
    let upload = conn.begin(request(&fleet.url("/echo"), "a", b"")).await;
    fleet.ledger().wait_until(|l| l.arrived() == 1).await;
    fleet.origin(0).goaway();
    assert_eq!(upload.finish(b"hello").await.unwrap().body(), "hello");
    conn.driver.await.unwrap().unwrap();
    fleet
        .ledger()
        .wait_until(|l| l.open_connections() == 0)
        .await;
}

#[tokio::test]
async fn goaway_closes_http1_after_the_answer() {
    let fleet = one().await;
    let mut io = over_h1(&fleet).connect(fleet.addrs()[0]).await.unwrap();
    let head = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n";
    io.write_all(head).await.unwrap();
    fleet.ledger().wait_until(|l| l.arrived() == 1).await;
    fleet.origin(0).goaway();
    io.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("hello"));
}

#[tokio::test]
async fn an_abrupt_goaway_carries_its_reason() {
    let fleet = one().await;
    let conn = over_h2(&fleet).h2(fleet.addrs()[0]).await;
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
    let idle = over_h1(&fleet).h1(origin.addr()).await;
    let busy = over_h2(&fleet).h2(origin.addr()).await;
    let upload = busy.begin(request(&fleet.url("/echo"), "a", b"")).await;
    let both = |l: &Ledger| l.arrived() == 1 && l.handshakes() == 2;
    fleet.ledger().wait_until(both).await;
    origin.close_idle();
    fleet
        .ledger()
        .wait_until(|l| l.open_connections() == 1)
        .await;
    upload.finish(b"hello").await.unwrap();
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
        let with_h2 = over_h2(&fleet).h2(addr).await;
        let mut with_h1 = over_h1(&fleet).h1(addr).await;
        for id in ["a", "b"] {
            with_h2.send(request(&url, id, b"")).await.unwrap();
            with_h1.send(request(&url, id, b"")).await.unwrap();
        }
        let says_goaway = with_h2.driver.await.unwrap().is_ok();
        assert_eq!(says_goaway, on_limit == OnLimit::Goaway);
        assert!(with_h1.driver.await.is_ok());
        assert_eq!(fleet.ledger().max_requests_on_a_connection(), 2);
    }
}

#[tokio::test]
async fn a_request_can_die_unanswered() {
    let fleet = one().await;
    let (origin, url) = (fleet.origin(0), fleet.url("/"));
    origin.script(|script| script.reset_stream = Some(Reason::REFUSED_STREAM));
    let conn = over_h2(&fleet).h2(origin.addr()).await;
    let error = conn.send(request(&url, "a", b"x")).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
    origin.script(|script| script.close_before_response = Some(Close::Fin));
    assert!(conn.send(request(&url, "b", b"x")).await.is_err());
    let mut conn = over_h1(&fleet).h1(origin.addr()).await;
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
    let io = over_h2(&fleet).connect(fleet.addrs()[0]).await.unwrap();
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
async fn a_stream_the_client_resets_is_over() {
    let fleet = one().await;
    let conn = over_h2(&fleet).h2(fleet.addrs()[0]).await;
    let slow = conn
        .begin(request(&fleet.url("/slow?ms=3600000"), "a", b""))
        .await;
    fleet.ledger().wait_until(|l| l.arrived() == 1).await;
    drop(slow);
    let over = |l: &Ledger| l.conn(0).unwrap().concurrent == 0;
    fleet.ledger().wait_until(over).await;
    assert_eq!(fleet.ledger().open_connections(), 1);
    assert_eq!(fleet.ledger().served(), 0);
}

#[tokio::test]
async fn shutting_down_leaves_no_task() {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let fleet = one().await;
    let conn = over_h2(&fleet).h2(fleet.addrs()[0]).await;
    let slow = conn
        .begin(request(&fleet.url("/slow?ms=3600000"), "a", b""))
        .await;
    fleet.ledger().wait_until(|l| l.arrived() == 1).await;
    fleet.origin(0).script(|script| script.stall_accept = true);
    let mut stalled = TcpStream::connect(fleet.addrs()[0]).await.unwrap();
    let both = |l: &Ledger| l.open_connections() == 2;
    fleet.ledger().wait_until(both).await;
    fleet.shutdown().await;
    assert!(slow.finish(b"").await.is_err());
    assert!(conn.driver.await.unwrap().is_err());
    assert!(stalled.read_u8().await.is_err());
    assert_eq!(alive(), before);
}
