//! A GOAWAY whose last id is below a stream that was answered before it: nothing can be concluded from it.
//!
//! Node's `session.goaway()` says zero, whatever it has processed, and goes on to answer what it is at.

use http::{Method, Request};
use pool_core::{Body, ErrorKind, Pool};

use super::peers::{Far, URL, closed, h2, pool};

async fn send(pool: &Pool, method: Method) -> Result<u16, pool_core::Error> {
    let request = Request::builder().method(method).uri(URL);
    let request = request.body(Body::from("abc")).expect("a request");
    let response = pool.request(request).await?;
    Ok(response.status().as_u16())
}

async fn answer_one(far: &mut Far) {
    let stream = far.request().await;
    far.answer(stream, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_last_id_that_cannot_be_true_is_no_leave_to_send_a_post_again() {
    // Up to the stream that was answered it may be true: that one alone was left out.
    for (last, method, tries) in [
        (0, Method::POST, None),
        (0, Method::PUT, Some(2)),
        (1, Method::POST, Some(2)),
    ] {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = network.accept().await;
            answer_one(&mut far).await;
            far
        };
        let (sent, mut far) = tokio::join!(send(&pool, Method::POST), serve);
        assert_eq!(sent.expect("a response"), 200);

        let serve = async {
            let stream = far.request().await;
            far.go_away(last, 0).await;
            // What it did with the request nobody hears any more.
            let flags = super::peers::END_HEADERS | super::peers::END_STREAM;
            let head = super::peers::head(201);
            let _gone = far
                .try_write(super::peers::HEADERS, flags, stream, &head)
                .await;
            if tries.is_some() {
                let mut second = network.accept().await;
                answer_one(&mut second).await;
                return Some(second);
            }
            None
        };
        let (sent, _second) = tokio::join!(send(&pool, method.clone()), serve);
        match (sent, tries) {
            (Ok(status), Some(_)) => assert_eq!(status, 200, "{last} {method}"),
            (Err(error), None) => {
                let found = (error.kind(), error.attempts());
                assert_eq!(found, (ErrorKind::MaybeProcessed, 1), "{last} {method}");
            }
            (sent, tries) => panic!("{last} {method}: {sent:?}, {tries:?}"),
        }
        assert!(!network.was_dialled());
        far.closed().await;
        assert_eq!(closed(&pool), [("goaway", 1)], "{last} {method}");
    }
}
