//! Turns a caller's request head into what HTTP/1.1 and HTTP/2 put on the wire.

use http::header::{
    CONNECTION, CONTENT_LENGTH, Entry, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version};
use http_body::Body;

use crate::authority::{self, host_and_port};
use crate::error::{Error, ErrorKind};

/// Heads before the final one that a peer may send. RFC 9110 section 15.2 sets no limit, and a peer that sends them without
/// end would keep a request for ever.
pub(super) const MOST_INFORMATIONAL: usize = 100;

/// Refuses what no pooled connection can carry: tunnels and protocol upgrades take the connection over, and a
/// `content-length` that is not the body's leaves the peer waiting for the rest, which would be the next request.
pub(super) fn check<B: Body>(request: &Request<B>) -> Result<(), Error> {
    if request.method() == Method::CONNECT {
        return Err(cannot_send("CONNECT needs a connection of its own"));
    }
    if request.headers().contains_key(UPGRADE) {
        return Err(cannot_send("upgrades need a connection of their own"));
    }
    let length = request.body().size_hint().exact();
    for declared in request.headers().get_all(CONTENT_LENGTH) {
        declared_length(declared, length)?;
    }
    Ok(())
}

/// The length of a body as the caller declares it, which must be the length it has, where that is known.
pub(super) fn declared_length(value: &HeaderValue, exact: Option<u64>) -> Result<u64, Error> {
    // `parse` would take a sign.
    let digits = value.to_str().ok();
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|text| text.parse().ok())
        .filter(|declared| exact.is_none_or(|exact| exact == *declared))
        .ok_or_else(|| cannot_send("content-length is not the length of the body"))
}

/// Refuses a head that says twice where the body ends, or says so in a way that not every reader knows: the rest of the body
/// could be taken for another request (RFC 9112 §6.1, §6.3).
fn check_framing(headers: &HeaderMap) -> Result<(), Error> {
    let codings = headers.get_all(TRANSFER_ENCODING);
    let unknown = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.iter().any(unknown) {
        return Err(cannot_send("a transfer-encoding other than chunked"));
    }
    let lengths = headers.get_all(CONTENT_LENGTH);
    if codings.iter().count() + lengths.iter().count() > 1 {
        return Err(cannot_send("the length of the body is said twice"));
    }
    Ok(())
}

/// Makes a head HTTP/1.1: target in origin form, and a `host` header.
///
/// Returns whether the header was added.
pub(super) fn prepare_h1<B>(request: &mut Request<B>) -> Result<bool, Error> {
    check_framing(request.headers())?;
    *request.version_mut() = Version::HTTP_11;
    let host = request.uri().authority().map(|authority| {
        let scheme = request.uri().scheme();
        host_value(scheme, authority)
    });
    let added = match request.headers_mut().entry(HOST) {
        Entry::Occupied(_) => false,
        Entry::Vacant(entry) => {
            let host = host.ok_or_else(|| cannot_send("the URI has no host"))?;
            entry.insert(host?);
            true
        }
    };
    if request.uri().authority().is_some() {
        let path = path_and_query(request.uri());
        *request.uri_mut() = Uri::from(path);
    }
    Ok(added)
}

/// The head as HTTP/2 has it: absolute URI, no connection-specific fields, and the body's length where it is known.
///
/// A copy, because what goes to the codec does not come back, and the request may be needed again. Its extensions stay
/// behind: no codec reads them.
pub(super) fn for_h2<B>(request: &Request<B>, length: Option<u64>) -> Result<Request<()>, Error> {
    let (method, headers) = (request.method(), request.headers());
    let mut head = Request::new(());
    *head.method_mut() = method.clone();
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = match uri_for_h2(request.uri(), headers.get(HOST))? {
        Some(uri) => uri,
        None => request.uri().clone(),
    };
    let wants_length = length.is_some_and(|length| {
        length > 0 || matches!(*method, Method::POST | Method::PUT | Method::PATCH)
    });
    // Most heads have none of them.
    *head.headers_mut() = match headers.keys().any(is_of_http1) {
        true => without_http1(headers),
        false => headers.clone(),
    };
    let copied = head.headers_mut();
    // An entry makes room for itself, whether or not it is filled.
    if let (true, Some(length)) = (wants_length, length)
        && let Entry::Vacant(entry) = copied.entry(CONTENT_LENGTH)
    {
        entry.insert(HeaderValue::from(length));
    }
    Ok(head)
}

