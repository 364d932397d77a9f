//! Both HTTP/1.1 engines on the same bytes: the inline one reads the message that hyper reads, or refuses it.

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::config::Http1Engine;

/// What a caller sees of one exchange.
#[derive(Debug, Default)]
struct Seen {
    head: Option<Head>,
    /// The body and the trailers, if they came to their end.
    body: Option<(Bytes, Option<HeaderMap>)>,
    /// Whether the connection may carry another exchange.
    reusable: bool,
}

#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    version: http::Version,
    fields: HeaderMap,
}

/// An answer on the wire: in two pieces, after which the peer closes or falls silent.
#[derive(Clone, Debug)]
struct Answer {
    bytes: Vec<u8>,
    split: usize,
    closes: bool,
}

async fn seen(engine: Http1Engine, method: &Method, answer: &Answer) -> Seen {
    let (io, mut peer) = tokio::io::duplex(64 * 1024);
    let rig = Rig::h1(engine, io).await;
    let mut seen = Seen::default();
    let request = Request::builder()
        .method(method)
        .uri("https://a.test/x")
        .body(Body::empty())
        .unwrap();
    let timeouts = ExchangeTimeouts {
        response_head: Some(Duration::from_secs(1)),
        body_idle: Some(Duration::from_secs(1)),
        ..ExchangeTimeouts::default()
    };
    let serve = async {
        read_until(&mut peer, "\r\n\r\n").await;
        let (first, second) = answer.bytes.split_at(answer.split.min(answer.bytes.len()));
        // A client that has seen enough closes.
        let _sent = peer.write_all(first).await;
        pass(Duration::from_millis(1)).await;
        let _sent = peer.write_all(second).await;
        (!answer.closes).then_some(peer)
    };
    let read = async {
        let Ok(response) = rig.send_within(request, &timeouts).await else {
            return;
        };
        let (mut parts, body) = response.into_parts();
        seen.head = Some(Head {
            status: parts.status.as_u16(),
            version: parts.version,
            fields: std::mem::take(&mut parts.headers),
        });
        if let Ok(body) = body.collect().await {
            let trailers = body.trailers().cloned();
            seen.body = Some((body.to_bytes(), trailers));
        }
    };
    let ((), _peer) = tokio::join!(read, serve);
    pass(Duration::from_millis(5)).await;
    seen.reusable = rig.conn.is_open();
    seen
}

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

fn answers() -> impl Strategy<Value = Answer> {
    let part = prop_oneof![
        9 => prop::sample::select(PARTS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let jumble = prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat());
    let bytes = prop_oneof![4 => likely(), 1 => jumble];
    (bytes, 0_usize..80, any::<bool>()).prop_map(|(bytes, split, closes)| Answer {
        bytes,
        split,
        closes,
    })
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
    fn the_inline_engine_reads_what_hyper_reads_or_refuses_it(
        method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]),
        answer in answers(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (ours, theirs) = runtime.block_on(async {
            let ours = seen(Http1Engine::Inline, &method, &answer).await;
            (ours, seen(Http1Engine::Hyper, &method, &answer).await)
        });
        let text = String::from_utf8_lossy(&answer.bytes);
        if ours.head.is_some() {
            prop_assert_eq!(&ours.head, &theirs.head, "{:?}", text);
        }
        if ours.body.is_some() {
            prop_assert_eq!(&ours.body, &theirs.body, "{:?}", text);
        }
        prop_assert!(!ours.reusable || theirs.reusable, "{:?}", text);
    }
}
