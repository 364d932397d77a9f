//! HTTP/1.1: when the lease goes back, and when the connection is closed instead.

use super::*;
use http_body::Frame;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test(start_paused = true)]
async fn the_lease_returns_when_the_body_has_been_read_and_not_before() {
    let io = tokio_test::io::Builder::new()
        .write(b"GET /x HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .read(OK.as_bytes())
        .write(b"GET /x HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .read(OK.as_bytes())
        .wait(Duration::from_secs(1))
        .build();
    let mut rig = Rig::h1(ENGINE, io).await;
    for _ in 0..2 {
        let response = rig.send(get()).await.unwrap();
        assert_eq!(response.body().conn_info().id, ConnId(7));
        assert!(rig.events.is_empty());
        assert_eq!(text(response).await, "hi");
        assert_eq!(rig.next().await, Event::Returned(None));
        assert!(rig.conn.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn the_lease_returns_only_after_the_upload_too() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    let mut request = post(body);
    request
        .headers_mut()
        .insert("trailer", "x-sum".parse().unwrap());
    let serve = async {
        read_until(&mut peer, "abc\r\n").await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
            .await
            .unwrap();
        peer
    };
    let (response, mut peer) = tokio::join!(rig.send(request), serve);
    let mut body = response.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    feed.send(Frame::trailers(trailers("x-sum", "1"))).unwrap();
    drop(feed);
    let serve = async {
        read_until(&mut peer, "x-sum: 1\r\n\r\n").await;
        assert!(rig.is_quiet().await);
        peer.write_all(b"0\r\n\r\n").await.unwrap();
    };
    let (end, ()) = tokio::join!(body.frame(), serve);
    assert!(end.is_none());
    assert_eq!(rig.next().await, Event::Returned(None));
}

#[tokio::test(start_paused = true)]
async fn trailers_go_both_ways() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(ENGINE, io).await;
    let (feed, body) = fed();
    feed.send(piece("abc")).unwrap();
    feed.send(Frame::trailers(trailers("x-sum", "1"))).unwrap();
    let mut request = post(body);
    request
        .headers_mut()
        .insert("trailer", "x-sum".parse().unwrap());
    let serve = async {
        let sent = read_until(&mut peer, "x-sum: 1\r\n\r\n").await;
        assert!(sent.contains("\r\n\r\n3\r\nabc\r\n0\r\n"), "{sent}");
        peer.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-end: 2\r\n\r\n",
        )
        .await
        .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(request), serve);
    let collected = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-end"], "2");
    assert_eq!(collected.to_bytes(), "x");
}

#[tokio::test(start_paused = true)]
async fn a_response_without_a_body_returns_the_lease_at_once() {
    let head = Request::head("https://a.test/x")
        .body(Body::empty())
        .unwrap();
    let cases = [
        (get(), "HTTP/1.1 204 No Content\r\n\r\n"),
        (get(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        (head, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
    ];
    for (request, answer) in cases {
        let (io, mut peer) = tokio::io::duplex(1024);
        let mut rig = Rig::h1(ENGINE, io).await;
        peer.write_all(b"").await.unwrap();
        let serve = async {
            read_until(&mut peer, "\r\n\r\n").await;
            peer.write_all(answer.as_bytes()).await.unwrap();
        };
        let (response, ()) = tokio::join!(rig.send(request), serve);
        let response = response.unwrap();
        assert_eq!(rig.next().await, Event::Returned(None), "{answer}");
        assert!(rig.conn.is_open());
        drop(response);
    }
}

#[tokio::test(start_paused = true)]
async fn informational_heads_are_skipped() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            .await
            .unwrap();
        peer.write_all(OK.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(text(response.unwrap()).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_early_closes_the_connection() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal")
            .await
            .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    drop(response.unwrap());
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.next().await, Event::Returned(Some(unfinished)));
    assert_eq!(rig.next().await, Event::Closed(unfinished));
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_has_arrived_may_be_dropped_unread() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(OK.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    let mut body = Box::pin(response.unwrap().into_body());
    // The first poll asks hyper for the piece; by the time nothing else can run it is there.
    std::future::poll_fn(|cx| {
        let _asked = http_body::Body::poll_frame(body.as_mut(), cx);
        std::task::Poll::Ready(())
    })
    .await;
    pass(Duration::from_millis(1)).await;
    drop(body);
    assert_eq!(rig.next().await, Event::Returned(None));
    assert!(rig.conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_body_may_be_dropped_on_a_plain_thread() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal")
            .await
            .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    std::thread::spawn(move || drop(response.unwrap()))
        .join()
        .unwrap();
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.next().await, Event::Returned(Some(unfinished)));
    assert_eq!(rig.next().await, Event::Closed(unfinished));
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_exchange_in_flight() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh")
            .await
            .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(get()), serve);
    rig.conn.close(CloseReason::Idle);
    assert!(!rig.conn.is_open());
    assert!(rig.is_quiet().await);
    peer.write_all(b"i").await.unwrap();
    assert_eq!(text(response.unwrap()).await, "hi");
    let idle = CloseReason::Idle;
    assert_eq!(rig.next().await, Event::Returned(Some(idle)));
    assert_eq!(rig.next().await, Event::Closed(idle));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes_when_its_last_holder_goes() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let Rig {
        conn, mut events, ..
    } = Rig::h1(ENGINE, io).await;
    drop(conn);
    let event = events.recv().await.unwrap();
    assert_eq!(event, Event::Closed(CloseReason::Removed));
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_and_does_not_read_on_loses_the_connection() {
    let (io, mut peer) = tokio::io::duplex(256);
    let mut rig = Rig::h1(ENGINE, io).await;
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        peer.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
            .await
            .unwrap();
    };
    let (response, ()) = tokio::join!(rig.send(post(vec![0; 4096])), serve);
    assert_eq!(text(response.unwrap()).await, "big");
    let unfinished = CloseReason::Unfinished;
    assert_eq!(rig.end().await, (unfinished, Some(unfinished)));
}

/// The body and the driver race for the lease on two threads; whoever comes second must see both sides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_returning_lease_is_forgotten() {
    let (io, mut peer) = tokio::io::duplex(1024);
    let mut rig = Rig::h1(ENGINE, io).await;
    let server = tokio::spawn(async move {
        for _ in 0..2000 {
            read_until(&mut peer, "\r\n\r\n").await;
            peer.write_all(OK.as_bytes()).await.unwrap();
        }
        peer
    });
    for _ in 0..2000 {
        let response = rig.send(get()).await.unwrap();
        assert_eq!(text(response).await, "hi");
        // The bound only keeps a forgotten lease from hanging the test.
        let returned = tokio::time::timeout(Duration::from_secs(60), rig.next()).await;
        assert_eq!(returned, Ok(Event::Returned(None)));
    }
    server.await.unwrap();
}
