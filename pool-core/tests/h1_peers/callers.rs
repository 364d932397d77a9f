//! Callers that go away, wherever the exchange is, and callers that stay and do not read.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use pool_core::config::Http1Engine;
use pool_core::{Body, Config, ErrorKind, Phase, RequestOptions};

use crate::peers::{END, OK, Serve, World, h1, text, with_both};

/// One connection at a time, so that whatever keeps a permit keeps everybody out.
fn one(engine: Http1Engine) -> Config {
    let mut config = h1(engine);
    config.limits.per_host = 1;
    config
}

/// Whether nothing is left of the callers that are gone.
fn is_settled(world: &World) -> bool {
    let totals = world.pool.snapshot().connections.totals;
    (totals.leased, totals.waiting, totals.dialling) == (0, 0, 0)
}

#[tokio::test]
async fn dropped_while_it_waits_for_a_permit_it_leaves_no_trace() {
    with_both(async |engine| {
        let world = World::plain(one(engine)).await;
        let mut held = world.works_on_a_fresh_one().await;
        let lease = world.pool.acquire(&world.url).await.expect("a lease");
        {
            let mut waiting = pin!(world.pool.request(world.get()));
            assert!(waiting.as_mut().now_or_never().is_none());
            assert_eq!(world.pool.snapshot().connections.totals.waiting, 1);
        }
        assert_eq!(world.pool.snapshot().connections.totals.waiting, 0);
        drop(lease);
        world.works_again_on(&mut held).await;
        assert!(is_settled(&world), "{engine:?}");
    })
    .await;
}

/// The dial is the pool's: it goes on, and its connection serves whoever comes next.
#[tokio::test]
async fn dropped_while_it_is_dialled_for_it_leaves_a_connection_behind() {
    with_both(async |engine| {
        for tls in [false, true] {
            let world = if tls {
                World::tls(one(engine)).await
            } else {
                World::plain(one(engine)).await
            };
            {
                let mut waiting = pin!(world.pool.request(world.get()));
                // Past the lookup, with the dial under way, nobody at the other end.
                while world.pool.snapshot().connections.totals.dialling == 0 {
                    assert!(waiting.as_mut().now_or_never().is_none());
                    tokio::task::yield_now().await;
                }
            }
            let mut far = world.accept().await;
            while world.pool.snapshot().connections.totals.open == 0 {
                tokio::task::yield_now().await;
            }
            assert!(is_settled(&world), "{engine:?}, TLS: {tls}");
            let (response, ()) = tokio::join!(world.pool.request(world.get()), far.serve(END, OK));
            let response = response.expect("a response");
            assert_eq!(text(response).await.expect("a body"), "ok");
            let totals = world.pool.snapshot().connections.totals;
            assert_eq!((totals.opened, totals.dials), (1, 1));
        }
    })
    .await;
}

/// Where the peer stalls the handshake the dial ends at its time, and not later because nobody waits.
#[tokio::test]
async fn dropped_during_a_handshake_that_stalls_it_leaves_nothing_behind() {
    with_both(async |engine| {
        let mut config = one(engine);
        config.timeouts.handshake = Duration::from_millis(50);
        let world = World::tls(config).await;
        let stalled = {
            let waiting = world.pool.request(world.get());
            tokio::select! {
                biased;
                _ = waiting => unreachable!("nobody greets it"),
                stalled = world.peer.accept_tcp() => stalled.expect("a connection"),
            }
        };
        while !is_settled(&world) {
            tokio::task::yield_now().await;
        }
        let totals = world.pool.snapshot().connections.totals;
        assert_eq!((totals.dials_failed, totals.open), (1, 0));
        world.works_on_a_fresh_one().await;
        drop(stalled);
    })
    .await;
}

/// Where an exchange is when its caller goes.
#[derive(Clone, Copy, Debug)]
enum Point {
    HeadSent,
    BodyStreaming,
    HeadOfTheResponse,
    ReadingTheBody,
    BodyUnread,
}

