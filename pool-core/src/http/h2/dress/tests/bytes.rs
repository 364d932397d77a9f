//! Byte by byte: frames of the h2 crate in, frames of the profile out.

use std::sync::Arc;

use pool_tls::spec::Http2Spec;

use super::super::dresser::Dresser;
use super::super::spec::Dress;
use super::{chromium, firefox, silent};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What comes of batches, each with a flush after it, taken in pieces of at most so many bytes.
fn dressed_in_pieces(spec: &Http2Spec, batches: &[&[&[u8]]], most: usize) -> Option<Vec<u8>> {
    let mut dresser = Dresser::new(Arc::new(Dress::new(spec.clone()).unwrap()));
    let mut written = Vec::new();
    for batch in batches {
        let batch = batch.concat();
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let piece = &rest[..most.min(rest.len())];
            let taken = dresser.take(piece).ok()?;
            let payload = (piece.len() - taken).min(dresser.to_pass());
            written.extend(dresser.pending());
            dresser.wrote(dresser.pending().len());
            written.extend(&piece[taken..][..payload]);
            dresser.passed(payload);
            assert!(taken + payload > 0, "no end");
            rest = &rest[taken + payload..];
        }
        while dresser.flush() {}
        written.extend(dresser.pending());
        dresser.wrote(dresser.pending().len());
    }
    Some(written)
}

/// The same, however the bytes are cut.
fn dressed(spec: &Http2Spec, batches: &[&[&[u8]]]) -> Option<Vec<u8>> {
    let whole = dressed_in_pieces(spec, batches, usize::MAX);
    for most in 1..40 {
        assert_eq!(
            dressed_in_pieces(spec, batches, most),
            whole,
            "in pieces of {most}"
        );
    }
    whole
}

/// The h2 crate's own: one setting, which is not passed on.
fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[0, 2, 0, 0, 0, 0])
}

fn ack() -> Vec<u8> {
    frame(4, 1, 0, &[])
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(8, 0, stream, &increment.to_be_bytes())
}

/// `GET https://a.test/` as the h2 crate encodes it first, and then: `:method`, `:scheme`, `:authority`, `:path`.
const GET: &[u8] = b"\x82\x87\x41\x06a.test\x84\x40\x01a\x01b";
const GET_AGAIN: &[u8] = b"\x82\x87\xbf\x84\xbe";

#[test]
fn chromiums_opening_is_what_it_was_captured_as() {
    let get = frame(1, 5, 1, GET);
    let again = frame(1, 5, 3, GET_AGAIN);
    let batches: &[&[&[u8]]] = &[
        &[PREFACE],
        &[&settings(), &window_update(0, 15_663_105), &get],
        &[&ack(), &again],
    ];
    let wanted = [
        PREFACE,
        b"\0\0\x18\x04\0\0\0\0\0\0\x01\0\x01\0\0\0\x02\0\0\0\0\0\x04\0\x60\0\0\0\x06\0\x04\0\0",
        b"\0\0\x04\x08\0\0\0\0\0\0\xef\0\x01",
        &frame(
            1,
            37,
            1,
            b"\x80\0\0\0\xff\x82\x41\x06a.test\x87\x84\x40\x01a\x01b",
        ),
        &ack(),
        &frame(1, 37, 3, b"\x80\0\0\0\xff\x82\xbf\x87\x84\xbe"),
    ];
    assert_eq!(dressed(&chromium(), batches).unwrap(), wanted.concat());
}

#[test]
fn firefoxs_opening_is_what_it_was_captured_as() {
    let get = frame(1, 5, 3, GET);
    let batches: &[&[&[u8]]] = &[&[PREFACE, &settings(), &window_update(0, 12_517_377), &get]];
    let wanted = [
        PREFACE,
        b"\0\0\x18\x04\0\0\0\0\0\0\x01\0\x01\0\0\0\x02\0\0\0\0\0\x04\0\x02\0\0\0\x05\0\0\x40\0",
        b"\0\0\x04\x08\0\0\0\0\0\0\xbf\0\x01",
        &frame(
            1,
            37,
            3,
            b"\0\0\0\0\x29\x82\x84\x41\x06a.test\x87\x40\x01a\x01b",
        ),
        b"\0\0\x04\x08\0\0\0\0\x03\0\xbe\0\0",
    ];
    assert_eq!(dressed(&firefox(), batches).unwrap(), wanted.concat());
}

