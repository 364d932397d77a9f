//! What the fuzzer does for an hour, for a moment: on likely bytes instead of any.

use proptest::prelude::*;

use super::{h1_body, h1_request, h1_response};

/// What responses are made of, in order and out of order.
const PARTS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.1 200\r\n",
    b"content-length: 5\r\n",
    b"content-length: 0\r\n",
    b"Content-Length: 3\r\n",
    b"content-length: +5\r\n",
    b"content-length: 5, 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"transfer-encoding: identity\r\n",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"x-a: 1\r\n",
    b"x-a:  2 \t\r\n",
    b"x-a : 3\r\n",
    b" folded\r\n",
    b"x-\xff: 1\r\n",
    b"x-b: \xff\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"hello",
    b"hel",
    b"5\r\nhello\r\n",
    b"5;x=y\r\nhello\r\n",
    b"5 ; x\r\nhello\r\n",
    b"005\r\nhello\r\n",
    b"5\nhello\r\n",
    b"3\r\nhello\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"0\r\nx-t: 1\r\n\r\n",
    b"\0",
];

/// A response as it should be, or nearly.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let status = prop::sample::select(&PARTS[..8]);
    let fields = prop::collection::vec(prop::sample::select(&PARTS[8..24]), 0..3);
    let body = prop::collection::vec(prop::sample::select(&PARTS[24..]), 0..4);
    (any::<bool>(), status, fields, body).prop_map(|(informed, status, fields, body)| {
        let before: &[u8] = if informed { PARTS[4] } else { b"" };
        let head = [before, status, &fields.concat(), b"\r\n"].concat();
        [head, body.concat()].concat()
    })
}

/// As [`h1_response`](super::h1_response) takes them.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        9 => prop::sample::select(PARTS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let jumble = prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat());
    let bytes = prop_oneof![4 => likely(), 1 => jumble];
    let asked = prop::sample::select(b"GHPEL");
    let end = prop::sample::select(b"kcr");
    // Whole, in two pieces, byte by byte, or anyhow.
    let cuts = prop_oneof![
        Just((b'0', b'0')),
        (b'0'..=b'0' + 80, Just(b'0')),
        Just((b'0', b'1')),
        any::<(u8, u8)>()
    ];
    (asked, end, cuts, bytes).prop_map(|(asked, end, (first, step), bytes)| {
        [&[asked, end, first, step, b'\n'], &bytes[..]].concat()
    })
}

/// As [`h1_request`](super::h1_request) takes them.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(&[
        "|x-a:1",
        "|x-a: 2 ",
        "|x-b:",
        "|host:b.test",
        "|content-length:5",
        "|content-length:0",
        "|content-length:+5",
        "|content-length:05",
        "|transfer-encoding:chunked",
        "|transfer-encoding:gzip, chunked",
        "|connection:close",
        "|expect:100-continue",
        "|te:trailers",
        "|upgrade:x",
        "|x:\r\nx:y",
        "|x:\0",
        "|x:\u{ff}",
        "|x\r\n:y",
    ]);
    let start = prop::sample::select(&[
        "GET|https://a.test/x",
        "POST|https://a.test",
        "PUT|http://u:p@a.test:8080?q",
        "GET|/x",
        "OPTIONS|*",
        "HEAD|https://[::1]:443/",
        "X-Y|http://a.test/\r\n",
        "G T|http://a.test/",
        "CONNECT|a.test:443",
        "GET|http://a.test/\u{7f}\"{}",
    ]);
    let body = prop::sample::select(&[
        "|e|", "|f|hello", "|f|", "|s|hello", "|s|", "|h|hello", "|l|hello", "|t|hello", "|t|",
    ]);
    (start, body, prop::collection::vec(field, 0..4))
        .prop_map(|(start, body, fields)| [start, body, &fields.concat()].concat().into_bytes())
}

/// The ordinary run is there to be quick.
const CASES: u32 = if option_env!("XTASK_FULL").is_some() {
    20_000
} else {
    1_000
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn the_inline_engine_reads_what_hyper_reads_or_refuses_it(answer in answers()) {
        h1_response(&answer);
    }

    #[test]
    fn one_request_is_what_was_asked_for_and_nothing_more(request in requests()) {
        h1_request(&request);
    }

    #[test]
    fn a_chunked_body_is_the_same_in_any_pieces(
        (first, step) in any::<(u8, u8)>(),
        parts in prop::collection::vec(prop::sample::select(&PARTS[24..]), 0..6),
    ) {
        h1_body(&[&[first, step, b'\n'], &parts.concat()[..]].concat());
    }
}
