//! The head of a request, as it goes out.

use bytes::{BufMut, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{Method, Request, Uri};
use http_body::Body as _;

use super::framing::is_listed;
use crate::error::Error;
use crate::http::head::{cannot_send, declared_length, on_the_wire};
use crate::http::request_body::Body;
use crate::http::spelling::HeaderSpelling;

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// There is none.
    Nothing,
    /// So many bytes.
    Length(u64),
    Chunked,
}

/// What a request's fields say about the exchange.
#[derive(Default)]
pub(super) struct Said<'a> {
    has_host: bool,
    length: Option<&'a HeaderValue>,
    coding: Option<&'a HeaderValue>,
    /// The length or the coding comes more than once.
    twice: bool,
    /// The peer is to say first that it wants the body.
    pub(super) expects_continue: bool,
    /// The connection is to end with this exchange.
    pub(super) closes: bool,
    names_upgrade: bool,
    upgrade: Option<&'a HeaderValue>,
}

impl<'a> Said<'a> {
    /// Reads the fields once.
    pub(super) fn by(headers: &'a HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            if name == HOST {
                said.has_host = true;
            } else if name == CONTENT_LENGTH {
                said.twice |= said.length.replace(value).is_some();
            } else if name == TRANSFER_ENCODING {
                said.twice |= said.coding.replace(value).is_some();
            } else if name == CONNECTION {
                said.closes |= is_listed(value, "close");
                said.names_upgrade |= is_listed(value, "upgrade");
            } else if name == EXPECT {
                said.expects_continue |= is_listed(value, "100-continue");
            } else if name == UPGRADE {
                said.upgrade = Some(value);
            }
        }
        said
    }

    /// The protocols that the caller would rather speak on this connection.
    pub(super) fn upgrade(&self) -> Option<&'a HeaderValue> {
        self.upgrade.filter(|_| self.names_upgrade)
    }
}

/// Writes the head: the caller's fields as they are and in their order, after a `host` if the caller gave none, and then what
/// delimits the body if the caller did not say.
///
/// # Errors
///
/// What the caller asks for cannot be put in a head that every reader understands in one way. Nothing has been written.
pub(super) fn head(
    request: &Request<Body>,
    said: &Said<'_>,
    out: &mut BytesMut,
) -> Result<Sending, Error> {
    let (method, uri) = (request.method(), request.uri());
    if *method == Method::CONNECT {
        return Err(cannot_send("CONNECT needs a connection of its own"));
    }
    let sending = sending(said, request.body())?;
    let authority = uri.authority();
    if !said.has_host && authority.is_none() {
        return Err(cannot_send("the URI has no host"));
    }
    out.put_slice(method.as_str().as_bytes());
    out.put_u8(b' ');
    target(uri, out);
    out.put_slice(b" HTTP/1.1\r\n");
    let length = match sending {
        Sending::Nothing if !expects_a_body(method) => None,
        _ if said.length.is_some() || said.coding.is_some() => None,
        Sending::Nothing => Some(0),
        Sending::Length(length) => Some(length),
        Sending::Chunked => None,
    };
    let added = Added {
        host: authority.filter(|_| !said.has_host),
        length,
        chunked: sending == Sending::Chunked && said.coding.is_none(),
    };
    match request.extensions().get::<HeaderSpelling>() {
        None => {
            added.host(uri, out);
            fields(request.headers(), out);
            added.delimiter(out);
        }
        Some(spelling) => added.spelled(request, spelling, out),
    }
    out.put_slice(b"\r\n");
    Ok(sending)
}

/// What the caller's fields leave to say.
struct Added<'a> {
    host: Option<&'a Authority>,
    length: Option<u64>,
    chunked: bool,
}

