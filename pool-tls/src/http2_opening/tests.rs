use super::*;

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(content);
    frame
}

fn opening(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &frames.concat()].concat()
}

fn parse(frames: &[Vec<u8>]) -> Result<Http2Opening, Http2OpeningError> {
    Http2Opening::parse(&opening(frames))
}

/// `:method: GET`, `:path: /`, `:authority: a`, `:scheme: https`.
const REQUEST: &[u8] = b"\x82\x84\x01\x01a\x87";

fn weight(depends_on: u32, weight: u16) -> StreamPriority {
    StreamPriority {
        depends_on,
        exclusive: false,
        weight,
    }
}

#[test]
fn the_well_known_fingerprint_with_priorities_comes_out() {
    // Firefox until 2024: a tree of PRIORITY frames.
    let node = |stream: u32, parent: u32, weight: u8| {
        let content = [&parent.to_be_bytes()[..], &[weight - 1]].concat();
        frame(PRIORITY, 0, stream, &content)
    };
    let settings = [
        &[0, 1, 0, 1, 0, 0][..],
        &[0, 4, 0, 2, 0, 0],
        &[0, 5, 0, 0, 0x40, 0],
    ]
    .concat();
    let frames = [
        frame(SETTINGS, 0, 0, &settings),
        // Of a stream that is no request: not part of it.
        frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 9]),
        frame(WINDOW_UPDATE, 0, 0, &12_517_377_u32.to_be_bytes()),
        node(3, 0, 201),
        node(5, 0, 101),
        node(7, 0, 1),
        node(9, 7, 1),
        node(11, 3, 1),
        node(13, 0, 241),
        frame(HEADERS, 37, 15, &[&[0, 0, 0, 13, 41][..], REQUEST].concat()),
        frame(PRIORITY, 0, 15, &[0, 0, 0, 3, 7]),
    ];
    let opening = parse(&frames).unwrap();
    assert_eq!(
        opening.akamai().text(),
        "1:65536;4:131072;5:16384|12517377|3:0:0:201,5:0:0:101,7:0:0:1,9:0:7:1,11:0:3:1,13:0:0:241|m,p,a,s"
    );
    let request = opening.request.unwrap();
    assert_eq!((request.stream, request.flags), (15, 37));
    assert_eq!(request.priority, Some(weight(13, 42)));
    assert_eq!(opening.frames.len(), 11);
}

#[test]
fn a_header_block_in_pieces_is_put_together() {
    // Padded, with a priority, and continued twice.
    let start = [&[2, 0x80, 0, 0, 5, 255][..], &REQUEST[..1], &[0, 0]].concat();
    let mut frames = vec![
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, PADDED | HAS_PRIORITY, 1, &start),
        frame(CONTINUATION, 0, 1, &REQUEST[1..3]),
    ];
    assert_eq!(parse(&frames).unwrap().request, None);
    frames.push(frame(CONTINUATION, END_HEADERS, 1, &REQUEST[3..]));
    frames.push(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 9]));
    frames.push(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 7]));
    frames.push(frame(HEADERS, END_HEADERS, 3, &[0xff]));
    let opening = parse(&frames).unwrap();
    assert_eq!(opening.akamai().text(), "|00|0|m,p,a,s");
    let request = opening.request.unwrap();
    let priority = StreamPriority {
        exclusive: true,
        ..weight(5, 256)
    };
    assert_eq!(request.priority, Some(priority));
    assert_eq!(request.window_update, Some(7));
    assert_eq!(request.headers.len(), 4);
    assert_eq!(
        request.headers[2],
        (":authority".to_owned(), "a".to_owned())
    );
}

#[test]
fn an_opening_that_ends_early_says_so_and_one_that_ends_late_is_read() {
    let frames = [
        frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 1]),
        frame(HEADERS, 5, 1, REQUEST),
    ];
    let whole = opening(&frames);
    let settings = PREFACE.len() + 9 + 6;
    for length in 0..=whole.len() {
        let read = Http2Opening::parse(&whole[..length]);
        match read {
            Err(error) => assert!(
                error.is_incomplete() && length < settings,
                "{length}: {error}"
            ),
            Ok(opening) => {
                assert!(length >= settings, "{length}");
                assert_eq!(opening.settings, [(1, 1)]);
                assert_eq!(opening.request.is_some(), length == whole.len(), "{length}");
            }
        }
    }
}

#[test]
fn what_breaks_the_protocol_says_why_and_where() {
    use Http2OpeningErrorKind::*;

    let settings = || frame(SETTINGS, 0, 0, &[]);
    let after = PREFACE.len() + 9;
    let long = vec![0; 16385];
    for (frames, kind, offset) in [
        (vec![frame(PING, 0, 0, &[0; 8])], NoSettings, PREFACE.len()),
        (
            vec![frame(SETTINGS, ACK, 0, &[])],
            NoSettings,
            PREFACE.len(),
        ),
        (
            vec![frame(SETTINGS, 0, 0, &[0; 7])],
            BadFrame,
            PREFACE.len(),
        ),
        (vec![settings(), frame(SETTINGS, 0, 1, &[])], Stream, after),
        (
            vec![settings(), frame(HEADERS, 4, 0, REQUEST)],
            Stream,
            after,
        ),
        (
            vec![settings(), frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            BadFrame,
            after,
        ),
        (
            vec![settings(), frame(PRIORITY, 0, 1, &[0; 4])],
            BadFrame,
            after,
        ),
        (
            vec![settings(), frame(HEADERS, 12, 1, &[9, 0])],
            BadFrame,
            after,
        ),
        (
            vec![settings(), frame(HEADERS, 36, 1, &[0, 0])],
            BadFrame,
            after,
        ),
        (
            vec![settings(), frame(CONTINUATION, 4, 1, &[])],
            Continuation,
            after,
        ),
        (
            vec![
                settings(),
                frame(HEADERS, 0, 1, &[]),
                frame(PING, 0, 0, &[0; 8]),
            ],
            Continuation,
            after + 9,
        ),
        (
            vec![
                settings(),
                frame(HEADERS, 0, 1, &[]),
                frame(CONTINUATION, 4, 3, &[]),
            ],
            Continuation,
            after + 9,
        ),
        (
            vec![settings(), frame(HEADERS, 4, 1, &[0x80])],
            Hpack,
            after,
        ),
        (vec![settings(), frame(DATA, 0, 1, &long)], FrameSize, after),
    ] {
        let error = parse(&frames).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{error}");
    }
    let error = Http2Opening::parse(b"GET / HTTP/1.1\r\n").unwrap_err();
    assert_eq!(error.kind(), NotHttp2);
}
