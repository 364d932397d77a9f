//! Frames against RFC 9113: what the caller gets and whether the connection stays, as a table.

use pool_core::{Error, ErrorKind};
use tokio::io::AsyncWriteExt;

use super::peers::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY,
    HEADERS, PADDED, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, URL,
    WINDOW_UPDATE, WINDOWS_ARE_CONFIGURED, builder, closed, everything_has_happened, frame, h2,
    head, open,
};

async fn get(pool: &pool_core::Pool) -> Result<bytes::Bytes, Error> {
    pool.get(URL).await?.into_body().bytes().await
}

#[tokio::test(start_paused = true)]
async fn each_bad_frame_ends_what_it_must_and_no_more() {
    let headers = |stream| frame(HEADERS, END_HEADERS, stream, &head(200));
    let table: Vec<(&str, Vec<u8>, Then)> = vec![
        (
            "PUSH_PROMISE though disabled",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "HEADERS on an even stream",
            headers(2),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "DATA on an even stream",
            frame(DATA, 0, 2, b"x"),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "HEADERS on an idle stream",
            headers(3),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "DATA on an idle stream",
            frame(DATA, 0, 3, b"x"),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "RST_STREAM on an idle stream",
            frame(RST_STREAM, 0, 3, &[0; 4]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "WINDOW_UPDATE on an idle stream",
            frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "DATA on stream 0",
            frame(DATA, 0, 0, b"x"),
            Ends(PROTOCOL_ERROR),
        ),
        ("HEADERS on stream 0", headers(0), Ends(PROTOCOL_ERROR)),
        (
            "RST_STREAM on stream 0",
            frame(RST_STREAM, 0, 0, &[0; 4]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "SETTINGS on a stream",
            frame(SETTINGS, 0, 1, &[]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "PING on a stream",
            frame(PING, 0, 1, &[0; 8]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "GOAWAY on a stream",
            frame(GOAWAY, 0, 1, &[0; 8]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "DATA before HEADERS",
            frame(DATA, 0, 1, b"x"),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "a frame longer than allowed",
            frame(DATA, 0, 1, &[0; 16 * 1024 + 1]),
            Ends(FRAME_SIZE_ERROR),
        ),
        (
            "SETTINGS of five bytes",
            frame(SETTINGS, 0, 0, &[0; 5]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "SETTINGS ACK with a payload",
            frame(SETTINGS, ACK, 0, &[0; 6]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "PING of seven bytes",
            frame(PING, 0, 0, &[0; 7]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "RST_STREAM of three bytes",
            frame(RST_STREAM, 0, 1, &[0; 3]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "WINDOW_UPDATE of three bytes",
            frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "GOAWAY of four bytes",
            frame(GOAWAY, 0, 0, &[0; 4]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "PRIORITY of four bytes",
            frame(PRIORITY, 0, 1, &[0; 4]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "WINDOW_UPDATE of zero on the connection",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "WINDOW_UPDATE of zero on the stream",
            frame(WINDOW_UPDATE, 0, 1, &[0; 4]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "WINDOW_UPDATE beyond the most on the connection",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            Ends(FLOW_CONTROL_ERROR),
        ),
        (
            "WINDOW_UPDATE beyond the most on the stream",
            frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
            Serves,
        ),
        (
            "a window beyond the most",
            frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "a frame size below the least",
            frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "ENABLE_PUSH of two",
            frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "ENABLE_PUSH of one",
            frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 1]),
            Serves,
        ),
        (
            "SETTINGS ACK that nobody asked for",
            frame(SETTINGS, ACK, 0, &[]).repeat(2),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "HEADERS padded beyond its end",
            frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0x88]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "DATA padded beyond its end",
            [headers(1), frame(DATA, PADDED, 1, &[200, b'x'])].concat(),
            EndsInBody(PROTOCOL_ERROR),
        ),
        (
            "DATA padded with nothing",
            [headers(1), frame(DATA, PADDED, 1, &[])].concat(),
            EndsInBody(PROTOCOL_ERROR),
        ),
        (
            "CONTINUATION without HEADERS",
            frame(CONTINUATION, END_HEADERS, 1, &head(200)),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "another frame within HEADERS",
            [frame(HEADERS, 0, 1, &head(200)), frame(PING, 0, 0, &[0; 8])].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "CONTINUATION of another stream",
            [
                frame(HEADERS, 0, 1, &head(200)),
                frame(CONTINUATION, END_HEADERS, 3, &[]),
            ]
            .concat(),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "an index that HPACK has not",
            frame(HEADERS, END_HEADERS, 1, &[0xfe]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "an HPACK integer without end",
            frame(HEADERS, END_HEADERS, 1, &[0xff; 12]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "an HPACK string cut short",
            frame(HEADERS, END_HEADERS, 1, &[0x08, 3, b'2']),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "bad Huffman code",
            frame(HEADERS, END_HEADERS, 1, &[0x08, 0x81, 0xff, 0xff]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "an HPACK table beyond what was allowed",
            frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0x7f, 0x88]),
            Ends(PROTOCOL_ERROR),
        ),
        (
            "DATA after END_STREAM",
            [
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(200)),
                frame(DATA, 0, 1, b"x"),
            ]
            .concat(),
            Serves,
        ),
        (
            "more than the stream's window",
            [headers(1), frame(DATA, 0, 1, &[0; 16 * 1024]).repeat(5)].concat(),
            match WINDOWS_ARE_CONFIGURED {
                true => BodyFails,
                false => ServesAll(5 * 16 * 1024),
            },
        ),
        (
            "an unknown frame",
            frame(0xbe, 0xff, 1, b"whatever"),
            Serves,
        ),
        (
            "an unknown frame on an idle stream",
            frame(0xbe, 0xff, 9, b"whatever"),
            Serves,
        ),
        (
            "an unknown setting",
            frame(SETTINGS, 0, 0, &[0xf0, 0, 0, 0, 0, 1]),
            Serves,
        ),
        (
            "PRIORITY on the stream itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]),
            StreamFails,
        ),
        (
            "the reserved bit of a stream",
            frame(WINDOW_UPDATE, 0, 0x8000_0001, &[0, 0, 0, 1]),
            Serves,
        ),
    ];
    for (name, bytes, then) in table {
        let mut config = h2();
        config.http2.stream_window = 65_535;
        let (builder, mut network) = builder(config, 1024 * 1024);
        let pool = builder.build().expect("a pool");
        let serve = async {
            let mut far = network.accept().await;
            far.request().await;
            // The client may have closed meanwhile.
            let _gone = far.0.write_all(&bytes).await;
            let flags = END_HEADERS | END_STREAM;
            let _gone = far.try_write(HEADERS, flags, 1, &head(200)).await;
            far
        };
        let (got, mut far) = tokio::join!(get(&pool), serve);
        everything_has_happened().await;
        let kind = got.as_ref().map(bytes::Bytes::len).map_err(Error::kind);
        let (expected, code) = match then {
            Ends(code) => (Err(ErrorKind::MaybeProcessed), Some(code)),
            EndsInBody(code) => (Err(ErrorKind::Body), Some(code)),
            StreamFails => (Err(ErrorKind::MaybeProcessed), None),
            BodyFails => (Err(ErrorKind::Body), None),
            Serves => (Ok(0), None),
            ServesAll(bytes) => (Ok(bytes), None),
        };
        assert_eq!(kind, expected, "{name}: {got:?}");
        if let Some(code) = code {
            assert_eq!(far.closed().await, Some(code), "{name}");
            assert_eq!(
                (open(&pool), closed(&pool)),
                (0, vec![("error", 1)]),
                "{name}"
            );
            continue;
        }
        assert_eq!((open(&pool), closed(&pool)), (1, vec![]), "{name}");
        let serve = async {
            let stream = far.request().await;
            far.answer(stream, 200).await;
        };
        let (got, ()) = tokio::join!(get(&pool), serve);
        assert_eq!(got.expect(name), "", "the connection serves on");
    }
}

/// What comes of a bad frame while a GET waits for its response.
enum Then {
    /// The request fails, the connection ends with a GOAWAY of this code. It is not sent again: the peer has spoken.
    Ends(u32),
    /// The same, after the head of the response.
    EndsInBody(u32),
    /// The request fails and the connection serves on.
    StreamFails,
    /// The same, after the head of the response.
    BodyFails,
    /// As if nothing had come.
    Serves,
    /// All of so many bytes are read.
    ServesAll(usize),
}
use Then::{BodyFails, Ends, EndsInBody, Serves, ServesAll, StreamFails};