impl Added<'_> {
    fn host(&self, uri: &Uri, out: &mut BytesMut) {
        if let Some(authority) = self.host {
            out.put_slice(b"host: ");
            put_host(uri, authority, out);
            out.put_slice(b"\r\n");
        }
    }

    fn delimiter(&self, out: &mut BytesMut) {
        if let Some(length) = self.length {
            out.put_slice(b"content-length: ");
            decimal(out, length);
            out.put_slice(b"\r\n");
        }
        if self.chunked {
            out.put_slice(b"transfer-encoding: chunked\r\n");
        }
    }

    /// All fields, the caller's too, as the caller wants them spelled.
    fn spelled(&self, request: &Request<Body>, spelling: &HeaderSpelling, out: &mut BytesMut) {
        let (mut host, mut length) = (BytesMut::new(), BytesMut::new());
        let mut all: Vec<(&str, &[u8])> = Vec::new();
        if let Some(authority) = self.host {
            put_host(request.uri(), authority, &mut host);
            all.push(("host", &host));
        }
        let given = request.headers().iter();
        all.extend(given.map(|(name, value)| (name.as_str(), value.as_bytes())));
        if let Some(number) = self.length {
            decimal(&mut length, number);
            all.push(("content-length", &length));
        }
        if self.chunked {
            all.push(("transfer-encoding", b"chunked"));
        }
        spelling.each(&all, |name, value| field(name, value, out));
    }
}

fn put_host(uri: &Uri, authority: &Authority, out: &mut BytesMut) {
    let (host, port) = on_the_wire(uri.scheme(), authority);
    out.put_slice(host.as_bytes());
    if let Some(port) = port {
        out.put_u8(b':');
        decimal(out, port.into());
    }
}

/// Fields, one to a line.
pub(super) fn fields(map: &HeaderMap, out: &mut BytesMut) {
    for (name, value) in map {
        field(name.as_str(), value.as_bytes(), out);
    }
}

fn field(name: &str, value: &[u8], out: &mut BytesMut) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// The line before a chunk.
pub(super) fn chunk_line(size: usize, out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for at in (0..digits).rev() {
        out.put_u8(DIGITS[size >> (4 * at) & 15]);
    }
    out.put_slice(b"\r\n");
}

