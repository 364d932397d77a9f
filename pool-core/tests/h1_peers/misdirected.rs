//! 421: sent once more, over a connection that was not open then.

use http::Method;

use crate::peers::{END, OK, Serve, World, h1, info, text, with_both};

const MISDIRECTED: &[u8] = b"HTTP/1.1 421 Misdirected Request\r\ncontent-length: 2\r\n\r\nno";

#[tokio::test]
async fn any_method_is_sent_once_more_on_a_fresh_connection() {
    with_both(async |engine| {
        for method in [Method::GET, Method::POST] {
            let case = format!("{engine:?}: {method}");
            let mut world = World::tls(h1(engine)).await;
            // Idle, but open when the peer says so.
            let mut one = world.works_on_a_fresh_one().await;
            let (request, until) = if method == Method::GET {
                (world.get(), END)
            } else {
                (world.post("abc"), "abc")
            };
            let serve = async {
                one.serve(until, MISDIRECTED).await;
                let mut two = world.accept().await;
                two.serve(until, OK).await;
                two
            };
            let (response, mut two) = tokio::join!(world.pool.request(request), serve);
            let response = response.expect(&case);
            let seen = (response.status().as_u16(), info(&response).attempts);
            assert_eq!((seen, info(&response).reused), ((200, 2), false), "{case}");
            assert_eq!(text(response).await.expect(&case), "ok");
            assert_eq!(world.closed().await, "misdirected", "{case}");
            one.is_left().await;
            world.works_again_on(&mut two).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_421_is_the_callers() {
    with_both(async |engine| {
        let mut world = World::tls(h1(engine)).await;
        let serve = async {
            let mut one = world.accept().await;
            one.serve(END, MISDIRECTED).await;
            let mut two = world.accept().await;
            two.serve(END, MISDIRECTED).await;
            (one, two)
        };
        let (response, (_one, mut two)) = tokio::join!(world.pool.request(world.get()), serve);
        let response = response.expect("a response");
        let seen = (response.status().as_u16(), info(&response).attempts);
        assert_eq!(seen, (421, 2), "{engine:?}");
        assert_eq!(text(response).await.expect("a body"), "no");
        assert_eq!(world.closed().await, "misdirected");
        world.works_again_on(&mut two).await;
    })
    .await;
}
