//! Response heads and trailers against RFC 9113 section 8: what the caller gets and whether the connection stays.
//!
//! A block that HPACK or the field syntax forbids ends the connection, in the h2 crate's reading: whoever cannot decode it
//! has lost the table that later blocks refer to. What is decoded and malformed ends its stream alone.

use pool_core::{Error, ErrorKind};

use super::peers::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Far, HEADERS, URL, chain, closed,
    everything_has_happened, field, h2, head, open, pool,
};

/// What a bad block ends.
#[derive(Debug, PartialEq)]
enum Ends {
    Connection,
    Stream,
    Nothing,
}
use Ends::{Connection, Nothing, Stream};

/// `:status: 200`, indexed.
fn ok() -> Vec<u8> {
    vec![0x88]
}

async fn get(pool: &pool_core::Pool) -> Result<bytes::Bytes, Error> {
    pool.get(URL).await?.into_body().bytes().await
}

/// Checks what has become of the connection, and that it serves on if it is still there.
async fn check(pool: &pool_core::Pool, far: &mut Far, ends: &Ends, name: &str) {
    everything_has_happened().await;
    if *ends == Connection {
        assert_eq!(
            (open(pool), closed(pool)),
            (0, vec![("error", 1)]),
            "{name}"
        );
        return;
    }
    assert_eq!((open(pool), closed(pool)), (1, vec![]), "{name}");
    let serve = async {
        let stream = far.request().await;
        far.answer(stream, 200).await;
    };
    let (got, ()) = tokio::join!(get(pool), serve);
    assert_eq!(got.expect(name), "");
}

#[tokio::test(start_paused = true)]
async fn each_bad_head_ends_what_it_must_and_no_more() {
    let table: Vec<(&str, Vec<u8>, Ends)> = vec![
        (
            "an upper-case name",
            [ok(), field("X-Upper", "1")].concat(),
            Connection,
        ),
        ("no :status", field("server", "x"), Stream),
        ("no fields at all", vec![], Stream),
        ("two :status", [ok(), ok()].concat(), Stream),
        (
            ":status abc",
            [vec![0x08, 3], b"abc".to_vec()].concat(),
            Connection,
        ),
        (
            ":status 99",
            [vec![0x08, 2], b"99".to_vec()].concat(),
            Connection,
        ),
        (
            ":status 2000",
            [vec![0x08, 4], b"2000".to_vec()].concat(),
            Connection,
        ),
        (":status 999", head(999), Nothing),
        (":status empty", vec![0x08, 0], Connection),
        (
            ":status after a field",
            [field("server", "x"), ok()].concat(),
            Stream,
        ),
        (
            "a request's pseudo field",
            [ok(), vec![0x82]].concat(),
            Nothing,
        ),
        (
            "an unknown pseudo field",
            [ok(), field(":nope", "1")].concat(),
            Connection,
        ),
        (
            "connection",
            [ok(), field("connection", "close")].concat(),
            Stream,
        ),
        (
            "transfer-encoding",
            [ok(), field("transfer-encoding", "chunked")].concat(),
            Stream,
        ),
        (
            "keep-alive",
            [ok(), field("keep-alive", "1")].concat(),
            Stream,
        ),
        ("upgrade", [ok(), field("upgrade", "h2c")].concat(), Stream),
        (
            "proxy-connection",
            [ok(), field("proxy-connection", "x")].concat(),
            Stream,
        ),
        ("te", [ok(), field("te", "gzip")].concat(), Stream),
        ("an empty name", [ok(), field("", "1")].concat(), Connection),
        (
            "a space in a name",
            [ok(), field("a b", "1")].concat(),
            Connection,
        ),
        (
            "a line break in a value",
            [ok(), field("x", "a\r\nb: c")].concat(),
            Connection,
        ),
        (
            "a NUL in a value",
            [ok(), field("x", "a\0b")].concat(),
            Connection,
        ),
        (
            "content-length abc",
            [ok(), field("content-length", "abc")].concat(),
            Stream,
        ),
        (
            "content-length +4",
            [ok(), field("content-length", "+4")].concat(),
            Stream,
        ),
        (
            "content-length 4 without a body",
            [ok(), field("content-length", "4")].concat(),
            Stream,
        ),
        (
            "two content-lengths",
            [
                ok(),
                field("content-length", "0"),
                field("content-length", "4"),
            ]
            .concat(),
            Stream,
        ),
        ("101", head(101), Stream),
        ("100 with the end", head(100), Stream),
    ];
    for (name, block, ends) in table {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = network.accept().await;
            let stream = far.request().await;
            far.write(HEADERS, END_HEADERS | END_STREAM, stream, &block)
                .await;
            far
        };
        let (got, mut far) = tokio::join!(get(&pool), serve);
        match (&ends, got) {
            (Nothing, got) => assert_eq!(got.expect(name), ""),
            (Connection | Stream, Ok(got)) => panic!("{name}: {got:?}"),
            (Connection | Stream, Err(error)) => {
                let found = (error.kind(), error.attempts());
                assert_eq!(
                    found,
                    (ErrorKind::MaybeProcessed, 1),
                    "{name}: not sent again"
                );
                assert!(
                    chain(&error).contains("protocol error"),
                    "{name}: {}",
                    chain(&error)
                );
            }
        }
        check(&pool, &mut far, &ends, name).await;
    }
}

