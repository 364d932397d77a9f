//! The head of a response: where it ends, and what it says.
//!
//! Strict, because a response whose end two readers see in different places is how one answer becomes another's. Whatever
//! is not as RFC 9112 writes it is an error, never a guess.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use httparse::{Error as Wrong, Header, ParserConfig, Status};
use memchr::memchr;

/// Why what the peer sent is not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Looks for the end of a head in a buffer that grows; each byte is looked at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadEnd {
    seen: usize,
    /// Where the line begins that has not ended yet.
    line: usize,
    may_be_empty: bool,
}

impl HeadEnd {
    /// For trailers, which may be an empty line and nothing else.
    pub(super) fn trailers() -> Self {
        Self {
            may_be_empty: true,
            ..Self::default()
        }
    }

    /// How long the head is, its empty line included; `None` if it has not all arrived.
    pub(super) fn find(&mut self, buffer: &[u8]) -> Result<Option<usize>, Malformed> {
        while let Some(at) = memchr(b'\n', &buffer[self.seen..]) {
            let end = self.seen + at;
            // Some readers end a line here, others do not (RFC 9112 section 2.2).
            if end == self.line || buffer[end - 1] != b'\r' {
                return Err(Malformed("a line ends with a bare LF"));
            }
            let is_empty = end - 1 == self.line;
            self.seen = end + 1;
            if is_empty && self.line == 0 && !self.may_be_empty {
                return Err(Malformed("an empty line instead of a status line"));
            }
            self.line = end + 1;
            if is_empty {
                return Ok(Some(end + 1));
            }
        }
        self.seen = buffer.len();
        Ok(None)
    }
}

/// Reads a whole head, as found by [`HeadEnd`]. That of a final response takes the room of `spare` for its fields, and what
/// is in there is gone then.
pub(super) fn parse(
    head: Bytes,
    fields: usize,
    spare: &mut HeaderMap,
) -> Result<Response<()>, Malformed> {
    // The usual bound needs no allocation.
    if fields <= USUAL {
        let mut places = [const { MaybeUninit::uninit() }; USUAL];
        return parse_into(&head, &mut places[..fields], spare);
    }
    parse_into(&head, &mut vec![MaybeUninit::uninit(); fields], spare)
}

const USUAL: usize = 100;

fn parse_into<'a>(
    head: &'a Bytes,
    places: &mut [MaybeUninit<Header<'a>>],
    spare: &mut HeaderMap,
) -> Result<Response<()>, Malformed> {
    let mut parsed = httparse::Response::new(&mut []);
    match ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, head, places) {
        Ok(Status::Complete(end)) if end == head.len() => {}
        Ok(_) => return Err(Malformed("the head of the response")),
        Err(wrong) => return Err(explain(wrong)),
    }
    let mut response = Response::new(());
    let code = parsed.code.unwrap_or_default();
    *response.status_mut() =
        StatusCode::from_u16(code).map_err(|_wrong| Malformed("the status code"))?;
    *response.version_mut() = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    if is_last(response.status()) {
        spare.clear();
        *response.headers_mut() = std::mem::take(spare);
    }
    append(response.headers_mut(), head, parsed.headers)?;
    Ok(response)
}

/// Whether nothing will be asked again after a response of this status, nor will another follow.
fn is_last(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::MISDIRECTED_REQUEST
}

/// Reads trailers: lines up to and including the empty one.
pub(super) fn parse_trailers(block: &Bytes, fields: usize) -> Result<HeaderMap, Malformed> {
    let mut places = vec![httparse::EMPTY_HEADER; fields];
    let mut trailers = HeaderMap::new();
    match httparse::parse_headers(block, &mut places) {
        Ok(Status::Complete((end, found))) if end == block.len() => {
            append(&mut trailers, block, found)?;
        }
        Ok(_) => return Err(Malformed("the trailers")),
        Err(wrong) => return Err(explain(wrong)),
    }
    // They come too late to say where a message ends, or whose it is (RFC 9110 section 6.5.1).
    let late = [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING];
    if late.iter().any(|name| trailers.contains_key(name)) {
        return Err(Malformed("a field that no trailers may have"));
    }
    Ok(trailers)
}