#[test]
fn an_acknowledgement_gives_way_to_a_request_that_is_written_along_with_it_and_waits_for_no_other()
{
    let get = frame(1, 5, 1, GET);
    let ping = frame(6, 0, 0, b"12345678");
    let open = {
        let batches: &[&[&[u8]]] = &[&[PREFACE, &settings()]];
        dressed(&silent(), batches).unwrap()
    };
    let sent = frame(1, 5, 1, b"\x41\x06a.test\x82\x84\x87\x40\x01a\x01b");
    for (batches, wanted) in [
        (&[&[&ack()[..], &get][..]][..], [&sent[..], &ack()].concat()),
        (&[&[&ack()], &[&get]], [&ack()[..], &sent].concat()),
        // Nothing else is put off.
        (
            &[&[&ack(), &ping, &get]],
            [&ack()[..], &ping, &sent].concat(),
        ),
        // The second one of a peer is answered in its turn.
        (
            &[&[&ack()], &[&ack(), &get]],
            [&ack()[..], &ack(), &sent].concat(),
        ),
        (
            &[&[&ack(), &ack(), &get]],
            [&ack()[..], &ack(), &sent].concat(),
        ),
    ] {
        let settings = settings();
        let opening: &[&[u8]] = &[PREFACE, &settings];
        let batches: Vec<&[&[u8]]> = [&[opening], batches].concat();
        let got = dressed(&silent(), &batches).unwrap();
        assert_eq!(got, [&open[..], &wanted].concat());
    }
}

#[test]
fn another_size_of_the_table_follows_the_acknowledgement() {
    let get = frame(1, 5, 1, &[b"\x20", GET].concat());
    let batches: &[&[&[u8]]] = &[&[PREFACE, &settings(), &ack(), &get]];
    let wanted = [
        PREFACE,
        &frame(4, 0, 0, &[]),
        &ack(),
        &frame(1, 5, 1, b"\x20\x41\x06a.test\x82\x84\x87\x40\x01a\x01b"),
    ];
    assert_eq!(dressed(&silent(), batches).unwrap(), wanted.concat());
}

#[test]
fn what_the_peer_was_told_of_its_window_is_not_told_again() {
    let opening = dressed(&chromium(), &[&[PREFACE, &settings()]]).unwrap();
    for (updates, wanted) in [
        (&[15_663_105, 7][..], &[7][..]),
        (&[15_663_106, 7], &[1, 7]),
        (&[15_663_000, 100, 50], &[45]),
    ] {
        let updates: Vec<u8> = updates
            .iter()
            .flat_map(|&by| window_update(0, by))
            .collect();
        let wanted: Vec<u8> = wanted.iter().flat_map(|&by| window_update(0, by)).collect();
        let got = dressed(&chromium(), &[&[PREFACE, &settings(), &updates]]).unwrap();
        assert_eq!(got, [opening.clone(), wanted].concat());
    }
    // Windows of streams are another matter.
    let stream = window_update(1, 15_663_105);
    let got = dressed(&chromium(), &[&[PREFACE, &settings(), &stream]]).unwrap();
    assert_eq!(got, [opening, stream].concat());
}

#[test]
fn bodies_and_all_other_frames_pass_as_they_are() {
    let get = frame(1, 4, 1, GET);
    let trailers = frame(1, 5, 1, b"\xbe");
    let others = [
        frame(0, 0, 1, &[7; 100]),
        frame(0, 0, 1, &[]),
        frame(0, 0, 1, &[8; 300]),
        trailers,
        frame(3, 0, 1, &[0, 0, 0, 8]),
        frame(6, 1, 0, b"12345678"),
        window_update(1, 9),
        window_update(0, 9),
        frame(7, 0, 0, b"\0\0\0\0\0\0\0\0bye"),
        // Another one of the client's own.
        settings(),
    ]
    .concat();
    let sent = frame(1, 4, 1, b"\x41\x06a.test\x82\x84\x87\x40\x01a\x01b");
    let batches: &[&[&[u8]]] = &[&[PREFACE, &settings()], &[&get, &others]];
    let wanted = [PREFACE, &frame(4, 0, 0, &[]), &sent, &others].concat();
    assert_eq!(dressed(&silent(), batches).unwrap(), wanted);
}

#[test]
fn a_head_that_priority_makes_too_long_for_a_frame_goes_on_in_another() {
    let field = |length: usize| {
        // A literal that is not indexed, named `a`, of so many bytes.
        let rest = length - 127;
        let mut field = vec![0, 1, b'a', 0x7f];
        field.extend([(rest & 0x7f) as u8 | 0x80, (rest >> 7) as u8]);
        field.extend(vec![b'x'; length]);
        field
    };
    for short in [0, 4, 5] {
        let length = 16_384 - 4 - 6 - short;
        let block = [&b"\x82\x87\xbe\x84"[..], &field(length)].concat();
        assert_eq!(block.len(), 16_384 - short);
        let batches: &[&[&[u8]]] = &[&[PREFACE, &settings()], &[&frame(1, 5, 1, &block)]];
        let got = dressed_in_pieces(&chromium(), batches, 16_393).unwrap();
        let sent = [&b"\x80\0\0\0\xff\x82\xbe\x87\x84"[..], &field(length)].concat();
        let opening = dressed(&chromium(), &[&[PREFACE, &settings()]]).unwrap();
        let wanted = if short == 5 {
            frame(1, 37, 1, &sent)
        } else {
            let (head, rest) = sent.split_at(16_384);
            [frame(1, 33, 1, head), frame(9, 4, 1, rest)].concat()
        };
        assert_eq!(got, [opening, wanted].concat());
    }
}

