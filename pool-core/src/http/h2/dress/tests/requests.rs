//! Any requests through the h2 crate and the profile's dress: an h2 server, and another decoder, read what was asked for, in
//! the wanted order.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use pool_tls::spec::{Http2Spec, PseudoHeader};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::super::{Dress, Dressed};
use super::{chromium, firefox, silent};
use crate::http::conn::HttpSettings;

/// A pipe that takes at most so many bytes at a time, of one slice or of several, and keeps what it took.
struct Tap {
    io: DuplexStream,
    most: usize,
    vectored: bool,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = if self.vectored { bufs.len() } else { 1 };
        let bytes = bufs[..count].iter().flat_map(|buf| &**buf).copied();
        let bytes: Vec<u8> = bytes.take(self.most).collect();
        let polled = Pin::new(&mut self.io).poll_write(cx, &bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.written.lock().unwrap().extend(&bytes[..count]);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[derive(Clone, Debug)]
struct Asked {
    head: Request<()>,
    body: Option<Vec<u8>>,
    trailers: Option<HeaderMap>,
}

/// Sends the requests one after the other and returns what the server has read, and the bytes that it was.
async fn send(
    spec: Http2Spec,
    asked: &[Asked],
    table: u32,
    (pipe, most, vectored): (usize, usize, bool),
) -> (Vec<Asked>, Vec<u8>) {
    let (near, far) = tokio::io::duplex(pipe);
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let dress = Arc::new(Dress::new(spec).unwrap());
    let mut builder = h2::client::Builder::new();
    dress.fit(&mut builder, &HttpSettings::default());
    let io = Dressed::new(
        Tap {
            io: near,
            most,
            vectored,
            written: written.clone(),
        },
        Some(dress),
    );
    let server = tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder
            .header_table_size(table)
            .max_header_list_size(1 << 20);
        let mut conn = builder.handshake::<_, Bytes>(far).await.unwrap();
        let mut seen = Vec::new();
        while let Some(accepted) = conn.accept().await {
            let (request, mut respond) = accepted.unwrap();
            let (parts, mut body) = request.into_parts();
            let read = async {
                let mut bytes = Vec::new();
                while let Some(piece) = body.data().await {
                    let piece = piece.unwrap();
                    body.flow_control().release_capacity(piece.len()).unwrap();
                    bytes.extend(piece);
                }
                (bytes, body.trailers().await.unwrap())
            };
            let (bytes, trailers) = tokio::select! {
                read = read => read,
                more = conn.accept() => panic!("one at a time: {more:?}"),
            };
            respond.send_response(Response::new(()), true).unwrap();
            seen.push(Asked {
                head: Request::from_parts(parts, ()),
                body: Some(bytes),
                trailers,
            });
        }
        seen
    });
    let (mut sender, conn) = builder.handshake::<_, Bytes>(io).await.unwrap();
    let driver = tokio::spawn(conn);
    for asked in asked {
        sender = sender.ready().await.unwrap();
        let is_all = asked.body.is_none() && asked.trailers.is_none();
        let (response, mut stream) = sender.send_request(asked.head.clone(), is_all).unwrap();
        if let Some(body) = &asked.body {
            let end = asked.trailers.is_none();
            stream.send_data(Bytes::from(body.clone()), end).unwrap();
        }
        if let Some(trailers) = &asked.trailers {
            stream.send_trailers(trailers.clone()).unwrap();
        }
        response.await.unwrap();
    }
    drop(sender);
    driver.await.unwrap().unwrap();
    let seen = server.await.unwrap();
    let written = std::mem::take(&mut *written.lock().unwrap());
    (seen, written)
}

/// The frames behind the preface: kind, flags, stream, payload.
fn frames(written: &[u8]) -> Vec<(u8, u8, u32, &[u8])> {
    let mut rest = written
        .strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        assert!(length <= 16_384, "no longer than every peer takes");
        let (payload, after) = after.split_at(length as usize);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        frames.push((head[3], head[4], stream, payload));
        rest = after;
    }
    assert_eq!(rest, b"");
    frames
}