fn append(map: &mut HeaderMap, block: &Bytes, fields: &[Header<'_>]) -> Result<(), Malformed> {
    let too_many = |_full| Malformed("more fields than a map holds");
    map.try_reserve(fields.len()).map_err(too_many)?;
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_wrong| Malformed("the name of a field"))?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value));
        let value = value.map_err(|_wrong| Malformed("the value of a field"))?;
        map.try_append(name, value).map_err(too_many)?;
    }
    Ok(())
}

fn explain(wrong: Wrong) -> Malformed {
    Malformed(match wrong {
        Wrong::HeaderName => "the name of a field",
        Wrong::HeaderValue => "the value of a field",
        Wrong::NewLine => "the end of a line",
        Wrong::Status => "the status line",
        Wrong::Token => "a token",
        Wrong::TooManyHeaders => "more fields than http1.headers allows",
        Wrong::Version => "the version of HTTP",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the head is, whatever the pieces it comes in.
    fn end_of(text: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut whole = HeadEnd::default();
        let found = whole.find(text);
        for first in 0..text.len() {
            let mut end = HeadEnd::default();
            let split = match end.find(&text[..first]) {
                Ok(None) => end.find(text),
                early => early,
            };
            assert_eq!(split, found, "split at {first}");
        }
        found
    }

    fn head(text: &'static str) -> Result<Response<()>, Malformed> {
        let end = end_of(text.as_bytes())?.expect("a whole head");
        let head = Bytes::from_static(&text.as_bytes()[..end]);
        parse(head, 4, &mut HeaderMap::new())
    }

    #[test]
    fn a_head_ends_at_its_empty_line() {
        let text = b"HTTP/1.1 200 OK\r\na: b\r\n\r\nrest";
        assert_eq!(end_of(text), Ok(Some(text.len() - 4)));
        assert_eq!(end_of(&text[..text.len() - 5]), Ok(None));
        assert_eq!(end_of(b""), Ok(None));
    }

    #[test]
    fn a_head_says_its_status_and_its_fields_in_order() {
        let read = head("HTTP/1.0 404 \r\nB:  2 \r\na: 1\r\nb: 3\r\nempty:\r\n\r\n").unwrap();
        assert_eq!(
            (read.status().as_u16(), read.version()),
            (404, Version::HTTP_10)
        );
        let fields: Vec<_> = read
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_bytes()))
            .collect();
        assert_eq!(
            fields,
            [("b", &b"2"[..]), ("b", b"3"), ("a", b"1"), ("empty", b"")]
        );
    }

    #[test]
    fn what_readers_could_take_in_two_ways_is_refused() {
        for text in [
            "HTTP/1.1 200 OK\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\n\r\n",
            "HTTP/1.1 200 OK\r\n\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\na\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "http/1.1 200 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\n\r\n",
        ] {
            assert!(head(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn trailers_are_fields() {
        let block = Bytes::from_static(b"x-sum: 1\r\n\r\n");
        assert_eq!(parse_trailers(&block, 4).unwrap()["x-sum"], "1");
        assert!(
            parse_trailers(&Bytes::from_static(b"\r\n"), 4)
                .unwrap()
                .is_empty()
        );
        for wrong in [
            "x sum: 1\r\n\r\n",
            "x: 1\r\n\r\nrest",
            "x: 1\r\n",
            "a:1\r\nb:1\r\nc:1\r\n\r\n",
            "content-length: 1\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n",
            "connection: close\r\n\r\n",
            "host: a\r\n\r\n",
        ] {
            assert!(
                parse_trailers(&Bytes::from_static(wrong.as_bytes()), 2).is_err(),
                "{wrong:?}"
            );
        }
    }
}