fn decimal(out: &mut BytesMut, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

fn target(uri: &Uri, out: &mut BytesMut) {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    // An empty path is `/` on the wire (RFC 9112 section 3.2.1).
    if path.is_empty() || path.starts_with('?') {
        out.put_u8(b'/');
    }
    out.put_slice(path.as_bytes());
}

/// A peer may wait for a body with these methods, and is told that there is none.
fn expects_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn sending(said: &Said<'_>, body: &Body) -> Result<Sending, Error> {
    if said.twice || said.length.is_some() && said.coding.is_some() {
        return Err(cannot_send("the length of the body is said twice"));
    }
    if let Some(coding) = said.coding {
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(cannot_send("a transfer-encoding other than chunked"));
        }
        return Ok(Sending::Chunked);
    }
    let exact = body.size_hint().exact();
    let declared = match said.length {
        Some(value) => Some(declared_length(value, exact)?),
        None => None,
    };
    Ok(match exact.or(declared) {
        _ if body.is_end_stream() => Sending::Nothing,
        Some(length) => Sending::Length(length),
        None => Sending::Chunked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn written(request: Request<Body>) -> Result<(String, Sending), ErrorKind> {
        let mut out = BytesMut::new();
        match head(&request, &Said::by(request.headers()), &mut out) {
            Ok(sending) => Ok((String::from_utf8(out.to_vec()).unwrap(), sending)),
            Err(error) => {
                assert!(out.is_empty(), "nothing of a head that cannot be sent");
                Err(error.kind())
            }
        }
    }

    fn stream() -> Body {
        struct Endless;
        impl http_body::Body for Endless {
            type Data = bytes::Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>>
            {
                std::task::Poll::Pending
            }
        }
        Body::wrap(Endless)
    }

    #[test]
    fn a_head_has_a_host_first_and_the_callers_fields_as_they_are() {
        let request = Request::get("https://u:p@a.test:443?q=1")
            .header("X-B", "2")
            .header("x-a", "1")
            .header("x-b", "3");
        let text = "GET /?q=1 HTTP/1.1\r\nhost: a.test\r\nx-b: 2\r\nx-b: 3\r\nx-a: 1\r\n\r\n";
        let sent = written(request.body(Body::empty()).unwrap());
        assert_eq!(sent, Ok((text.into(), Sending::Nothing)));

        let own = Request::get("http://a.test:8080/x").header("host", "b.test");
        let text = "GET /x HTTP/1.1\r\nhost: b.test\r\n\r\n";
        assert_eq!(written(own.body(Body::empty()).unwrap()).unwrap().0, text);
        let port = Request::get("http://[::1]:8080")
            .body(Body::empty())
            .unwrap();
        let text = "GET / HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n";
        assert_eq!(written(port).unwrap().0, text);
        let nowhere = Request::get("/x").body(Body::empty()).unwrap();
        assert_eq!(written(nowhere), Err(ErrorKind::Request));
    }

    #[test]
    fn fields_are_spelled_and_ordered_as_the_caller_says() {
        let names = ["Content-Length", "X-B", "Host", "X-None"];
        let mut request = Request::post("https://a.test:8443/")
            .header("x-a", "1")
            .header("x-b", "2")
            .header("x-b", "3")
            .body(Body::from("hello"))
            .unwrap();
        let spelling = HeaderSpelling::new(names).unwrap();
        request.extensions_mut().insert(spelling);
        let text = "POST / HTTP/1.1\r\nContent-Length: 5\r\nX-B: 2\r\nX-B: 3\r\nHost: a.test:8443\r\nx-a: 1\r\n\r\n";
        assert_eq!(written(request), Ok((text.into(), Sending::Length(5))));

        let mut request = Request::post("https://a.test/").body(stream()).unwrap();
        let spelling = HeaderSpelling::new(["Transfer-Encoding"]).unwrap();
        request.extensions_mut().insert(spelling);
        let text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nhost: a.test\r\n\r\n";
        assert_eq!(written(request), Ok((text.into(), Sending::Chunked)));
    }

    #[test]
    fn a_body_is_announced_once() {
        let post = |name: &str, value: &str| Request::post("https://a.test/").header(name, value);
        let plain = || post("x", "y");
        let cases = [
            (
                plain().body(Body::empty()),
                "content-length: 0\r\n",
                Sending::Nothing,
            ),
            (
                plain().body("hello".into()),
                "content-length: 5\r\n",
                Sending::Length(5),
            ),
            (
                plain().body(stream()),
                "transfer-encoding: chunked\r\n",
                Sending::Chunked,
            ),
            (
                post("content-length", "5").body("hello".into()),
                "content-length: 5\r\n",
                Sending::Length(5),
            ),
            (
                post("content-length", "0").body(stream()),
                "content-length: 0\r\n",
                Sending::Length(0),
            ),
            (
                post("content-length", "7").body(stream()),
                "content-length: 7\r\n",
                Sending::Length(7),
            ),
            (
                post("transfer-encoding", "chunked").body("hello".into()),
                "transfer-encoding: chunked\r\n",
                Sending::Chunked,
            ),
        ];
        for (request, field, sending) in cases {
            let (text, how) = written(request.unwrap()).unwrap();
            assert_eq!(how, sending);
            assert_eq!(text.matches(field).count(), 1, "{text}");
            let said = text.matches("content-length").count() + text.matches("encoding").count();
            assert_eq!(said, 1, "{text}");
        }
        let get = Request::get("https://a.test/").body(Body::empty()).unwrap();
        assert!(!written(get).unwrap().0.contains("content-length"));
    }

    #[test]
    fn a_body_that_would_be_announced_twice_is_refused() {
        for fields in [
            &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "5"), ("content-length", "5")],
            &[("transfer-encoding", "gzip, chunked")],
            &[
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
        ] {
            let mut request = Request::post("https://a.test/");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::from("hello")).unwrap();
            assert_eq!(written(request), Err(ErrorKind::Request), "{fields:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_numbers_are() {
        for number in [0, 9, 10, 255, 256, 65_535, u64::MAX] {
            let mut out = BytesMut::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string());
            out.clear();
            chunk_line(number as usize, &mut out);
            assert_eq!(out, format!("{number:x}\r\n"));
        }
    }
}
