//! What a peer did decides whether a request is sent again; the peer counts.
#![cfg(feature = "testing")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use pool_core::testing::{Frame, Peer, PeerConn};
use pool_core::{Body, Config, Error, ErrorKind, Pool, Protocols, StaticResolver};

/// What a scripted HTTP/2 peer does with the request of this number, counted over all connections from one.
#[derive(Clone, Copy)]
enum Does {
    Answers,
    /// GOAWAY that leaves this stream out, with this code; then the end.
    GoesAway(u32),
    Refuses,
    /// Reads and ends the connection.
    Closes,
}

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// Serves connections as `plan` says until dropped.
struct H2Peer {
    addr: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for H2Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl H2Peer {
    async fn start(plan: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let peer = Peer::listen(LOOPBACK).await.expect("a free port");
        let addr = peer.addr();
        let (requests, plan) = (Arc::<AtomicUsize>::default(), Arc::new(plan));
        let counted = requests.clone();
        let task = tokio::spawn(async move {
            while let Ok(conn) = peer.accept().await {
                let (plan, counted) = (plan.clone(), counted.clone());
                // An error is a client that has closed.
                tokio::spawn(async move { serve(conn, &*plan, &counted).await.ok() });
            }
        });
        Self {
            addr,
            requests,
            task,
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut conn: PeerConn,
    plan: &(dyn Fn(usize) -> Does + Send + Sync),
    counted: &AtomicUsize,
) -> std::io::Result<()> {
    conn.read(PREFACE).await?;
    conn.send_frame(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let read = conn.read_frame().await?;
        match read.kind {
            SETTINGS if read.flags & ACK == 0 => {
                conn.send_frame(&frame(SETTINGS, ACK, 0, &[])).await?;
            }
            PING if read.flags & ACK == 0 => {
                conn.send_frame(&frame(PING, ACK, 0, &read.payload)).await?;
            }
            _ => {}
        }
        // A request ends with its head or with its body.
        if !matches!(read.kind, HEADERS | DATA) || read.flags & END_STREAM == 0 {
            continue;
        }
        match plan(counted.fetch_add(1, Ordering::SeqCst) + 1) {
            Does::Answers => {
                let flags = END_STREAM | END_HEADERS;
                conn.send_frame(&frame(HEADERS, flags, read.stream, STATUS_200))
                    .await?;
            }
            Does::GoesAway(code) => {
                let last = read.stream.saturating_sub(2);
                let mut payload = last.to_be_bytes().to_vec();
                payload.extend(code.to_be_bytes());
                conn.send_frame(&frame(GOAWAY, 0, 0, &payload)).await?;
                conn.finish().await?;
                return Ok(());
            }
            Does::Refuses => {
                let code = REFUSED_STREAM.to_be_bytes();
                conn.send_frame(&frame(RST_STREAM, 0, read.stream, &code))
                    .await?;
            }
            Does::Closes => return conn.finish().await,
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    Frame {
        kind,
        flags,
        stream,
        payload: payload.to_vec().into(),
    }
}

/// Any free port.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` by HPACK's static table (RFC 7541, appendix A).
const STATUS_200: &[u8] = &[0x88];

/// A pool that speaks HTTP/2 to the peer by prior knowledge.
fn pool_for(peer: &H2Peer) -> Pool {
    let resolver = StaticResolver::default();
    resolver.set("a.test", 80, vec![peer.addr]);
    let config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    let pool = Pool::builder().config(config).resolver(Arc::new(resolver));
    pool.build().expect("a pool")
}

/// Returns how many tries it took, or the error.
async fn send(pool: &Pool, method: Method) -> Result<u32, Error> {
    let body = match method {
        Method::POST => Body::from("abc"),
        _ => Body::empty(),
    };
    let request = Request::builder().method(method).uri("http://a.test/");
    let response = pool.request(request.body(body).expect("a request")).await?;
    assert_eq!(response.status(), 200);
    let attempts = response.body().conn_info().attempts;
    response.into_body().bytes().await?;
    Ok(attempts)
}

#[tokio::test]
async fn a_goaway_that_leaves_a_request_out_sends_it_once_more_even_a_post() {
    for method in [Method::GET, Method::POST] {
        let peer = H2Peer::start(|n| match n {
            2 => Does::GoesAway(NO_ERROR),
            _ => Does::Answers,
        })
        .await;
        let pool = pool_for(&peer);
        assert_eq!(send(&pool, method.clone()).await.unwrap(), 1);
        assert_eq!(send(&pool, method).await.unwrap(), 2);
        assert_eq!(peer.requests(), 3);
    }
}

#[tokio::test]
async fn a_goaway_with_an_error_on_a_used_connection_leaves_it_to_another() {
    let peer = H2Peer::start(|n| match n {
        2 => Does::GoesAway(INTERNAL_ERROR),
        _ => Does::Answers,
    })
    .await;
    let pool = pool_for(&peer);
    send(&pool, Method::POST).await.unwrap();
    assert_eq!(send(&pool, Method::POST).await.unwrap(), 2);
    assert_eq!(peer.requests(), 3);
}

#[tokio::test]
async fn a_goaway_with_an_error_on_the_first_request_of_a_fresh_connection_is_final() {
    for method in [Method::GET, Method::POST] {
        let peer = H2Peer::start(|_| Does::GoesAway(INTERNAL_ERROR)).await;
        let error = send(&pool_for(&peer), method).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
        assert_eq!(peer.requests(), 1);
    }
}

#[tokio::test]
async fn a_peer_that_refuses_for_ever_is_asked_three_times() {
    for method in [Method::GET, Method::POST] {
        let peer = H2Peer::start(|_| Does::Refuses).await;
        let error = send(&pool_for(&peer), method).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 3));
        assert_eq!(peer.requests(), 3);
    }
}

#[tokio::test]
async fn a_peer_that_refuses_once_is_asked_again() {
    let peer = H2Peer::start(|n| match n {
        1 => Does::Refuses,
        _ => Does::Answers,
    })
    .await;
    assert_eq!(send(&pool_for(&peer), Method::POST).await.unwrap(), 2);
}

#[tokio::test]
async fn a_post_that_was_read_is_not_sent_again() {
    for reused in [false, true] {
        let peer = H2Peer::start(move |n| match n {
            1 if reused => Does::Answers,
            _ => Does::Closes,
        })
        .await;
        let pool = pool_for(&peer);
        if reused {
            send(&pool, Method::GET).await.unwrap();
        }
        let before = peer.requests();
        let error = send(&pool, Method::POST).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MaybeProcessed);
        assert_eq!(error.attempts(), 1);
        assert!(error.conn_info().is_some());
        assert_eq!(peer.requests(), before + 1);
    }
}

#[tokio::test]
async fn a_get_that_was_read_is_sent_once_more_if_its_connection_had_been_used() {
    let peer = H2Peer::start(|n| match n {
        2 => Does::Closes,
        _ => Does::Answers,
    })
    .await;
    let pool = pool_for(&peer);
    send(&pool, Method::GET).await.unwrap();
    assert_eq!(send(&pool, Method::GET).await.unwrap(), 2);
    assert_eq!(peer.requests(), 3);

    // A peer that closes every time is asked no third time.
    let peer = H2Peer::start(|n| match n {
        1 => Does::Answers,
        _ => Does::Closes,
    })
    .await;
    let pool = pool_for(&peer);
    send(&pool, Method::GET).await.unwrap();
    let error = send(&pool, Method::GET).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::MaybeProcessed, 2)
    );
    assert_eq!(peer.requests(), 3);
}

#[tokio::test]
async fn retries_stay_within_the_budget() {
    let peer = H2Peer::start(|_| Does::Refuses).await;
    let resolver = StaticResolver::default();
    resolver.set("a.test", 80, vec![peer.addr]);
    let mut config = Config {
        protocols: Protocols::Http2,
        ..Config::default()
    };
    config.retry.budget_min = 3;
    config.retry.budget_percent = 0;
    let pool = Pool::builder().config(config).resolver(Arc::new(resolver));
    let pool = pool.build().unwrap();
    for _ in 0..20 {
        send(&pool, Method::GET).await.unwrap_err();
    }
    assert_eq!(peer.requests(), 20 + 3);
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.requests, snapshot.retries), (20, 3));
}
