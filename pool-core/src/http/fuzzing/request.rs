//! Whether what the inline engine writes is one request, and the one that was asked for.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Uri};
use http_body::{Frame, SizeHint};
use httparse::Status;

use super::response::{Outcome, attempt};
use super::rig::{End, Rig, Script};
use crate::config::Http1Engine;
use crate::http::Body;

/// Builds a request from `input`, sends it, and reads what arrived.
///
/// # Errors
///
/// What is wrong with it. An `input` that makes no `http::Request` is not wrong.
pub(super) fn check(input: &[u8]) -> Result<(), String> {
    let Some(asked) = Asked::read(input) else {
        return Ok(());
    };
    let mut rig = Rig::new(
        Http1Engine::Inline,
        Script {
            pieces: VecDeque::new(),
            end: End::Silence,
        },
    );
    rig.hear(ANSWER);
    let outcome = attempt(&mut rig, asked.request()?);
    rig.settle();
    let written = rig.written();
    // A connection that will carry another request must not have a piece of this one missing.
    let whole = rig.lease().is_some();
    if outcome == Outcome::Stalled {
        return Err(format!("an answered request waits: {asked:?}"));
    }
    if written.is_empty() {
        return if whole && outcome == Outcome::Whole {
            Err(format!("nothing was sent: {asked:?}"))
        } else {
            Ok(())
        };
    }
    asked
        .compare(&written, whole)
        .map_err(|wrong| format!("{wrong}: {asked:?}\nwritten: {}", written.escape_ascii()))
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A request that the caller wants sent.
#[derive(Debug)]
struct Asked {
    method: Method,
    uri: Uri,
    fields: HeaderMap,
    kind: u8,
    body: Vec<u8>,
}

impl Asked {
    fn read(input: &[u8]) -> Option<Self> {
        let mut parts = input.split(|&byte| byte == b'|');
        let method = Method::from_bytes(parts.next()?).ok()?;
        let uri = Uri::try_from(parts.next()?).ok()?;
        let kind = *parts.next()?.first()?;
        let body = parts.next()?.to_vec();
        let mut fields = HeaderMap::new();
        for field in parts {
            let colon = field.iter().position(|&byte| byte == b':')?;
            let name = HeaderName::from_bytes(&field[..colon]).ok()?;
            let value = HeaderValue::from_bytes(&field[colon + 1..]).ok()?;
            fields.append(name, value);
        }
        Some(Self {
            method,
            uri,
            fields,
            kind,
            body,
        })
    }

    fn request(&self) -> Result<Request<Body>, String> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.uri.clone())
            .body(self.sent_body())
            .map_err(|wrong| wrong.to_string())?;
        *request.headers_mut() = self.fields.clone();
        Ok(request)
    }

    fn sent_body(&self) -> Body {
        let length = self.body.len() as u64;
        let stream = |hint, trailers| {
            let pieces = self.body.chunks(3).map(Bytes::copy_from_slice);
            Body::wrap(Stream {
                frames: pieces.map(Frame::data).chain(trailers).collect(),
                hint,
            })
        };
        match self.kind {
            b'f' => Body::from(self.body.clone()),
            b's' => stream(SizeHint::default(), None),
            b'h' => stream(SizeHint::with_exact(length), None),
            b'l' => stream(SizeHint::with_exact(length / 2 + 1), None),
            b't' => stream(SizeHint::default(), Some(Frame::trailers(trailers()))),
            _ => Body::empty(),
        }
    }

    /// What the body carries, by its kind.
    fn body(&self) -> &[u8] {
        if matches!(self.kind, b'f' | b's' | b'h' | b'l' | b't') {
            &self.body
        } else {
            b""
        }
    }

    /// Whether `written` is this request, and nothing after it; not `whole`: or the beginning of it.
    fn compare(&self, written: &[u8], whole: bool) -> Result<(), &'static str> {
        let mut places = vec![httparse::EMPTY_HEADER; self.fields.len() + 3];
        let mut read = httparse::Request::new(&mut places);
        let body = match read.parse(written) {
            Ok(Status::Complete(end)) => &written[end..],
            Ok(Status::Partial) => return Err("the head has no end"),
            Err(_) => return Err("not a head"),
        };
        if read.method != Some(self.method.as_str()) || read.version != Some(1) {
            return Err("another method or version");
        }
        if read.path != Some(&self.target()) {
            return Err("another target");
        }
        self.compare_fields(read.headers)?;
        let framing = framing(read.headers)?;
        self.compare_body(framing, body, whole)
    }

    /// In origin form.
    fn target(&self) -> String {
        let path = self.uri.path_and_query().map_or("", |path| path.as_str());
        let slash = if path.is_empty() || path.starts_with('?') {
            "/"
        } else {
            ""
        };
        format!("{slash}{path}")
    }

    /// The caller's fields in their order, a `host` before them if there was none, and what delimits the body after them.
    fn compare_fields(&self, read: &[httparse::Header<'_>]) -> Result<(), &'static str> {
        let mut read = read.iter();
        if !self.fields.contains_key(HOST) {
            let host = read.next().ok_or("no host")?;
            if host.name != "host" || host.value != self.host().as_bytes() {
                return Err("another host");
            }
        }
        for (name, value) in &self.fields {
            let field = read.next().ok_or("a field is missing")?;
            if field.name != name.as_str() || field.value != trim(value.as_bytes()) {
                return Err("another field");
            }
        }
        let said = |name: &HeaderName| self.fields.contains_key(name);
        match (read.next(), read.next()) {
            (None, None) => Ok(()),
            (Some(field), None)
                if (field.name == "content-length" || field.name == "transfer-encoding")
                    && !said(&CONTENT_LENGTH)
                    && !said(&TRANSFER_ENCODING) =>
            {
                Ok(())
            }
            _ => Err("a field that nobody asked for"),
        }
    }

    fn host(&self) -> String {
        let authority = self.uri.authority();
        let host = authority.map_or("", |authority| authority.host());
        let meant = match self.uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => 0,
        };
        // As the http crate reads it, which takes a sign as well. Zero is no port.
        let port = authority.and_then(|authority| authority.port());
        let port = port.filter(|port| port.as_str().bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.map(|port| port.as_u16());
        match port.filter(|&port| port != meant && port != 0) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    fn compare_body(
        &self,
        framing: Framing,
        mut written: &[u8],
        whole: bool,
    ) -> Result<(), &'static str> {
        let sent = self.body();
        match framing {
            Framing::Length(length) => {
                if written.len() as u64 > length || whole && length != written.len() as u64 {
                    return Err("a body that is not as long as was said");
                }
                let fits = if whole {
                    sent == written
                } else {
                    sent.starts_with(written)
                };
                if fits { Ok(()) } else { Err("another body") }
            }
            Framing::Chunked => {
                let mut sent = sent;
                loop {
                    let (start, size) = match httparse::parse_chunk_size(written) {
                        Ok(Status::Complete(found)) => found,
                        Ok(Status::Partial) if !whole => return Ok(()),
                        _ => return Err("not a chunk"),
                    };
                    written = &written[start..];
                    if size == 0 {
                        break;
                    }
                    let size = usize::try_from(size).map_err(|_wrong| "a long chunk")?;
                    let here = size.min(written.len());
                    let rest = sent.strip_prefix(&written[..here]).ok_or("another body")?;
                    sent = rest;
                    written = match written[here..].strip_prefix(b"\r\n") {
                        Some(rest) if here == size => rest,
                        _ if !whole => return Ok(()),
                        _ => return Err("a chunk that does not end"),
                    };
                }
                let wanted = if self.kind == b't' {
                    trailers()
                } else {
                    HeaderMap::new()
                };
                let mut places = [httparse::EMPTY_HEADER; 4];
                match httparse::parse_headers(written, &mut places) {
                    Ok(Status::Complete((end, fields)))
                        if sent.is_empty()
                            && end == written.len()
                            && fields.len() == wanted.len() =>
                    {
                        let same = |field: &httparse::Header<'_>| {
                            wanted
                                .get(field.name)
                                .is_some_and(|value| value == field.value)
                        };
                        if fields.iter().all(same) {
                            Ok(())
                        } else {
                            Err("another trailer")
                        }
                    }
                    _ => Err("a body that ends elsewhere"),
                }
            }
        }
    }
}

/// How a server finds the end of a request's body.
#[derive(Clone, Copy)]
enum Framing {
    Length(u64),
    Chunked,
}

fn framing(read: &[httparse::Header<'_>]) -> Result<Framing, &'static str> {
    let named = |name: &'static str| {
        let field = move |field: &&httparse::Header<'_>| field.name == name;
        read.iter().filter(field).map(|field| field.value)
    };
    let mut lengths = named("content-length");
    let mut codings = named("transfer-encoding");
    let said = (lengths.next(), codings.next());
    if lengths.next().is_some() || codings.next().is_some() {
        return Err("the length is said twice");
    }
    match said {
        (None, None) => Ok(Framing::Length(0)),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (Some(digits), None) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(digits)
                .ok()
                .and_then(|it| it.parse().ok());
            length
                .map(Framing::Length)
                .ok_or("a length that is too large")
        }
        _ => Err("a length that readers take in two ways"),
    }
}

/// Without the blanks around a value, which are none of it (RFC 9110 section 5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    trailers
}

struct Stream {
    frames: VecDeque<Frame<Bytes>>,
    hint: SizeHint,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
