use super::*;

/// A ClientHello of these extensions, each an id and a body.
pub(crate) fn message(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (id, body) in extensions {
        block.extend(id.to_be_bytes());
        block.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        block.extend(*body);
    }
    let mut content = vec![3, 3];
    content.extend([7; 32]);
    content.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    content.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    content.extend(block);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut message = vec![1, length[1], length[2], length[3]];
    message.extend(content);
    message
}

/// `message` in records of `size` bytes of content.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for content in message.chunks(size) {
        records.extend([22, 3, 1]);
        records.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        records.extend(content);
    }
    records
}

fn sample() -> Vec<u8> {
    message(&[
        (0, b"\0\x08\0\0\x05a.com"),
        (10, b"\0\x04\x0a\x0a\0\x1d"),
        (0xaaaa, b""),
    ])
}

#[test]
fn a_hello_spread_over_records_is_put_together() {
    let message = sample();
    let whole = ClientHello::parse(&records(&message, 16384)).unwrap();
    assert_eq!(whole.server_name(), Some("a.com"));
    assert_eq!(whole.supported_groups(), [0x0a0a, 0x001d]);
    assert_eq!(whole.record_version(), Some(0x0301));
    for size in 1..message.len() {
        assert_eq!(
            ClientHello::parse(&records(&message, size)),
            Ok(whole.clone()),
            "{size}"
        );
    }
    let bare = ClientHello::parse_message(&message).unwrap();
    assert_eq!(bare.record_version(), None);
    assert_eq!(bare.extensions(), whole.extensions());
}

#[test]
fn a_reader_that_follows_the_hints_reads_the_hello_and_not_a_byte_more() {
    let message = sample();
    for size in [1, 3, 4, 5, 40, 16384] {
        let mut wire = records(&message, size);
        let length = wire.len();
        wire.extend(b"more");
        let mut read = 0;
        let hello = loop {
            match ClientHello::parse(&wire[..read]) {
                Ok(hello) => break hello,
                Err(error) => read += error.more().expect("it goes on"),
            }
            assert!(read <= length, "{size}: {read} of {length}");
        };
        assert_eq!(hello.extensions().len(), 3);
        assert_eq!(read, length, "{size}");
    }
    let error = ClientHello::parse_message(&message[..9]).unwrap_err();
    assert_eq!(error.more(), Some(message.len() - 9));
}

#[test]
fn the_hint_counts_the_record_that_must_follow() {
    let message = sample();
    let wire = records(&message, 20);
    // The rest of this record, and the header and content of at least one more.
    let error = ClientHello::parse(&wire[..15]).unwrap_err();
    assert_eq!(error.more(), Some(10 + 5 + message.len() - 20));
    assert_eq!(ClientHello::parse(&wire[..25]).unwrap_err().more(), Some(5));
}

#[test]
fn what_follows_the_last_record_is_left_alone() {
    let mut wire = records(&sample(), 16384);
    wire.extend([20, 3, 3, 0, 1, 1]);
    assert!(ClientHello::parse(&wire).is_ok());
}

#[test]
fn what_is_no_hello_says_why_and_where() {
    use ClientHelloErrorKind::*;

    let good = sample();
    let changed = |at: usize, to: u8| {
        let mut message = good.clone();
        message[at] = to;
        records(&message, 16384)
    };
    let of = |extensions: &[(u16, &[u8])]| records(&message(extensions), 16384);
    let mut trailing = good.clone();
    trailing.push(0);
    let cases: Vec<(Vec<u8>, ClientHelloErrorKind, usize, &str)> = vec![
        (b"GET / HTTP/1.1\r\n".to_vec(), NotTls, 0, "record type"),
        (vec![22, 2], NotTls, 1, "record version"),
        (vec![22, 3, 1, 0, 0], BadLength, 3, "record length"),
        (vec![22, 3, 1, 0x40, 1], BadLength, 3, "record length"),
        (vec![22, 3, 1, 0, 9, 2], NotClientHello, 0, "message type"),
        (
            vec![22, 3, 1, 0, 9, 1, 255, 0, 0],
            BadLength,
            1,
            "message length",
        ),
        (
            vec![22, 3, 1, 0, 4, 1, 0, 0, 0],
            Truncated,
            4,
            "legacy_version",
        ),
        (
            records(&trailing, 16384),
            TrailingBytes,
            good.len(),
            "record",
        ),
        // The session id: too long, and longer than the message.
        (changed(38, 33), BadLength, 38, "session_id"),
        (changed(38, 255), Truncated, 38, "session_id"),
        (changed(40, 0), BadLength, 39, "cipher_suites"),
        (changed(40, 3), BadLength, 39, "cipher_suites"),
        (changed(43, 0), BadLength, 43, "compression_methods"),
        (changed(46, 200), Truncated, 45, "extensions"),
        (changed(46, 14), TrailingBytes, 61, "extensions"),
        (
            of(&[(16, b"\0\x03\x02h2"), (16, b"\0\0")]),
            Duplicate,
            56,
            "application_layer_protocol_negotiation",
        ),
        (
            of(&[(16, b"\0\x03\x03h2")]),
            Malformed,
            51,
            "application_layer_protocol_negotiation",
        ),
        (
            of(&[(0, b"\0\x05\0\0\x02a ")]),
            Malformed,
            51,
            "server_name",
        ),
        (
            of(&[(10, b"\0\x03\0\x1d\0")]),
            Malformed,
            51,
            "supported_groups",
        ),
        (
            of(&[(43, b"\x02\x03\x04\0")]),
            Malformed,
            51,
            "supported_versions",
        ),
        (
            of(&[(51, b"\0\x05\0\x1d\0\x02a")]),
            Malformed,
            51,
            "key_share",
        ),
    ];
    for (wire, kind, offset, field) in cases {
        let error = ClientHello::parse(&wire).expect_err(field);
        let said = (error.kind(), error.offset(), error.field());
        assert_eq!(said, (kind, offset, field), "{error}");
        assert_eq!(error.more(), None);
    }
}

#[test]
fn a_hello_without_extensions_is_one() {
    let mut message = message(&[]);
    message.truncate(message.len() - 2);
    let length = u8::try_from(message.len() - 4).unwrap();
    message[3] = length;
    let hello = ClientHello::parse_message(&message).unwrap();
    assert_eq!(hello.extensions(), []);
    assert_eq!(hello.ja4().a(), "t12i010000");
}
