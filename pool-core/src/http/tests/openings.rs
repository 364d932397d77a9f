//! How a connection in a profile's dress opens, byte for byte as the clients were captured on 2026-11-22, and that every limit
//! stands behind it.

use ::h2::Reason;
use pool_tls::http2_opening::Http2Opening;
use pool_tls::spec::PseudoHeader::{Authority, Method, Path, Scheme};

use super::*;
use crate::http::h2::{chromium, firefox};

const PUSH_PROMISE: u8 = 5;
const PRIORITY: u8 = 2;
const CONTINUATION: u8 = 9;

type Frame = (u8, u8, u32, Vec<u8>);

/// What a client writes up to its acknowledgement of the SETTINGS that `greet` sends when the first request has come.
async fn opening(spec: Http2Spec, request: Request<Body>) -> Vec<Frame> {
    let (io, mut far) = tokio::io::duplex(64 * 1024);
    let rig = Rig::h2(io, &in_dress(spec)).await;
    let serve = async {
        let mut preface = [0; 24];
        far.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut far = RawPeer(far);
        let mut frames = Vec::new();
        loop {
            let frame = far.any().await;
            let (kind, flags, stream, _) = frame;
            frames.push(frame);
            if kind == HEADERS {
                far.write(SETTINGS, 0, 0, &[]).await;
            }
            if (kind, flags) == (SETTINGS, ACK) {
                let of_request = frames.iter().find(|frame| frame.0 == HEADERS);
                let stream = of_request.map_or(stream, |frame| frame.2);
                let flags = END_HEADERS | END_STREAM;
                far.write(HEADERS, flags, stream, STATUS_200).await;
                return frames;
            }
        }
    };
    let (answer, frames) = tokio::join!(rig.send(request), serve);
    assert_eq!(answer.unwrap().status(), 200);
    frames
}

