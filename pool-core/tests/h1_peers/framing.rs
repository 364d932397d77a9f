//! Responses of which two readers could make two things.

use http::Request;
use pool_core::config::Http1Engine::{self, Hyper, Inline};
use pool_core::{Body, ErrorKind};

use crate::peers::{END, Serve, World, h1, text, with_both};

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No response, and the connection is closed.
    NoHead,
    /// A response whose body fails, and the connection is closed.
    NoBody,
    /// It is taken as it is, with this body.
    Taken(&'static str),
}
use Fate::{NoBody, NoHead, Taken};

struct Odd {
    name: &'static str,
    answer: &'static str,
    hyper: Fate,
    inline: Fate,
}

const fn odd(name: &'static str, answer: &'static str, hyper: Fate, inline: Fate) -> Odd {
    Odd {
        name,
        answer,
        hyper,
        inline,
    }
}

/// All of these keep the connection open: a reader that takes one to be longer than it is waits for ever.
#[rustfmt::skip]
const ODD: &[Odd] = &[
    odd("length and chunked", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", NoHead, NoHead),
    odd("chunked and length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", NoHead, NoHead),
    odd("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok", NoHead, NoHead),
    odd("one length twice", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", Taken("ok"), NoHead),
    odd("a list of lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", Taken("ok"), NoHead),
    odd("a signed length", "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", NoHead, NoHead),
    odd("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok", NoHead, NoHead),
    odd("a length in hex", "HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nok", NoHead, NoHead),
    odd("a length beyond 64 bits", "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551618\r\n\r\nok", NoHead, NoHead),
    odd("space before the colon", "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok", NoHead, NoHead),
    odd("a folded field", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok", NoHead, NoHead),
    odd("bare LF", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok", Taken("ok"), NoHead),
    odd("bare LF after a field", "HTTP/1.1 200 OK\r\nx: y\ncontent-length: 2\r\n\r\nok", Taken("ok"), NoHead),
    odd("bare LF at the end", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nok", Taken("ok"), NoHead),
    odd("CR in a value", "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 2\r\n\r\nok", NoHead, NoHead),
    odd("NUL in a value", "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok", NoHead, NoHead),
    odd("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", NoHead, NoHead),
    odd("another coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Taken("ok"), NoHead),
    odd("no HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n", NoHead, NoHead),
    odd("a chunk with a bare LF", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a bare LF in an extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a\nb\r\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a CR in an extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a\rb\r\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("no semicolon before an extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2 x\r\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a signed chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a chunk size in C", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a chunk size beyond 64 bits", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a chunk that is longer than it says", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", NoBody, NoBody),
    odd("a pseudo-header in trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n:status: 200\r\n\r\n", NoBody, NoBody),
    odd("a space in the name of a trailer", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx y: z\r\n\r\n", NoBody, NoBody),
    odd("framing in trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ncontent-length: 9\r\n\r\n", Taken("ok"), NoBody),
    odd("101 that was not asked for", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", NoHead, NoHead),
];

fn fate(odd: &Odd, engine: Http1Engine) -> Fate {
    match engine {
        Hyper => odd.hyper,
        Inline => odd.inline,
        _ => unreachable!("there are two"),
    }
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_and_its_connection_closed() {
    with_both(async |engine| {
        for odd in ODD {
            let case = format!("{engine:?}: {}", odd.name);
            let mut world = World::plain(h1(engine)).await;
            let (response, mut far) = world
                .meet(world.post("abc"), "abc", odd.answer.as_bytes())
                .await;
            let seen = match response {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::MaybeProcessed, "{case}: {error:?}");
                    assert_eq!(error.attempts(), 1, "{case}");
                    NoHead
                }
                Ok(response) => match text(response).await {
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Body, "{case}");
                        NoBody
                    }
                    Ok(body) => {
                        assert_eq!(body, "ok", "{case}");
                        Taken("ok")
                    }
                },
            };
            assert_eq!(seen, fate(odd, engine), "{case}");
            if seen == Taken("ok") {
                world.works_again_on(&mut far).await;
                continue;
            }
            // hyper mostly says only that the connection has ended, whoever ended it.
            let reason = world.closed().await;
            let vague = engine == Hyper && reason == "peer_closed";
            assert!(vague || reason == "error", "{case}: {reason}");
            far.is_left().await;
            world.works_on_a_fresh_one().await;
        }
    })
    .await;
}

/// What is asked, and the head that its answer has. A body follows that must not be there.
#[rustfmt::skip]
const BODILESS: &[(&str, &str)] = &[
    ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
    ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
    ("HEAD", "HTTP/1.1 200 OK\r\n\r\n"),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n"),
    ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"),
    ("GET", "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n"),
];

#[tokio::test]
async fn a_body_where_there_is_none_is_not_the_next_response() {
    with_both(async |engine| {
        for &(method, head) in BODILESS {
            for left in ["unasked-f", ""] {
                let case = format!("{engine:?}: {method}, {head:?}, {left:?}");
                let mut world = World::plain(h1(engine)).await;
                let request = Request::builder().method(method).uri(&world.url);
                let request = request.body(Body::empty()).expect("a request");
                let answer = [head, left].concat();
                let (response, mut far) = world.meet(request, END, answer.as_bytes()).await;
                let body = text(response.expect(&case)).await;
                assert_eq!(body.expect(&case), "", "{case}");
                if left.is_empty() {
                    world.works_again_on(&mut far).await;
                } else {
                    assert_eq!(world.closed().await, "unsolicited", "{case}");
                    world.works_on_a_fresh_one().await;
                }
            }
        }
    })
    .await;
}
