//! Connections that end too early: between requests, under a request, under a response.

use http::{Method, Request};
use pool_core::config::Http1Engine;
use pool_core::testing::PeerConn;
use pool_core::{Body, ErrorKind};

use crate::peers::{END, OK, Serve, World, h1, info, text, with_both};

/// How a peer ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Fin,
    Rst,
}

const ENDS: [End; 2] = [End::Fin, End::Rst];

impl End {
    fn of(self, far: PeerConn) {
        match self {
            Self::Fin => drop(far),
            Self::Rst => far.reset(),
        }
    }
}

/// A connection that has served once.
async fn used(engine: Http1Engine) -> (World, PeerConn) {
    let world = World::plain(h1(engine)).await;
    let far = world.works_on_a_fresh_one().await;
    (world, far)
}

fn request(world: &World, method: Method) -> (Request<Body>, &'static str) {
    if method == Method::GET {
        (world.get(), END)
    } else {
        (world.post("abc"), "abc")
    }
}

/// The peer has gone before there is a request: that costs nobody anything.
#[tokio::test]
async fn an_idle_connection_that_ends_is_noticed_when_it_does() {
    with_both(async |engine| {
        for end in ENDS {
            let (mut world, far) = used(engine).await;
            end.of(far);
            assert_eq!(world.closed().await, "peer_closed", "{engine:?} {end:?}");
            let (response, _far) = world.meet(world.post("abc"), "abc", OK).await;
            assert_eq!(info(&response.expect("a response")).attempts, 1);
        }
    })
    .await;
}

/// The peer goes while the request is on its way. It may have read it: only what may be done twice is sent again.
#[tokio::test]
async fn a_reused_connection_that_ends_under_a_request_costs_an_idempotent_one_a_retry() {
    with_both(async |engine| {
        for end in ENDS {
            let case = format!("{engine:?} {end:?}");
            let (mut world, mut far) = used(engine).await;
            let serve = async {
                far.request(END).await;
                end.of(far);
                let mut fresh = world.accept().await;
                fresh.serve(END, OK).await;
                fresh
            };
            let (response, _far) = tokio::join!(world.pool.request(world.get()), serve);
            let response = response.expect(&case);
            assert_eq!(info(&response).attempts, 2, "{case}");
            assert_eq!(text(response).await.expect(&case), "ok");
            assert_eq!(world.closed().await, "peer_closed", "{case}");
            assert_eq!(world.pool.snapshot().retries, 1, "{case}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_reused_connection_that_ends_under_a_post_leaves_it_maybe_processed() {
    with_both(async |engine| {
        for end in ENDS {
            let case = format!("{engine:?} {end:?}");
            let (mut world, mut far) = used(engine).await;
            let serve = async {
                far.request("abc").await;
                end.of(far);
            };
            let (response, ()) = tokio::join!(world.pool.request(world.post("abc")), serve);
            let error = response.expect_err(&case);
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::MaybeProcessed, 1)
            );
            assert_eq!(world.closed().await, "peer_closed", "{case}");
            world.works_on_a_fresh_one().await;
        }
    })
    .await;
}

/// Nobody had given this connection up: its peer read the request and left.
#[tokio::test]
async fn a_fresh_connection_that_ends_under_a_request_is_not_tried_again() {
    with_both(async |engine| {
        for end in ENDS {
            for method in [Method::GET, Method::POST] {
                let case = format!("{engine:?} {end:?} {method}");
                let mut world = World::plain(h1(engine)).await;
                let (request, until) = request(&world, method);
                let serve = async {
                    let mut far = world.accept().await;
                    far.request(until).await;
                    end.of(far);
                };
                let (response, ()) = tokio::join!(world.pool.request(request), serve);
                let error = response.expect_err(&case);
                assert_eq!(
                    (error.kind(), error.attempts()),
                    (ErrorKind::MaybeProcessed, 1),
                    "{case}"
                );
                assert_eq!(world.closed().await, "peer_closed", "{case}");
                world.works_on_a_fresh_one().await;
            }
        }
    })
    .await;
}

/// How a response is delimited, how its connection ends under it, and whether the caller gets a body.
struct Cut {
    head: &'static str,
    tls: bool,
    end: Ending,
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// With TLS after close_notify.
    InOrder,
    /// FIN alone.
    Fin,
    Rst,
}

const fn cut(head: &'static str, tls: bool, end: Ending, whole: bool) -> Cut {
    Cut {
        head,
        tls,
        end,
        whole,
    }
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// Only where nothing else delimits a body is the end of the connection its end; with TLS only an end that the peer has
/// signed. In plain text a body cut off with FIN is not to be told from a whole one.
const CUTS: &[Cut] = &[
    cut(UNTIL_CLOSE, false, Ending::Fin, true),
    cut(UNTIL_CLOSE, false, Ending::Rst, false),
    cut(UNTIL_CLOSE, true, Ending::InOrder, true),
    cut(UNTIL_CLOSE, true, Ending::Fin, false),
    cut(UNTIL_CLOSE, true, Ending::Rst, false),
    cut(LENGTH, false, Ending::Fin, false),
    cut(LENGTH, false, Ending::Rst, false),
    cut(LENGTH, true, Ending::InOrder, false),
    cut(LENGTH, true, Ending::Fin, false),
    cut(CHUNKED, false, Ending::Fin, false),
    cut(CHUNKED, true, Ending::InOrder, false),
    cut(CHUNKED, true, Ending::Fin, false),
];

#[tokio::test]
async fn a_body_that_is_cut_short_is_an_error() {
    with_both(async |engine| {
        for &Cut {
            head,
            tls,
            end,
            whole,
        } in CUTS
        {
            let case = format!("{engine:?}, TLS: {tls}, {end:?}, {head:?}");
            let mut world = if tls {
                World::tls(h1(engine)).await
            } else {
                World::plain(h1(engine)).await
            };
            let answer = [head.as_bytes(), b"half"].concat();
            let (response, mut far) = world.meet(world.get(), END, &answer).await;
            let mut body = response.expect(&case).into_body();
            // The connection ends under the body, not before it: what is there is delivered first.
            let piece = http_body_util::BodyExt::frame(&mut body)
                .await
                .expect(&case);
            let piece = piece
                .expect(&case)
                .into_data()
                .expect("a piece of the body");
            assert_eq!(piece, "half", "{case}");
            match end {
                Ending::InOrder => far.finish().await.expect("a reader"),
                Ending::Fin => drop(far),
                Ending::Rst => far.reset(),
            }
            let rest = body.bytes().await;
            match rest {
                Ok(rest) => assert!(whole && rest.is_empty(), "{case}"),
                Err(error) => {
                    assert!(!whole, "{case}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Body, "{case}");
                }
            }
            let reason = world.closed().await;
            assert_eq!(reason, "peer_closed", "{case}");
            world.works_on_a_fresh_one().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_longer_than_it_says_ends_where_it_says() {
    with_both(async |engine| {
        let mut world = World::plain(h1(engine)).await;
        let (response, _far) = world.meet(world.get(), END, &[OK, b"more"].concat()).await;
        let body = text(response.expect("a response")).await;
        assert_eq!(body.expect("a body"), "ok");
        assert_eq!(world.closed().await, "unsolicited", "{engine:?}");
        world.works_on_a_fresh_one().await;
    })
    .await;
}