/// Another URI, if that of the caller cannot be sent as it is.
fn uri_for_h2(uri: &Uri, host: Option<&HeaderValue>) -> Result<Option<Uri>, Error> {
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(cannot_send("the URI is not absolute"));
    };
    let (name, port) = on_the_wire(Some(scheme), authority);
    let digits = port.map_or(0, |port| 1 + port.ilog10() as usize + 1);
    let is_on_the_wire = authority.as_str().len() == name.len() + digits;
    if host.is_none() && is_on_the_wire && has_path(uri) {
        return Ok(None);
    }
    let host = match host {
        Some(host) => host.clone(),
        None => host_value(Some(scheme), authority)?,
    };
    let authority = Authority::try_from(host.as_bytes())
        .map_err(|error| cannot_send("the host header is not an authority").with_source(error))?;
    let uri = Uri::builder()
        .scheme(scheme.clone())
        .authority(authority)
        .path_and_query(path_and_query(uri))
        .build();
    uri.map(Some)
        .map_err(|error| cannot_send("the URI").with_source(error))
}

/// Whether a field is about one HTTP/1.1 connection, or must be looked into for that.
fn is_of_http1(name: &HeaderName) -> bool {
    *name == HOST
        || *name == CONNECTION
        || *name == TE
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || KEEP_ALIVE == *name
        || PROXY_CONNECTION == *name
}

const KEEP_ALIVE: &str = "keep-alive";
const PROXY_CONNECTION: &str = "proxy-connection";

/// Without what describes one HTTP/1.1 connection, and what its `connection` header names (RFC 9113 §8.2.2).
///
/// In their order: a removal would move the last field to its place.
fn without_http1(headers: &HeaderMap) -> HeaderMap {
    let lists = headers.get_all(CONNECTION).iter();
    let lists = lists.filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> = lists
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut rest = HeaderMap::new();
    for (name, value) in headers {
        if *name == TE {
            if wants_trailers(value) {
                rest.insert(TE, HeaderValue::from_static("trailers"));
            }
        } else if !is_of_http1(name) && !named.contains(name) {
            rest.append(name, value.clone());
        }
    }
    rest
}