/// What another decoder reads: the fields of each block in their order.
fn blocks(
    frames: &[(u8, u8, u32, &[u8])],
    spec: &Http2Spec,
    table: u32,
) -> Vec<Vec<(String, Vec<u8>)>> {
    let mut decoder = loona_hpack::Decoder::new();
    decoder.set_max_allowed_table_size(table.max(4096) as usize);
    let (mut blocks, mut newest, mut block) = (Vec::new(), 0, Vec::new());
    let mut updates = 0;
    for (n, &(kind, flags, stream, payload)) in frames.iter().enumerate() {
        match kind {
            1 if stream > newest => {
                if newest == 0 {
                    assert_eq!(stream, spec.first_stream_id);
                }
                newest = stream;
                assert_eq!(flags & 0x20 != 0, spec.priority.is_some());
                block = payload.to_vec();
                if let Some(priority) = spec.priority {
                    let rest = block.split_off(5);
                    assert_eq!(block[0] & 0x80 != 0, priority.exclusive);
                    assert_eq!(u16::from(block[4]) + 1, priority.weight);
                    block = rest;
                }
                let end = n + frames[n..]
                    .iter()
                    .take_while(|frame| frame.0 == 1 || frame.0 == 9)
                    .count();
                if let Some(update) = spec.stream_window_update {
                    assert_eq!(frames[end], (8, 0, stream, &update.to_be_bytes()[..]));
                    updates += 1;
                }
            }
            1 => {
                assert_eq!(flags & 0x20, 0, "trailers have no priority");
                block = payload.to_vec();
            }
            9 => block.extend(payload),
            _ => continue,
        }
        if flags & 4 != 0 {
            let fields = decoder.decode(&block).expect("a block");
            let text = |name| String::from_utf8(name).unwrap();
            blocks.push(
                fields
                    .into_iter()
                    .map(|(name, value)| (text(name), value))
                    .collect(),
            );
        }
    }
    let told = frames
        .iter()
        .filter(|frame| frame.0 == 8 && frame.2 != 0)
        .count();
    assert_eq!(
        told, updates,
        "no other windows of streams, whose responses are empty"
    );
    blocks
}

fn name_of(header: PseudoHeader) -> &'static str {
    match header {
        PseudoHeader::Method => ":method",
        PseudoHeader::Authority => ":authority",
        PseudoHeader::Scheme => ":scheme",
        PseudoHeader::Path => ":path",
    }
}

/// The fields of a request as they are wanted on the wire.
fn wanted(asked: &Asked, spec: &Http2Spec) -> Vec<(String, Vec<u8>)> {
    let uri = asked.head.uri();
    let pseudo = spec.pseudo_order.iter().map(|&header| {
        let value = match header {
            PseudoHeader::Method => asked.head.method().as_str(),
            PseudoHeader::Authority => uri.authority().unwrap().as_str(),
            PseudoHeader::Scheme => uri.scheme_str().unwrap(),
            PseudoHeader::Path => uri.path_and_query().unwrap().as_str(),
        };
        (name_of(header).to_owned(), value.as_bytes().to_vec())
    });
    pseudo.chain(listed(asked.head.headers())).collect()
}

fn listed(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let listed = headers.iter();
    listed
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

fn run(spec: Http2Spec, asked: &[Asked], table: u32, pipe: (usize, usize, bool)) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    // Paused time passes only when nobody can go on: an hour is no time, and says that everybody waits.
    let runtime = { runtime }
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let sent = send(spec.clone(), asked, table, pipe);
    let sent = runtime.block_on(async { tokio::time::timeout(HOUR, sent).await });
    let (seen, written) = sent.expect("somebody goes on");
    assert_eq!(seen.len(), asked.len());
    for (seen, asked) in seen.iter().zip(asked) {
        assert_eq!(seen.head.method(), asked.head.method());
        assert_eq!(seen.head.uri(), asked.head.uri());
        assert_eq!(seen.head.headers(), asked.head.headers());
        assert_eq!(
            seen.body.as_ref(),
            Some(&asked.body.clone().unwrap_or_default())
        );
        assert_eq!(seen.trailers, asked.trailers);
    }
    let frames = frames(&written);
    let settings: Vec<u8> = spec
        .settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    assert_eq!(frames[0], (4, 0, 0, &settings[..]));
    if let Some(update) = spec.window_update {
        assert_eq!(frames[1], (8, 0, 0, &update.to_be_bytes()[..]));
    }
    let told = frames
        .iter()
        .filter(|frame| frame.0 == 8 && frame.2 == 0)
        .count();
    assert_eq!(told, usize::from(spec.window_update.is_some()));
    let all: Vec<_> = asked
        .iter()
        .flat_map(|asked| {
            [
                Some(wanted(asked, &spec)),
                asked.trailers.as_ref().map(listed),
            ]
            .into_iter()
            .flatten()
        })
        .collect();
    assert_eq!(blocks(&frames, &spec, table), all);
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

fn some_order() -> impl Strategy<Value = [PseudoHeader; 4]> {
    use PseudoHeader::{Authority, Method, Path, Scheme};
    Just(vec![Method, Scheme, Authority, Path])
        .prop_shuffle()
        .prop_map(|order| order.try_into().unwrap())
}

fn some_headers(most: usize) -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![
        Just("accept"),
        Just("cookie"),
        Just("user-agent"),
        Just("x-a"),
        Just("x-b"),
        Just("authorization"),
        Just("priority"),
        Just("sec-fetch-site"),
        Just("te-x"),
        Just("if-none-match"),
    ];
    let value = prop_oneof![
        8 => "[a-c]{0,3}",
        2 => "[ -~]{0,200}",
        1 => "[A-Z]{1000,3000}",
    ];
    let fields = prop::collection::vec((name, value, prop::bool::weighted(0.1)), 0..most);
    fields.prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value, sensitive) in fields {
            let mut value = HeaderValue::try_from(value).unwrap();
            value.set_sensitive(sensitive);
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    })
}

