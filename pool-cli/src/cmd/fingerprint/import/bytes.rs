//! A file that is one client's first bytes, as they are or written down.

use pool_tls::client_hello::ClientHello;
use pool_tls::http2_opening::Http2Opening;

use crate::exit::chain;

/// What the bytes are.
#[derive(Debug)]
pub(super) enum Content {
    Hello(Box<ClientHello>),
    Opening(Box<Http2Opening>),
}

/// Tells what a file holds.
///
/// # Errors
///
/// What it is not, and where.
pub(super) fn content(file: &[u8]) -> Result<Content, String> {
    match file {
        [] => Err("empty".into()),
        [RECORD, 3, ..] | [MESSAGE, 0, ..] => hello(file),
        _ if file.starts_with(b"PRI") => opening(file),
        _ => match hexadecimal(file)?.as_slice() {
            [] => Err("empty".into()),
            bytes if bytes.starts_with(b"PRI") => opening(bytes),
            bytes => hello(bytes),
        },
    }
}

fn hello(bytes: &[u8]) -> Result<Content, String> {
    let hello = match bytes {
        // A message without its record.
        [MESSAGE, ..] => ClientHello::parse_message(bytes),
        _ => ClientHello::parse(bytes),
    };
    let hello = hello.map_err(|error| chain(&error))?;
    Ok(Content::Hello(Box::new(hello)))
}

fn opening(bytes: &[u8]) -> Result<Content, String> {
    let opening = Http2Opening::parse(bytes).map_err(|error| chain(&error))?;
    Ok(Content::Opening(Box::new(opening)))
}

/// Pairs of digits, with blanks, line ends and colons wherever they are.
fn hexadecimal(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut half = None;
    for (at, &byte) in text.iter().enumerate() {
        if byte.is_ascii_whitespace() || byte == b':' {
            continue;
        }
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Err(format!(
                "neither a ClientHello nor HTTP/2, and no hexadecimal digits: byte {at} is {:?}",
                char::from(byte)
            ));
        };
        let digit = u8::try_from(digit).expect("one digit");
        match half.take() {
            None => half = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match half {
        None => Ok(bytes),
        Some(_) => Err("an odd number of hexadecimal digits".into()),
    }
}

/// The first byte of a TLS record with handshake messages, RFC 8446 section 5.1.
const RECORD: u8 = 22;

/// The first byte of a ClientHello, RFC 8446 section 4. Its length is less than 2^16 or a little more.
const MESSAGE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_may_be_set_out_in_any_way() {
        assert_eq!(hexadecimal(b"16:03 01\n0A\t").unwrap(), [0x16, 3, 1, 10]);
        assert_eq!(hexadecimal(b"1 6").unwrap(), [0x16]);
        assert!(hexadecimal(b"160").unwrap_err().contains("odd"));
        let wrong = hexadecimal(b"16 0x").unwrap_err();
        assert!(wrong.contains("byte 4 is 'x'"), "{wrong}");
    }

    #[test]
    fn an_empty_file_and_one_of_blanks_are_empty() {
        for empty in [&b""[..], b" \n"] {
            assert_eq!(content(empty).unwrap_err(), "empty");
        }
    }
}