#[test]
fn a_block_in_several_frames_is_one() {
    let (one, two, three) = (&GET[..1], &GET[1..6], &GET[6..]);
    let batches: &[&[&[u8]]] = &[
        &[PREFACE, &settings(), &ack()],
        &[
            &frame(1, 1, 1, one),
            &frame(9, 0, 1, two),
            &frame(9, 4, 1, three),
        ],
    ];
    let sent = frame(1, 5, 1, b"\x41\x06a.test\x82\x84\x87\x40\x01a\x01b");
    let wanted = [PREFACE, &frame(4, 0, 0, &[]), &ack(), &sent].concat();
    assert_eq!(dressed(&silent(), batches).unwrap(), wanted);
}

#[test]
fn what_the_h2_crate_never_writes_ends_the_connection() {
    for bytes in [
        // No SETTINGS first.
        frame(1, 5, 1, GET),
        // Another order, something missing, a field that ends within.
        [settings(), frame(1, 5, 1, b"\x82\x41\x06a.test\x87\x84")].concat(),
        [settings(), frame(1, 5, 1, b"\x82\x87\x84")].concat(),
        [settings(), frame(1, 5, 1, b"\x82\x87\x41\x06a.tes")].concat(),
        [settings(), frame(1, 5, 1, b"")].concat(),
        // A block that is interrupted, and one that was never begun.
        [settings(), frame(1, 1, 1, GET), frame(6, 0, 0, b"12345678")].concat(),
        [settings(), frame(9, 4, 1, GET)].concat(),
    ] {
        assert_eq!(
            dressed(&silent(), &[&[PREFACE, &bytes]]),
            None,
            "{bytes:x?}"
        );
    }
    let mut dresser = Dresser::new(Arc::new(Dress::new(silent()).unwrap()));
    dresser
        .take(&[PREFACE, &frame(1, 5, 1, GET)].concat())
        .expect_err("no SETTINGS");
    dresser.take(&settings()).expect_err("never again");
}

/// `PUT` is inserted, and then `:authority`; where that is to go first, `PUT` is written out and the indices of what is older
/// than the entry that the peer lacks are one less.
#[test]
fn an_insertion_that_would_pass_another_one_is_left_out_and_counted() {
    let first = frame(1, 5, 1, b"\x42\x03PUT\x87\x41\x06a.test\x84\x40\x01a\x01b");
    // The encoder's table: `a: b`, `:authority`, `:method`, at 62 to 64.
    let second = frame(1, 5, 3, b"\xc0\x87\xbf\x84\xbe\x40\x01c\x01d");
    // `c: d` is the newest by now.
    let third = frame(1, 5, 5, b"\xc1\x87\x41\x06b.test\x84\xbf\xc0");
    let batches: &[&[&[u8]]] = &[&[PREFACE, &settings(), &first, &second, &third]];
    let wanted = [
        PREFACE,
        &frame(4, 0, 0, &[]),
        &frame(1, 5, 1, b"\x41\x06a.test\x02\x03PUT\x84\x87\x40\x01a\x01b"),
        &frame(1, 5, 3, b"\xbf\x02\x03PUT\x84\x87\xbe\x40\x01c\x01d"),
        &frame(1, 5, 5, b"\x41\x06b.test\x02\x03PUT\x84\x87\xbf\xc0"),
    ];
    assert_eq!(dressed(&silent(), batches).unwrap(), wanted.concat());

    let older = frame(1, 5, 1, GET);
    // The encoder's table: `PUT`, `a: b`, `:authority`, at 62 to 64, and then `c: d` before them.
    let put = frame(1, 4, 3, b"\x42\x03PUT\x87\xc0\x84\xbf\x40\x01c\x01d");
    // `a: b`, `:authority`, the name `a` for a literal, the same for one that is inserted, `a: b`.
    let trailers = frame(1, 5, 3, b"\xc0\xc1\x0f\x31\x01x\x7f\x01\x01y\xc1");
    let batches: &[&[&[u8]]] = &[&[PREFACE, &settings(), &older, &put, &trailers]];
    let wanted = [
        PREFACE,
        &frame(4, 0, 0, &[]),
        &frame(1, 5, 1, b"\x41\x06a.test\x82\x84\x87\x40\x01a\x01b"),
        &frame(1, 4, 3, b"\xbf\x02\x03PUT\x84\x87\xbe\x40\x01c\x01d"),
        &frame(1, 5, 3, b"\xbf\xc0\x0f\x30\x01x\x7f\x00\x01y\xc0"),
    ];
    assert_eq!(dressed(&silent(), batches).unwrap(), wanted.concat());
}