/// There is no other way to tell an HTTP/1.1 peer than to close.
#[tokio::test]
async fn dropped_under_an_exchange_it_closes_the_connection_and_gives_back_its_permit() {
    with_both(async |engine| {
        use Point::*;
        for point in [
            HeadSent,
            BodyStreaming,
            HeadOfTheResponse,
            ReadingTheBody,
            BodyUnread,
        ] {
            let case = format!("{engine:?}: {point:?}");
            let mut world = World::plain(one(engine)).await;
            let endless = futures_util::stream::once(async {
                let piece = bytes::Bytes::from_static(b"abc");
                Ok::<_, std::io::Error>(http_body::Frame::data(piece))
            });
            let endless = futures_util::StreamExt::chain(endless, futures_util::stream::pending());
            let body = Body::wrap(http_body_util::StreamBody::new(Box::pin(endless)));
            let (request, until, answer) = match point {
                HeadSent => (world.get(), END, ""),
                BodyStreaming => (world.post(body), "abc\r\n", ""),
                HeadOfTheResponse => (world.get(), END, "HTTP/1.1 20"),
                ReadingTheBody | BodyUnread => (
                    world.get(),
                    END,
                    "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
                ),
            };
            let mut far = {
                let mut sending = pin!(world.pool.request(request));
                let serve = async {
                    let mut far = world.accept().await;
                    far.serve(until, answer.as_bytes()).await;
                    far
                };
                match point {
                    HeadSent | BodyStreaming | HeadOfTheResponse => tokio::select! {
                        biased;
                        _ = &mut sending => unreachable!("nobody answers"),
                        far = serve => far,
                    },
                    ReadingTheBody | BodyUnread => {
                        let (response, far) = tokio::join!(&mut sending, serve);
                        let mut body = response.expect(&case).into_body();
                        if let ReadingTheBody = point {
                            let frame = http_body_util::BodyExt::frame(&mut body).await;
                            frame.expect(&case).expect(&case);
                            let mut rest = pin!(body.bytes());
                            assert!(rest.as_mut().now_or_never().is_none(), "{case}");
                        }
                        far
                    }
                }
            };
            assert_eq!(world.closed().await, "unfinished", "{case}");
            far.is_left().await;
            world.works_on_a_fresh_one().await;
            assert!(is_settled(&world), "{case}");
        }
    })
    .await;
}

/// A response whose body has arrived is as good as read.
#[tokio::test]
async fn a_body_dropped_unread_but_all_there_keeps_its_connection() {
    with_both(async |engine| {
        let world = World::plain(one(engine)).await;
        let (response, mut far) = world.meet(world.get(), END, OK).await;
        drop(response.expect("a response"));
        world.works_again_on(&mut far).await;
    })
    .await;
}

/// It holds its own connection, which shows; others get theirs while the limits have room, and wait in their turn if not.
#[tokio::test]
async fn an_unread_body_holds_its_connection_and_nobody_elses() {
    with_both(async |engine| {
        let mut config = h1(engine);
        config.limits.per_host = 2;
        let world = World::plain(config).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        let (unread, mut holds) = world.meet(world.get(), END, head).await;
        let unread = unread.expect("a response");
        let mut other = world.works_on_a_fresh_one().await;
        for _ in 0..3 {
            world.works_again_on(&mut other).await;
        }
        let totals = world.pool.snapshot().connections.totals;
        assert_eq!((totals.leased, totals.open), (1, 2));

        let lease = world.pool.acquire(&world.url).await.expect("the other one");
        let mut late = world.get();
        let options = RequestOptions::new().acquire_timeout(Duration::from_millis(20));
        late.extensions_mut().insert(options);
        let error = world.pool.request(late).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
        drop(lease);

        let rest = holds.say(b"other");
        let (body, ()) = tokio::join!(text(unread), rest);
        assert_eq!(body.expect("a body"), "halfother");
        while world.pool.snapshot().connections.totals.idle < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.reasons(), [], "{engine:?}");
    })
    .await;
}