fn some_request() -> impl Strategy<Value = Asked> {
    let method = prop_oneof![
        4 => Just(Method::GET),
        1 => Just(Method::POST),
        2 => Just(Method::PUT),
        2 => "[A-Z]{3,9}".prop_map(|name| name.parse().unwrap()),
    ];
    let host = prop_oneof![
        3 => prop_oneof![Just("a.test"), Just("b.test:8443")].prop_map(str::to_owned),
        1 => "[a-z]{1,60}",
    ];
    let path = prop_oneof![
        4 => Just("/".to_owned()),
        4 => "/[a-z?=]{0,40}",
        1 => "[~|^]{16000,30000}".prop_map(|path| format!("/{path}").replace(['|', '^'], "!")),
    ];
    let scheme = prop_oneof![3 => Just("https"), 1 => Just("http")];
    let body = prop::option::weighted(0.3, prop::collection::vec(any::<u8>(), 0..20_000));
    let trailers = prop::option::weighted(0.2, some_headers(5));
    (method, scheme, host, path, some_headers(20), body, trailers).prop_map(
        |(method, scheme, host, path, headers, body, trailers)| {
            let uri = format!("{scheme}://{host}{path}");
            let mut head = Request::builder().method(method).uri(uri).body(()).unwrap();
            *head.headers_mut() = headers;
            *head.version_mut() = http::Version::HTTP_2;
            Asked {
                head,
                body,
                trailers: trailers.filter(|trailers| !trailers.is_empty()),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_requests_are_read_as_they_were_asked_and_in_the_wanted_order(
        order in some_order(),
        look in prop_oneof![Just(chromium()), Just(firefox()), Just(silent())],
        asked in prop::collection::vec(some_request(), 1..16),
        table in prop_oneof![Just(4096_u32), Just(0), Just(100), Just(300), Just(65_536)],
        pipe in prop_oneof![Just(1_usize << 16), 50..5000_usize],
        most in prop_oneof![Just(50_000_usize), 1..3000_usize],
        vectored in any::<bool>(),
    ) {
        let spec = Http2Spec { pseudo_order: order, ..look };
        run(spec, &asked, table, (pipe, most, vectored));
    }
}

/// Each request inserts a method and an authority, so that the encoder's table is full and emptied many times over.
#[test]
fn entries_that_the_peer_lacks_are_forgotten_when_the_encoder_forgets_them() {
    let asked: Vec<Asked> = (0..1000)
        .map(|n| {
            let (method, host) = (format!("M{}", n * 7 % 113), n * 5 % 31);
            let head = Request::builder()
                .method(&*method)
                .uri(format!("https://{host}.test/"));
            let head = head.header("x-a", n * 3 % 17).header("x-b", n % 29);
            Asked {
                head: head.version(http::Version::HTTP_2).body(()).unwrap(),
                body: None,
                trailers: None,
            }
        })
        .collect();
    run(silent(), &asked, 4096, (1 << 16, 50_000, true));
}
