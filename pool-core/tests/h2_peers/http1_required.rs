//! HTTP_1_1_REQUIRED: asked once, remembered, and obeyed.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Version};
use pool_core::testing::{Alpn, Peer, PeerConn};
use pool_core::{Body, ConnInfo, ErrorKind, Pool, StaticResolver};
use pool_tls::{Roots, RustlsConnector};

use super::peers::{Far, URL, closed, everything_has_happened, h2, open, pool};

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A TLS peer that speaks both versions, and prefers HTTP/2 whenever it is offered.
async fn tls() -> (Pool, Peer, String) {
    let peer = Peer::listen_tls(LOOPBACK, "a.test", Alpn::Both).await;
    let peer = peer.expect("a free port");
    let resolver = StaticResolver::default();
    resolver.set("a.test", peer.addr().port(), vec![peer.addr()]);
    let tls = RustlsConnector::builder().roots(Roots::None);
    let ca = peer.ca_pem().expect("a TLS peer");
    let tls = tls.add_ca_pem(ca.as_bytes()).expect("a root");
    let pool = Pool::builder()
        .resolver(Arc::new(resolver))
        .tls(Arc::new(tls.build().expect("a connector")));
    let url = format!("https://a.test:{}/", peer.addr().port());
    (pool.build().expect("a pool"), peer, url)
}

/// Reads one request of HTTP/1.1 with the body `abc` and answers it.
async fn serve_http1(conn: &mut PeerConn) {
    conn.read_until(b"abc").await.expect("a request");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    conn.send(answer).await.expect("a reader");
}

fn post(url: &str) -> Request<Body> {
    Request::post(url)
        .body(Body::from("abc"))
        .expect("a request")
}

#[tokio::test]
async fn the_request_and_those_after_it_go_over_http1() {
    for goes_away in [false, true] {
        let (pool, peer, url) = tls().await;
        let serve = async {
            let first = peer.accept().await.expect("a connection");
            assert_eq!(first.alpn(), Some(&b"h2"[..]));
            let mut first = Far::greet(first).await;
            let stream = first.request().await;
            if goes_away {
                first.go_away(0, HTTP_1_1_REQUIRED).await;
            } else {
                first.reset(stream, HTTP_1_1_REQUIRED).await;
            }
            let mut second = peer.accept().await.expect("a connection");
            assert_eq!(second.alpn(), Some(&b"http/1.1"[..]), "offered alone");
            serve_http1(&mut second).await;
            first.closed().await;
            second
        };
        let (response, mut second) = tokio::join!(pool.request(post(&url)), serve);
        let response = response.expect("a response");
        let info = response.extensions().get::<ConnInfo>();
        assert_eq!(info.expect("a response of the pool").attempts, 2);
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.into_body().bytes().await.expect("a body"), "ok");
        assert_eq!(
            closed(&pool),
            [("http1_required", 1)],
            "goes away: {goes_away}"
        );

        let (response, ()) = tokio::join!(pool.request(post(&url)), serve_http1(&mut second));
        let response = response.expect("a response");
        assert_eq!(response.version(), Version::HTTP_11);
        let info = response.extensions().get::<ConnInfo>();
        assert_eq!(
            info.expect("a response of the pool").attempts,
            1,
            "nobody was asked"
        );
        assert_eq!(pool.snapshot().connections.totals.opened, 2);
    }
}

#[tokio::test]
async fn a_lease_taken_after_it_is_one_on_http1() {
    let (pool, peer, url) = tls().await;
    let serve = async {
        let mut first = Far::greet(peer.accept().await.expect("a connection")).await;
        let stream = first.request().await;
        first.reset(stream, HTTP_1_1_REQUIRED).await;
        let mut second = peer.accept().await.expect("a connection");
        second.read_until(b"abc").await.expect("a request");
        // The body has no end: this connection stays in use.
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        second.send(answer).await.expect("a reader");
        second
    };
    let (response, _second) = tokio::join!(pool.request(post(&url)), serve);
    let _unread = response.expect("a response");
    let (lease, third) = tokio::join!(pool.acquire(&url), peer.accept());
    let third = third.expect("a connection");
    assert_eq!(third.alpn(), Some(&b"http/1.1"[..]));
    drop(lease.expect("a lease"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_allows_http2_only_is_told_so() {
    let (pool, mut network) = pool(h2());
    let serve = async {
        let mut far = network.accept().await;
        let stream = far.request().await;
        far.reset(stream, HTTP_1_1_REQUIRED).await;
        far
    };
    let (response, mut far) = tokio::join!(pool.request(post(URL)), serve);
    let error = response.expect_err("no response");
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Http1Required, 1)
    );
    assert!(error.to_string().contains("HTTP/2 only"), "{error}");
    everything_has_happened().await;
    assert_eq!(
        (open(&pool), closed(&pool)),
        (1, vec![]),
        "the connection stays"
    );

    let serve = async {
        let stream = far.request().await;
        far.answer(stream, 200).await;
    };
    let (response, ()) = tokio::join!(pool.request(post(URL)), serve);
    response.expect("what it takes over HTTP/2 goes on");
}

/// What else a reset may say is no reason to go over to HTTP/1.1, nor to send a POST again.
#[tokio::test(start_paused = true)]
async fn any_other_code_ends_the_request() {
    for code in [INTERNAL_ERROR, super::peers::CANCEL, 0x4242] {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = network.accept().await;
            let stream = far.request().await;
            far.reset(stream, code).await;
            far
        };
        let (response, _far) = tokio::join!(pool.request(post(URL)), serve);
        let error = response.expect_err("no response");
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::MaybeProcessed, 1)
        );
        everything_has_happened().await;
        assert_eq!((open(&pool), closed(&pool)), (1, vec![]));
    }
}

const INTERNAL_ERROR: u32 = 2;
const HTTP_1_1_REQUIRED: u32 = 13;
