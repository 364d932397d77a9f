//! Bytes that belong to no response: caught where that can be known, and the host's connections not reused afterwards.

use std::time::Duration;

use pool_core::config::Http1Engine;
use pool_core::testing::PeerConn;

use crate::peers::{
    END, OK, Serve, URL, World, everything_has_happened, h1, in_memory, info, open, pass, reasons,
    text, with_both,
};

const STALE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstale";
const MINUTE: Duration = Duration::from_secs(60);

/// A world with so many idle connections.
async fn idle(engine: Http1Engine, conns: usize) -> (World, Vec<PeerConn>) {
    let world = World::plain(h1(engine)).await;
    let requests = (0..conns).map(|_| world.pool.request(world.get()));
    let serve = async {
        let mut fars = Vec::new();
        for _ in 0..conns {
            let mut far = world.accept().await;
            far.request(END).await;
            fars.push(far);
        }
        // Only now, so that none was free when another was asked for.
        for far in &mut fars {
            far.say(OK).await;
        }
        fars
    };
    let (responses, fars) = tokio::join!(futures_util::future::join_all(requests), serve);
    for response in responses {
        text(response.expect("a response")).await.expect("a body");
    }
    (world, fars)
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_closes_the_hosts_idle_connections() {
    with_both(async |engine| {
        let (mut world, mut fars) = idle(engine, 3).await;
        fars[1].say(STALE).await;
        assert_eq!(world.quarantined().await, MINUTE);
        for far in &mut fars {
            far.is_left().await;
        }
        for _ in 0..3 {
            world.closed().await;
        }
        assert_eq!(world.reasons(), [("quarantined", 2), ("unsolicited", 1)]);
        assert_eq!(world.pool.snapshot().connections.totals.quarantines, 1);
        world.works_on_a_fresh_one().await;
    })
    .await;
}

#[tokio::test]
async fn meanwhile_each_connection_serves_one_request_and_says_so() {
    with_both(async |engine| {
        let (mut world, mut fars) = idle(engine, 1).await;
        fars[0].say(STALE).await;
        world.closed().await;
        for _ in 0..2 {
            let serve = async {
                let mut far = world.accept().await;
                let head = far.request(END).await;
                assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
                // It does not do as it was told.
                far.say(OK).await;
                far
            };
            let (response, mut far) = tokio::join!(world.pool.request(world.get()), serve);
            let response = response.expect("a response");
            assert!(!info(&response).reused);
            assert_eq!(text(response).await.expect("a body"), "ok");
            assert_eq!(world.closed().await, "quarantined");
            far.is_left().await;
        }
        assert_eq!(world.reasons(), [("quarantined", 2), ("unsolicited", 1)]);
    })
    .await;
}

#[tokio::test]
async fn what_is_in_use_serves_its_one_response_and_closes() {
    with_both(async |engine| {
        let (mut world, mut fars) = idle(engine, 2).await;
        let lease = world.pool.acquire(&world.url).await.expect("a lease");
        let used = lease.conn_info().id;
        // Which of the two is in use shows when the request arrives.
        let (mut one, mut other) = (fars.remove(0), fars.remove(0));
        let send = lease.send(world.get());
        let find = async {
            tokio::select! {
                _ = one.request(END) => {}
                _ = other.request(END) => std::mem::swap(&mut one, &mut other),
            }
            other.say(STALE).await;
            assert_eq!(world.closed().await, "unsolicited");
            one.say(OK).await;
        };
        let (response, ()) = tokio::join!(send, find);
        let response = response.expect("a response");
        assert_eq!((info(&response).id, info(&response).reused), (used, true));
        assert_eq!(text(response).await.expect("a body"), "ok");
        assert_eq!(world.closed().await, "quarantined");
        one.is_left().await;
        assert_eq!(world.reasons(), [("quarantined", 1), ("unsolicited", 1)]);
    })
    .await;
}

/// One that has arrived before its connection is asked for is caught, also when it comes with the last response.
#[tokio::test]
async fn bytes_after_a_response_are_not_the_next_response() {
    with_both(async |engine| {
        let mut world = World::plain(h1(engine)).await;
        let (response, _far) = world.meet(world.get(), END, &[OK, STALE].concat()).await;
        assert_eq!(
            text(response.expect("a response")).await.expect("a body"),
            "ok"
        );
        world.works_on_a_fresh_one().await;
        assert_eq!(world.closed().await, "unsolicited");
        assert_eq!(world.pool.snapshot().connections.totals.quarantines, 1);
    })
    .await;
}

/// Here nothing tells the stale response from the true one. The true one does: it belongs to nothing, and nobody else gets
/// a response that is not its own.
#[tokio::test]
async fn a_response_that_races_shifts_one_request_and_no_more() {
    with_both(async |engine| {
        let (mut world, mut fars) = idle(engine, 2).await;
        let race = async {
            let (mut one, mut other) = (fars.remove(0), fars.remove(0));
            tokio::select! {
                _ = one.request(END) => {}
                _ = other.request(END) => std::mem::swap(&mut one, &mut other),
            }
            // The request is out. Had this come a moment earlier, nobody could say so.
            one.say(STALE).await;
            one
        };
        let (response, mut far) = tokio::join!(world.pool.request(world.get()), race);
        let response = response.expect("a response");
        assert_eq!(text(response).await.expect("a body"), "stale", "not known");
        far.say(OK).await;
        assert_eq!(world.quarantined().await, MINUTE);
        far.is_left().await;
        world.works_on_a_fresh_one().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_and_comes_back_for_longer() {
    with_both(async |engine| {
        let (pool, mut network) = in_memory(h1(engine));
        for (again, minutes) in [(false, 1), (true, 2)] {
            let serve = async {
                let mut far = network.accept().await;
                far.serve(END, OK).await;
                far
            };
            let (response, mut far) = tokio::join!(pool.get(URL), serve);
            text(response.expect("a response")).await.expect("a body");
            everything_has_happened().await;
            assert_eq!(open(&pool), 1, "{engine:?}, again: {again}");
            far.say(STALE).await;
            everything_has_happened().await;
            assert_eq!(open(&pool), 0);

            pass(minutes * MINUTE - Duration::from_secs(1)).await;
            let serve = async {
                let mut far = network.accept().await;
                far.serve(END, OK).await;
                far
            };
            let (response, _far) = tokio::join!(pool.get(URL), serve);
            text(response.expect("a response")).await.expect("a body");
            everything_has_happened().await;
            assert_eq!(open(&pool), 0, "{engine:?}: it lasts");
            pass(Duration::from_secs(1)).await;
        }
        assert_eq!(reasons(&pool), [("quarantined", 2), ("unsolicited", 2)]);
        assert_eq!(pool.snapshot().connections.totals.quarantines, 2);
    })
    .await;
}

/// A caller that says something about its connection is not contradicted.
#[tokio::test]
async fn the_callers_own_word_about_the_connection_stays() {
    with_both(async |engine| {
        let (mut world, mut fars) = idle(engine, 1).await;
        fars[0].say(STALE).await;
        world.closed().await;
        let mut request = world.get();
        let word = http::HeaderValue::from_static("keep-alive");
        request.headers_mut().insert("connection", word);
        let serve = async {
            let mut far = world.accept().await;
            let head = far.request(END).await;
            assert_eq!(head.matches("connection: keep-alive").count(), 1, "{head}");
            assert!(!head.contains("close"), "{head}");
            far.say(OK).await;
        };
        let (response, ()) = tokio::join!(world.pool.request(request), serve);
        text(response.expect("a response")).await.expect("a body");
        assert_eq!(world.closed().await, "quarantined");
    })
    .await;
}

/// It has arrived, and nobody has looked since: whoever is about to use the connection does.
#[tokio::test(start_paused = true)]
async fn what_has_arrived_by_the_time_of_the_request_is_not_its_response() {
    with_both(async |engine| {
        let (pool, mut network) = in_memory(h1(engine));
        let serve = async {
            let mut far = network.accept().await;
            far.serve(END, OK).await;
            far
        };
        let (response, mut far) = tokio::join!(pool.get(URL), serve);
        text(response.expect("a response")).await.expect("a body");
        everything_has_happened().await;

        // Nothing waits in here, so that no other task has a turn before the request.
        far.say(STALE).await;
        let serve = async {
            let mut far = network.accept().await;
            let head = far.request(END).await;
            assert!(
                head.contains("\r\nconnection: close\r\n"),
                "{engine:?}: {head}"
            );
            far.say(OK).await;
        };
        let (response, ()) = tokio::join!(pool.get(URL), serve);
        let body = text(response.expect("a response")).await;
        assert_eq!(body.expect("a body"), "ok", "{engine:?}");
        everything_has_happened().await;
        let expected = match engine {
            // It tells the request, which was about to be sent, and not whoever drives the connection.
            Http1Engine::Hyper => [("peer_closed", 1), ("quarantined", 1)],
            _ => [("quarantined", 1), ("unsolicited", 1)],
        };
        assert_eq!(reasons(&pool), expected, "{engine:?}");
    })
    .await;
}