/// The h2 crate drops pseudo fields of trailers; what else may not be in them the caller is told of, or it harms nobody:
/// the framing of HTTP/2 does not depend on fields.
#[tokio::test(start_paused = true)]
async fn each_bad_trailer_ends_what_it_must_and_no_more() {
    let huge = (0..2000).flat_map(|n| field(&format!("x-{n}"), &"v".repeat(60)));
    let table: Vec<(&str, Vec<u8>, Ends, u8)> = vec![
        ("trailers", field("grpc-status", "0"), Nothing, END_STREAM),
        (
            "trailers without END_STREAM",
            field("grpc-status", "0"),
            Stream,
            0,
        ),
        (":status", ok(), Nothing, END_STREAM),
        (
            "content-length",
            field("content-length", "5"),
            Nothing,
            END_STREAM,
        ),
        (
            "connection",
            field("connection", "close"),
            Stream,
            END_STREAM,
        ),
        (
            "transfer-encoding",
            field("transfer-encoding", "chunked"),
            Stream,
            END_STREAM,
        ),
        (
            "an upper-case name",
            field("X-Up", "1"),
            Connection,
            END_STREAM,
        ),
        (
            "more than the head may have",
            huge.collect(),
            Connection,
            END_STREAM,
        ),
    ];
    for (name, block, ends, flags) in table {
        let (pool, mut network) = pool(h2());
        let serve = async {
            let mut far = network.accept().await;
            let stream = far.request().await;
            far.write(HEADERS, END_HEADERS, stream, &ok()).await;
            far.write(DATA, 0, stream, b"body").await;
            let pieces: Vec<&[u8]> = block.chunks(16 * 1024).collect();
            for (n, piece) in pieces.iter().enumerate() {
                let last = if n + 1 == pieces.len() {
                    END_HEADERS
                } else {
                    0
                };
                let (kind, flags) = if n == 0 {
                    (HEADERS, flags)
                } else {
                    (CONTINUATION, 0)
                };
                // The client may have closed meanwhile.
                let _gone = far.try_write(kind, flags | last, stream, piece).await;
            }
            far
        };
        let (got, mut far) = tokio::join!(get(&pool), serve);
        match (&ends, got) {
            (Nothing, got) => assert_eq!(got.expect(name), "body"),
            (Connection | Stream, Ok(got)) => panic!("{name}: {got:?}"),
            (Connection | Stream, Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Body, "{name}")
            }
        }
        if name.starts_with("more than") {
            everything_has_happened().await;
            assert_eq!(closed(&pool), [("flood", 1)]);
            continue;
        }
        check(&pool, &mut far, &ends, name).await;
    }
}
