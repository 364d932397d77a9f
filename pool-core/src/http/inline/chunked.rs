//! A chunked body, as it comes in (RFC 9112 section 7.1).

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::head::{self, HeadEnd, Malformed};

/// What has been read of a chunked body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    state: State,
    /// Fields that the trailers may have.
    fields: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before the line with the next chunk's size.
    Size,
    /// So many bytes of the chunk are still to come; not zero.
    Data(u64),
    /// Before the line end after a chunk.
    AfterData,
    Trailers(HeadEnd),
    Ended,
}

/// The next piece of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

/// The longest line before a chunk: sixteen digits and an extension that nobody understands.
const LONGEST_LINE: usize = 256;

/// The longest trailers, in bytes.
const LONGEST_TRAILERS: usize = 16 * 1024;

impl Chunks {
    pub(super) fn new(fields: usize) -> Self {
        Self {
            state: State::Size,
            fields,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes the next piece out of the buffer; `None` if it has not arrived.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Piece>, Malformed> {
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(line) = line(buffer)? else {
                        return Ok(None);
                    };
                    let size = size(&buffer[..line])?;
                    buffer.advance(line + 2);
                    self.state = match size {
                        0 => State::Trailers(HeadEnd::trailers()),
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let data = take(left, buffer);
                    if *left == 0 {
                        self.state = State::AfterData;
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                State::AfterData => {
                    if buffer.len() < 2 {
                        let begins = buffer.first().is_none_or(|&byte| byte == b'\r');
                        return if begins { Ok(None) } else { Err(LONG) };
                    }
                    if !buffer.starts_with(b"\r\n") {
                        return Err(LONG);
                    }
                    buffer.advance(2);
                    self.state = State::Size;
                }
                State::Trailers(end) => {
                    let found = end.find(buffer)?;
                    if found.unwrap_or(buffer.len()) > LONGEST_TRAILERS {
                        return Err(Malformed("the trailers are too long"));
                    }
                    let Some(end) = found else {
                        return Ok(None);
                    };
                    let block = buffer.split_to(end).freeze();
                    self.state = State::Ended;
                    let trailers = head::parse_trailers(&block, self.fields)?;
                    if !trailers.is_empty() {
                        return Ok(Some(Piece::Trailers(trailers)));
                    }
                }
                State::Ended => return Ok(Some(Piece::End)),
            }
        }
    }
}

/// As many of the bytes that are left as the buffer has.
pub(super) fn take(left: &mut u64, buffer: &mut BytesMut) -> Bytes {
    let here = usize::try_from(*left).map_or(buffer.len(), |n| n.min(buffer.len()));
    *left -= here as u64;
    buffer.split_to(here).freeze()
}

const LONG: Malformed = Malformed("a chunk is longer than it says");

/// How long the first line is, without its end; `None` if that has not arrived.
fn line(buffer: &[u8]) -> Result<Option<usize>, Malformed> {
    let window = &buffer[..buffer.len().min(LONGEST_LINE)];
    match window.iter().position(|&byte| byte == b'\n') {
        Some(end) if end > 0 && window[end - 1] == b'\r' => Ok(Some(end - 1)),
        Some(_) => Err(Malformed("a line ends with a bare LF")),
        None if window.len() == LONGEST_LINE => Err(Malformed("the line of a chunk is too long")),
        None => Ok(None),
    }
}

/// The size on a chunk's line. An extension is skipped, if it is one.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.count();
    if digits == 0 || digits > 16 {
        return Err(Malformed("the size of a chunk"));
    }
    let rest = &line[digits..];
    let extension = rest.trim_ascii_start();
    let is_extension = extension.first().is_none_or(|&byte| byte == b';');
    // Nothing that another reader could take for the end of the line, or for something else.
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    if !is_extension || extension.is_empty() && !rest.is_empty() || !rest.iter().all(is_text) {
        return Err(Malformed("the extension of a chunk"));
    }
    let digits = std::str::from_utf8(&line[..digits]).unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|_wrong| Malformed("the size of a chunk"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::inline::splits::{self, End};

    /// The body and the trailers, read in pieces of at most `step` bytes; and what is left.
    fn read(text: &[u8], step: usize) -> Result<(Vec<u8>, HeaderMap, usize), Malformed> {
        let read = splits::read(text.chunks(step));
        match read.end {
            End::Whole(left) => Ok((read.body, read.trailers, left)),
            End::CutShort => Err(Malformed("cut short")),
            End::Malformed(detail) => Err(Malformed(detail)),
        }
    }

    fn read_in_any_pieces(text: &[u8]) -> Result<(Vec<u8>, HeaderMap, usize), Malformed> {
        let whole = read(text, text.len().max(1));
        for step in 1..text.len() {
            let pieces = read(text, step);
            assert_eq!(pieces.is_err(), whole.is_err(), "{step} of {text:?}");
            if let (Ok(pieces), Ok(whole)) = (pieces, &whole) {
                assert_eq!(pieces, *whole, "{step} of {text:?}");
            }
        }
        whole
    }

    #[test]
    fn chunks_make_a_body() {
        let text = b"3\r\nabc\r\n00a; x=\"y\"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nrest";
        let (body, trailers, left) = read_in_any_pieces(text).unwrap();
        assert_eq!(body, b"abc0123456789");
        assert_eq!(trailers["x-sum"], "1");
        assert_eq!(left, 4, "what follows stays");
    }

    #[test]
    fn a_body_may_be_empty() {
        let (body, trailers, left) = read_in_any_pieces(b"0\r\n\r\n").unwrap();
        assert_eq!((body.len(), trailers.len(), left), (0, 0, 0));
    }

    #[test]
    fn what_readers_could_take_in_two_ways_is_refused() {
        for text in [
            "\r\n0\r\n\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\na\r\n0\r\n\r\n",
            "0x1\r\na\r\n0\r\n\r\n",
            " 1\r\na\r\n0\r\n\r\n",
            "1 \r\na\r\n0\r\n\r\n",
            "1\na\r\n0\r\n\r\n",
            "1\r\na\n0\r\n\r\n",
            "1\r\nab\r\n0\r\n\r\n",
            "1\r\na0\r\n\r\n",
            "1\r\naxx0\r\n\r\n",
            "1 x\r\na\r\n0\r\n\r\n",
            "1;\0\r\na\r\n0\r\n\r\n",
            "1;a\rb\r\na\r\n0\r\n\r\n",
            "1\r;a\r\na\r\n0\r\n\r\n",
            "1\x0c;a\r\na\r\n0\r\n\r\n",
            "0\r\n\n",
            "0\r\nx: 1\n\r\n",
            "0\r\nx y: 1\r\n\r\n",
            "0\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\n\r\n",
            "00000000000000001\r\na\r\n0\r\n\r\n",
        ] {
            assert!(read_in_any_pieces(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused_in_time() {
        let mut line = b"1;".to_vec();
        line.resize(LONGEST_LINE, b'x');
        assert!(read(&line, 1).is_err());
        let mut trailers = b"0\r\n".to_vec();
        trailers.resize(LONGEST_TRAILERS + 5, b'x');
        assert_eq!(
            read(&trailers, 999),
            Err(Malformed("the trailers are too long"))
        );
    }

    #[test]
    fn long_trailers_are_refused_however_they_arrive() {
        let value = "x".repeat(LONGEST_TRAILERS - "x: \r\n\r\n".len());
        let longest = format!("0\r\nx: {value}\r\n\r\n");
        let longer = format!("0\r\nx: {value}x\r\n\r\n");
        for step in [1, 999, longer.len()] {
            assert!(read(longest.as_bytes(), step).is_ok(), "{step}");
            assert_eq!(
                read(longer.as_bytes(), step),
                Err(Malformed("the trailers are too long")),
                "{step}"
            );
        }
    }

    #[test]
    fn the_largest_chunk_is_a_number_like_any_other() {
        let (mut chunks, mut buffer) = (Chunks::new(4), BytesMut::from("ffffffffffffffff\r\nabc"));
        let piece = chunks.next(&mut buffer).unwrap();
        assert_eq!(piece, Some(Piece::Data(Bytes::from_static(b"abc"))));
        assert_eq!(chunks.next(&mut buffer), Ok(None));
    }
}
