//! What a peer can make the pool hold: how much it can say before nobody takes any more.

use http::Request;
use pool_core::config::Http1Engine;
use pool_core::{Body, ErrorKind};

use crate::peers::{
    END, OK, PIPE, Serve, URL, everything_has_happened, h1, in_memory, open, reasons, text,
    with_both,
};

const KIB: usize = 1024;

/// A response that does not end: its beginning, what comes again and again, whether the head has come by then, and how
/// much of it hyper and the inline engine take before they refuse it.
struct Endless {
    name: &'static str,
    begins: &'static str,
    again: &'static str,
    has_head: bool,
    hyper: usize,
    inline: usize,
}

/// `http1.buffer`, which bounds a head.
const BUFFER: usize = 64 * KIB;

const ENDLESS: &[Endless] = &[
    Endless {
        name: "a field",
        begins: "HTTP/1.1 200 OK\r\nx: ",
        again: "y",
        has_head: false,
        hyper: BUFFER,
        inline: BUFFER,
    },
    Endless {
        name: "fields",
        begins: "HTTP/1.1 200 OK\r\n",
        again: "x: y\r\n",
        has_head: false,
        hyper: BUFFER,
        inline: BUFFER,
    },
    Endless {
        name: "a chunk extension",
        begins: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;",
        again: "x",
        has_head: true,
        hyper: 16 * KIB,
        inline: 256,
    },
    Endless {
        name: "a trailer",
        begins: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
        again: "y",
        has_head: true,
        hyper: 16 * KIB,
        inline: 16 * KIB,
    },
    Endless {
        name: "trailers",
        begins: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        again: "x: y\r\n",
        has_head: true,
        hyper: 16 * KIB,
        inline: 16 * KIB,
    },
];

#[tokio::test(start_paused = true)]
async fn what_has_no_end_is_refused_before_it_fills_memory() {
    with_both(async |engine| {
        for endless in ENDLESS {
            let case = format!("{engine:?}: {}", endless.name);
            let limit = match engine {
                Http1Engine::Hyper => endless.hyper,
                _ => endless.inline,
            };
            let (pool, mut network) = in_memory(h1(engine));
            let serve = async {
                let mut far = network.accept().await;
                far.serve("abc", endless.begins.as_bytes()).await;
                far.say_for_ever(endless.again.as_bytes()).await
            };
            let read = async {
                let request = Request::post(URL).body(Body::from("abc"));
                let response = pool.request(request.expect("a request")).await;
                let error = match response {
                    Err(error) => {
                        assert!(!endless.has_head, "{case}: {error:?}");
                        assert_eq!(error.kind(), ErrorKind::MaybeProcessed, "{case}");
                        return;
                    }
                    Ok(response) => text(response).await.expect_err(&case),
                };
                assert!(endless.has_head, "{case}: {error:?}");
                assert_eq!(error.kind(), ErrorKind::Body, "{case}");
            };
            let (taken, ()) = tokio::join!(serve, read);
            assert!(taken <= limit + PIPE, "{case}: {taken} bytes");
            everything_has_happened().await;
            // hyper says only that the connection has ended, whoever ended it.
            let reason = match engine {
                Http1Engine::Hyper => "peer_closed",
                _ => "error",
            };
            let seen = (open(&pool), reasons(&pool));
            assert_eq!(seen, (0, vec![(reason, 1)]), "{case}");
        }
    })
    .await;
}

/// Nobody reads the body: the peer is held up once the buffer of the engine and the pipe are full.
#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_stays_with_the_peer() {
    with_both(async |engine| {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        ] {
            let (pool, mut network) = in_memory(h1(engine));
            let serve = async {
                let mut far = network.accept().await;
                far.serve(END, head.as_bytes()).await;
                far
            };
            let (response, mut far) = tokio::join!(pool.get(URL), serve);
            let unread = response.expect("a response");
            let taken = far.say_for_ever(b"x").await;
            let limit = match engine {
                Http1Engine::Hyper => BUFFER,
                // It reads what is asked for, and nothing is.
                _ => 0,
            };
            assert!(taken <= limit + 2 * PIPE, "{engine:?}: {taken} bytes");
            assert_eq!((open(&pool), reasons(&pool)), (1, vec![]));
            drop(unread);
            everything_has_happened().await;
            assert_eq!((open(&pool), reasons(&pool)), (0, vec![("unfinished", 1)]));

            let serve = async {
                let mut far = network.accept().await;
                far.serve(END, OK).await;
            };
            let (response, ()) = tokio::join!(pool.get(URL), serve);
            assert_eq!(
                text(response.expect("a response")).await.expect("a body"),
                "ok"
            );
        }
    })
    .await;
}