/// As what another reader than the h2 crate takes it for.
fn read(frames: &[Frame]) -> Http2Opening {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for (kind, flags, stream, payload) in frames {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        bytes.extend([length[1], length[2], length[3], *kind, *flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
    }
    Http2Opening::parse(&bytes).unwrap()
}

fn akamai(frames: &[Frame]) -> String {
    read(frames).akamai().text().to_owned()
}

/// The client's own request, read from the capture and asked again.
#[tokio::test(start_paused = true)]
async fn the_request_of_a_capture_is_sent_as_it_was() {
    for (spec, captured) in [(chromium(), CHROMIUM), (firefox(), FIREFOX)] {
        let captured = Http2Opening::parse(captured).unwrap();
        let wanted = captured.request.as_ref().unwrap();
        let value = |wanted_name: &str| {
            let mut headers = wanted.headers.iter();
            let (_, value) = headers.find(|(name, _)| name == wanted_name).unwrap();
            value.clone()
        };
        let uri = format!("https://{}{}", value(":authority"), value(":path"));
        let mut request = Request::get(uri);
        for (name, value) in &wanted.headers {
            if !name.starts_with(':') {
                request = request.header(name, value);
            }
        }
        let sent = opening(spec, request.body(Body::empty()).unwrap()).await;
        let sent = read(&sent);
        assert_eq!(sent.request.as_ref(), Some(wanted));
        assert_eq!(sent.settings, captured.settings);
        assert_eq!(sent.window_update, captured.window_update);
        assert_eq!(sent.priorities, captured.priorities);
        assert_eq!(sent.akamai(), captured.akamai());
    }
}

const CHROMIUM: &[u8] =
    include_bytes!("../../../../pool-tls/tests/captures/chromium-156.0.8078.79/h2_01.bin");
const FIREFOX: &[u8] =
    include_bytes!("../../../../pool-tls/tests/captures/firefox-esr-153.7.0/h2_04.bin");

fn heads(frames: &[Frame]) -> Vec<(u8, u8, u32)> {
    let heads = frames.iter();
    heads
        .map(|&(kind, flags, stream, _)| (kind, flags, stream))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn chromiums_is_as_it_was_captured() {
    let frames = opening(chromium(), get()).await;
    assert_eq!(
        heads(&frames),
        [
            (SETTINGS, 0, 0),
            (WINDOW_UPDATE, 0, 0),
            (HEADERS, 37, 1),
            (SETTINGS, ACK, 0)
        ]
    );
    assert_eq!(
        akamai(&frames),
        "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
    );
    assert_eq!(frames[2].3[..5], [0x80, 0, 0, 0, 0xff]);
}

#[tokio::test(start_paused = true)]
async fn firefoxs_is_as_it_was_captured() {
    let frames = opening(firefox(), get()).await;
    assert_eq!(
        heads(&frames),
        [
            (SETTINGS, 0, 0),
            (WINDOW_UPDATE, 0, 0),
            (HEADERS, 37, 3),
            (WINDOW_UPDATE, 0, 3),
            (SETTINGS, ACK, 0),
        ]
    );
    assert_eq!(
        akamai(&frames),
        "1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s"
    );
    assert_eq!(frames[2].3[..5], [0, 0, 0, 0, 41]);
    assert_eq!(frames[3].3, [0, 0xbe, 0, 0]);
}

/// The peer's SETTINGS may be there before the connection is first polled, and that may be before whoever asked for it.
#[tokio::test(start_paused = true)]
async fn the_first_request_goes_ahead_of_the_acknowledgement_and_without_one_it_goes_alone() {
    for asks in [true, false] {
        let (io, far) = tokio::io::duplex(64 * 1024);
        let mut far = RawPeer(far);
        far.write(SETTINGS, 0, 0, &[]).await;
        let rig = Rig::h2(io, &in_dress(chromium())).await;
        far.0.read_exact(&mut [0; 24]).await.unwrap();
        assert_eq!(far.any().await.0, SETTINGS, "the driver has been polled");
        assert_eq!(far.any().await.0, WINDOW_UPDATE);
        let asked = async {
            match asks {
                true => drop(rig.send(get()).await),
                false => std::future::pending().await,
            }
        };
        let wanted: &[_] = match asks {
            true => &[(HEADERS, 37), (SETTINGS, ACK)],
            false => &[(SETTINGS, ACK)],
        };
        let watch = async {
            for &wanted in wanted {
                let (kind, flags, ..) = far.any().await;
                assert_eq!((kind, flags), wanted);
            }
        };
        tokio::select! {
            () = asked => panic!("nobody answers"),
            () = watch => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_without_anything_is_sent_without_anything() {
    let spec = Http2Spec {
        settings: vec![(9, 1), (0x3a3a, 7)],
        window_update: None,
        first_stream_id: 15,
        pseudo_order: [Authority, Method, Path, Scheme],
        priority: None,
        stream_window_update: None,
    };
    let request = Request::put("https://a.test/x")
        .body(Body::empty())
        .unwrap();
    let frames = opening(spec, request).await;
    assert_eq!(
        heads(&frames),
        [(SETTINGS, 0, 0), (HEADERS, 5, 15), (SETTINGS, ACK, 0)]
    );
    assert_eq!(akamai(&frames), "9:1;14906:7|00|0|a,m,p,s");
}

/// The peer's windows are what it was told, to the byte: all of it is taken, and one more is too much.
#[tokio::test(start_paused = true)]
async fn a_peer_may_use_the_windows_that_it_was_told_and_no_more() {
    let spec = Http2Spec {
        settings: vec![(4, 100_000)],
        window_update: Some(200_000),
        stream_window_update: Some(50_000),
        ..firefox()
    };
    for (first, second, is_too_much) in [
        (150_000, 115_535, false),
        (150_001, 0, true),
        // The connection's is 65535 and 200000.
        (150_000, 115_536, true),
    ] {
        let (io, far) = tokio::io::duplex(1 << 20);
        let rig = Rig::h2(io, &in_dress(spec.clone())).await;
        let serve = async {
            let mut far = RawPeer::greet(far).await;
            far.write(SETTINGS, ACK, 0, &[]).await;
            far.read(HEADERS).await;
            far.read(HEADERS).await;
            for (stream, mut left) in [(3, first), (5, second)] {
                far.write(HEADERS, END_HEADERS, stream, STATUS_200).await;
                while left > 0 {
                    let piece = left.min(16_384);
                    far.write(DATA, 0, stream, &vec![7; piece]).await;
                    left -= piece;
                }
            }
            // Answered only by who is still there, the first one ahead of a reset.
            let mut left = 2;
            far.write(PING, 0, 0, &[7; 8]).await;
            loop {
                let (kind, flags, _, payload) = far.any().await;
                match kind {
                    PING if flags & ACK != 0 => {
                        left -= 1;
                        if left == 0 {
                            return None;
                        }
                        far.write(PING, 0, 0, &[7; 8]).await;
                    }
                    RST_STREAM => return Some(payload[3]),
                    GOAWAY => return Some(payload[7]),
                    _ => {}
                }
            }
        };
        let (one, two) = (rig.send(get()), rig.send(get()));
        let (code, _one, _two) = tokio::join!(serve, one, two);
        let wanted = is_too_much.then_some(u32::from(Reason::FLOW_CONTROL_ERROR) as u8);
        assert_eq!(code, wanted, "{first} and {second}");
    }
}

/// A client that does not switch push off is sent promises: each one is refused, and the response is read.
#[tokio::test(start_paused = true)]
async fn what_a_peer_pushes_where_it_may_is_refused() {
    let spec = Http2Spec {
        settings: vec![(4, 100_000)],
        ..chromium()
    };
    let (io, far) = tokio::io::duplex(64 * 1024);
    let rig = Rig::h2(io, &in_dress(spec)).await;
    let serve = async {
        let mut far = RawPeer::greet(far).await;
        far.read(HEADERS).await;
        let promise = [&[0, 0, 0, 2][..], b"\x82\x87\x84\x41\x06a.test"].concat();
        far.write(PUSH_PROMISE, END_HEADERS, 1, &promise).await;
        let (_, stream, code) = far.read(RST_STREAM).await;
        assert_eq!((stream, code), (2, vec![0, 0, 0, 7]));
        far.write(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200)
            .await;
    };
    let (answer, ()) = tokio::join!(rig.send(get()), serve);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_head_longer_than_this_side_takes_is_refused_whatever_the_peer_was_told() {
    let (io, far) = tokio::io::duplex(1 << 20);
    let settings = HttpSettings {
        max_head_size: 1000,
        ..in_dress(chromium())
    };
    let rig = Rig::h2(io, &settings).await;
    let serve = async {
        let mut far = RawPeer::greet(far).await;
        far.read(HEADERS).await;
        let field = [&b"\x88\x00\x01a\x7f\xf1\x06"[..], &[b'x'; 1008]].concat();
        far.write(HEADERS, END_HEADERS | END_STREAM, 1, &field)
            .await;
        far
    };
    let (answer, _far) = tokio::join!(rig.send(get()), serve);
    answer.expect_err("a head of 1008 bytes and more");
}

#[tokio::test(start_paused = true)]
async fn floods_end_a_dressed_connection() {
    for (name, kind, flags, stream, payload) in [
        ("PING", PING, 0, 0, &[7; 8][..]),
        ("SETTINGS", SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
        ("RST_STREAM", RST_STREAM, 0, 1, &[0, 0, 0, 8]),
        ("PRIORITY", PRIORITY, 0, 1, &[0, 0, 0, 0, 9]),
        ("unknown", 0xbe, 0, 0, b"grease"),
        ("WINDOW_UPDATE", WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ("empty DATA", DATA, 0, 1, &[]),
        ("CONTINUATION", CONTINUATION, 0, 1, &[]),
    ] {
        let (io, far) = tokio::io::duplex(64 * 1024);
        let mut rig = Rig::h2(io, &in_dress(chromium())).await;
        let serve = async {
            let mut far = RawPeer::greet(far).await;
            far.read(HEADERS).await;
            match kind {
                DATA => far.write(HEADERS, END_HEADERS, 1, STATUS_200).await,
                CONTINUATION => far.write(HEADERS, 0, 1, STATUS_200).await,
                _ => {}
            }
            let length = payload.len() as u8;
            let frame = [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat();
            for n in 0..50_000 {
                if far.0.write_all(&frame).await.is_err() {
                    return n;
                }
            }
            panic!("{name}: nobody stops it");
        };
        let asked = async {
            if let Ok(response) = rig.send(get()).await {
                response.into_body().bytes().await.expect_err(name);
            }
        };
        let ((), poured) = tokio::join!(asked, serve);
        assert!(poured < 10_000, "{name}: {poured}");
        let end = loop {
            if let Event::Closed(reason) = rig.next().await {
                break reason;
            }
        };
        assert_eq!(end, CloseReason::Flood, "{name}");
    }
}

/// Whoever gives up on too many requests opens no more on that connection: the resets are counted behind the dress.
#[tokio::test(start_paused = true)]
async fn resets_of_a_dressed_connection_are_counted() {
    let (io, far) = tokio::io::duplex(1 << 20);
    let mut rig = Rig::h2(io, &in_dress(firefox())).await;
    let mut far = RawPeer::greet(far).await;
    let mut resets = 0;
    while rig.conn.is_open() {
        let asked = rig.send(get());
        tokio::select! {
            biased;
            _ = asked => panic!("nobody answers"),
            _ = far.read(HEADERS) => {}
        }
        far.read(RST_STREAM).await;
        resets += 1;
        assert!(resets < 1000, "nobody counts");
        pass(Duration::from_millis(1)).await;
    }
    assert!(resets >= 100, "{resets}");
    while rig.next().await != Event::Draining(CloseReason::CancelBudget) {}
}
