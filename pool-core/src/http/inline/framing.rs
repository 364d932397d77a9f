//! Where a response's body ends, and whether its connection may be used again.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Response, StatusCode, Version};

use super::head::Malformed;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// So many bytes follow; not zero.
    Length(u64),
    Chunked,
    /// It ends with the connection.
    UntilClose,
    /// There is no HTTP any more.
    Switched,
}

/// What a head says of the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) framing: Framing,
    /// Whether another response may follow on the connection.
    pub(super) keeps_alive: bool,
}

/// What follows the head of the final response to a request with this method (RFC 9112 section 6.3).
///
/// # Errors
///
/// Two framings, or one that is not as it must be written: readers could see the end in different places.
pub(super) fn message(method: &Method, head: &Response<()>) -> Result<Message, Malformed> {
    // One pass: a field of a standard name is told by its number.
    let (mut length, mut chunked, mut closes) = (None, false, false);
    for (name, value) in head.headers() {
        if name == CONTENT_LENGTH {
            if length.is_some() {
                return Err(Malformed("content-length more than once"));
            }
            length = Some(number(value)?);
        } else if name == TRANSFER_ENCODING {
            // No other coding is asked for, so a peer that uses one is not understood.
            if chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed("a transfer-encoding other than chunked"));
            }
            chunked = true;
        } else if name == CONNECTION {
            closes |= is_listed(value, "close");
        }
    }
    if chunked && length.is_some() {
        return Err(Malformed("both content-length and transfer-encoding"));
    }
    if chunked && head.version() == Version::HTTP_10 {
        return Err(Malformed("transfer-encoding in HTTP/1.0"));
    }
    let bodiless = *method == Method::HEAD
        || matches!(
            head.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let framing = match length {
        _ if bodiless => Framing::None,
        _ if chunked => Framing::Chunked,
        Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let keeps_alive =
        head.version() == Version::HTTP_11 && framing != Framing::UntilClose && !closes;
    Ok(Message {
        framing,
        keeps_alive,
    })
}

/// What follows a 101 to a request that asked for these protocols.
///
/// # Errors
///
/// The request asked for none, or not for the one that the peer names.
pub(super) fn switch(
    asked: Option<&HeaderValue>,
    head: &Response<()>,
) -> Result<Message, Malformed> {
    let asked = asked.ok_or(Malformed("101 was not asked for"))?;
    let mut named = head.headers().get_all(UPGRADE).iter();
    let protocol = named.next().and_then(|name| name.to_str().ok());
    match protocol {
        Some(protocol) if named.next().is_none() && is_listed(asked, protocol.trim()) => {
            Ok(Message {
                framing: Framing::Switched,
                keeps_alive: false,
            })
        }
        _ => Err(Malformed("101 to a protocol that was not asked for")),
    }
}

fn number(value: &HeaderValue) -> Result<u64, Malformed> {
    // `parse` would take a sign.
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed("content-length is not a number"));
    }
    let length = value.to_str().ok().and_then(|digits| digits.parse().ok());
    // Beyond this, a reader with signed numbers counts from below zero, and hyper takes the last ones for no number.
    length
        .filter(|&length| length <= i64::MAX as u64)
        .ok_or(Malformed("content-length is too large a number"))
}

/// Whether a list of words has this one.
pub(super) fn is_listed(list: &HeaderValue, token: &str) -> bool {
    let mut words = list.as_bytes().split(|&byte| byte == b',');
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::http::inline::head;

    fn says(method: &Method, status: &str, fields: &str) -> Result<Message, Malformed> {
        let text = format!("{status}\r\n{fields}\r\n");
        message(
            method,
            &head::parse(text.into(), 10, &mut HeaderMap::new())?,
        )
    }

    fn get(fields: &str) -> Result<(Framing, bool), Malformed> {
        says(&Method::GET, "HTTP/1.1 200 OK", fields).map(|it| (it.framing, it.keeps_alive))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        assert_eq!(get("content-length: 5\r\n"), Ok((Framing::Length(5), true)));
        assert_eq!(get("content-length: 0\r\n"), Ok((Framing::None, true)));
        assert_eq!(
            get("content-length: 9223372036854775807\r\n"),
            Ok((Framing::Length(i64::MAX as u64), true))
        );
        assert_eq!(
            get("content-length: 007\r\n"),
            Ok((Framing::Length(7), true))
        );
        assert_eq!(
            get("transfer-encoding: Chunked\r\n"),
            Ok((Framing::Chunked, true))
        );
        assert_eq!(get(""), Ok((Framing::UntilClose, false)));
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_say() {
        let fields = "content-length: 5\r\n";
        let none = Ok(Message {
            framing: Framing::None,
            keeps_alive: true,
        });
        assert_eq!(says(&Method::HEAD, "HTTP/1.1 200 OK", fields), none);
        assert_eq!(says(&Method::HEAD, "HTTP/1.1 200 OK", ""), none);
        assert_eq!(says(&Method::GET, "HTTP/1.1 204 No Content", fields), none);
        assert_eq!(
            says(&Method::GET, "HTTP/1.1 304 Not Modified", fields),
            none
        );
    }

    #[test]
    fn a_peer_may_end_the_connection_after_its_response() {
        let fields = "content-length: 5\r\n";
        for close in [
            "connection: close\r\n",
            "connection: x, Close \r\n",
            "connection: x\r\nconnection: close\r\n",
        ] {
            assert_eq!(
                get(&format!("{fields}{close}")),
                Ok((Framing::Length(5), false))
            );
        }
        let old = says(&Method::GET, "HTTP/1.0 200 OK", fields).unwrap();
        assert!(
            !old.keeps_alive,
            "persistence of HTTP/1.0 is not worth its doubts"
        );
        assert_eq!(
            get(&format!("{fields}connection: closed\r\n")),
            Ok((Framing::Length(5), true))
        );
    }

    #[test]
    fn a_framing_that_leaves_doubts_is_refused() {
        for fields in [
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            "content-length: 5\r\ncontent-length: 5\r\n",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 5\r\n",
            "content-length: +5\r\n",
            "content-length: -5\r\n",
            "content-length: 5 5\r\n",
            "content-length: 0x5\r\n",
            "content-length:\r\n",
            "content-length: 9223372036854775808\r\n",
            "content-length: 18446744073709551615\r\n",
            "content-length: 18446744073709551616\r\n",
            "transfer-encoding: gzip\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding:\r\n",
        ] {
            assert!(get(fields).is_err(), "{fields:?}");
        }
        let old = says(
            &Method::GET,
            "HTTP/1.0 200 OK",
            "transfer-encoding: chunked\r\n",
        );
        assert!(old.is_err());
    }
}