/// All that HTTP/2 has left of TE (RFC 9113 section 8.2.2).
fn wants_trailers(te: &HeaderValue) -> bool {
    let mut codings = te.to_str().unwrap_or_default().split(',');
    codings.any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// The authority without user info, and without the port that the scheme means anyway.
fn host_value(scheme: Option<&Scheme>, authority: &Authority) -> Result<HeaderValue, Error> {
    let (host, port) = on_the_wire(scheme, authority);
    let value = match port {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    value.map_err(|error| cannot_send("the host").with_source(error))
}

/// The host, and the port unless the scheme means it anyway.
pub(super) fn on_the_wire<'a>(
    scheme: Option<&Scheme>,
    authority: &'a Authority,
) -> (&'a str, Option<u16>) {
    let default_port = match scheme {
        Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
        Some(scheme) if *scheme == Scheme::HTTP => Some(80),
        _ => None,
    };
    let (host, port) = host_and_port(authority);
    let port = port.and_then(authority::port);
    (host, port.filter(|&port| Some(port) != default_port))
}

fn has_path(uri: &Uri) -> bool {
    uri.path_and_query()
        .is_some_and(|path| !path.as_str().is_empty())
}

fn path_and_query(uri: &Uri) -> PathAndQuery {
    match uri.path_and_query() {
        Some(path) if has_path(uri) => path.clone(),
        _ => PathAndQuery::from_static("/"),
    }
}

pub(super) fn cannot_send(detail: &'static str) -> Error {
    Error::new(ErrorKind::Request).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    #[test]
    fn an_h1_head_has_origin_form_and_a_host() {
        let mut request = get("https://user:secret@a.test:443?q=1");
        assert!(prepare_h1(&mut request).unwrap());
        assert_eq!(request.uri(), "/?q=1");
        assert_eq!(request.headers()[HOST], "a.test");

        let mut request = get("http://a.test:443/x");
        prepare_h1(&mut request).unwrap();
        assert_eq!(request.headers()[HOST], "a.test:443");
    }

    #[test]
    fn an_h1_head_keeps_the_callers_host() {
        let mut request = get("https://a.test/");
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("b.test"));
        assert!(!prepare_h1(&mut request).unwrap());
        assert_eq!(request.headers()[HOST], "b.test");
    }

    #[test]
    fn an_h2_head_has_an_authority_and_no_connection_fields() {
        let request = Request::post("https://u@a.test:443/x?y")
            .header("connection", "keep-alive, x-hop, te")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("transfer-encoding", "chunked")
            .header("x-hop", "1")
            .header("x-end", "2")
            .header("te", "gzip, trailers")
            .body(())
            .unwrap();
        let request = for_h2(&request, Some(0)).unwrap();
        assert_eq!(request.uri(), "https://a.test/x?y");
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "te", "x-end"]);
        assert_eq!(request.headers()[TE], "trailers");
    }

    #[test]
    fn an_h2_authority_has_neither_user_info_nor_the_schemes_port() {
        for (given, sent) in [
            ("https://a.test/x", "https://a.test/x"),
            ("https://a.test:8443/x", "https://a.test:8443/x"),
            ("https://a.test:443/x", "https://a.test/x"),
            ("https://a.test:/x", "https://a.test/x"),
            ("https://u:p@a.test/x", "https://a.test/x"),
            ("https://u:p@a.test:8443/x", "https://a.test:8443/x"),
            ("https://[::1]:8443", "https://[::1]:8443/"),
            ("http://a.test:80?q", "http://a.test/?q"),
        ] {
            let request = for_h2(&get(given), None).unwrap();
            assert_eq!(request.uri(), sent, "{given}");
            assert_eq!(request.headers().capacity(), 0, "no room for nothing");
        }
        for name in [KEEP_ALIVE, PROXY_CONNECTION, "te"] {
            let mut request = get("https://a.test/");
            let value = HeaderValue::from_static("x");
            request.headers_mut().insert(name, value);
            let request = for_h2(&request, None).unwrap();
            assert!(request.headers().is_empty(), "{name}");
        }
    }

    #[test]
    fn an_h2_head_keeps_the_order_of_its_fields() {
        let request = Request::post("https://a.test/")
            .header("host", "a.test")
            .header("x-a", "1")
            .header("te", "trailers")
            .header("connection", "keep-alive")
            .header("accept", "2")
            .header("x-a", "3")
            .header("b", "4");
        let request = for_h2(&request.body(()).unwrap(), Some(5)).unwrap();
        let fields = request.headers().iter();
        let fields: Vec<_> = fields
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let wanted = [
            ("x-a", "1"),
            ("x-a", "3"),
            ("te", "trailers"),
            ("accept", "2"),
            ("b", "4"),
        ];
        assert_eq!(fields, [&wanted[..], &[("content-length", "5")]].concat());
    }

    #[test]
    fn the_host_header_becomes_the_h2_authority() {
        let mut request = get("https://a.test/x");
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("b.test"));
        let request = for_h2(&request, None).unwrap();
        assert_eq!(request.uri(), "https://b.test/x");
        assert!(request.headers().is_empty());
    }

    #[test]
    fn a_length_that_is_not_the_bodys_is_refused() {
        let says = |length: &str| {
            let request = Request::post("https://a.test/").header(CONTENT_LENGTH, length);
            check(&request.body("hello".to_owned()).unwrap()).map_err(|error| error.kind())
        };
        assert_eq!(says("5"), Ok(()));
        for wrong in ["4", "6", "-5", "+5", "five", ""] {
            assert_eq!(says(wrong), Err(ErrorKind::Request), "{wrong}");
        }
    }

    #[test]
    fn tunnels_upgrades_and_relative_targets_are_refused() {
        let connect = Request::connect("a.test:443").body(String::new()).unwrap();
        let upgrade = Request::get("https://a.test/")
            .header(UPGRADE, "websocket")
            .body(String::new())
            .unwrap();
        for request in [connect, upgrade] {
            assert_eq!(check(&request).unwrap_err().kind(), ErrorKind::Request);
        }
        let kind = for_h2(&get("/x"), None).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Request);
        let kind = prepare_h1(&mut get("/x")).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Request);
    }
}
