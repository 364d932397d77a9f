//! What there is to fetch, made once.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

/// Three pages.
pub(crate) struct Pages {
    plain: Page,
    rich: Page,
    large: Page,
}

/// One page.
pub(crate) struct Page {
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Ten fields besides the two that every page has.
const RICH: [(HeaderName, &str); 10] = [
    (header::SERVER, "bench"),
    (header::DATE, "Thu, 01 Jan 2026 00:00:00 GMT"),
    (
        header::CACHE_CONTROL,
        "public, max-age=3600, stale-while-revalidate=60",
    ),
    (header::ETAG, "\"0123456789abcdef0123456789abcdef\""),
    (header::LAST_MODIFIED, "Wed, 31 Dec 2025 00:00:00 GMT"),
    (header::VARY, "accept-encoding, origin"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=31536000; includeSubDomains",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (
        header::SET_COOKIE,
        "session=0123456789abcdef; Path=/; Secure; HttpOnly; SameSite=Lax",
    ),
];

impl Pages {
    pub(crate) fn new() -> Self {
        Self {
            plain: Page::new(1024, &[]),
            rich: Page::new(1024, &RICH),
            large: Page::new(256 * 1024, &[]),
        }
    }

    /// The page of a path; the plain one where there is no other.
    pub(crate) fn at(&self, path: &str) -> &Page {
        match path {
            "/rich" => &self.rich,
            "/256k" => &self.large,
            _ => &self.plain,
        }
    }
}

impl Page {
    fn new(length: usize, more: &[(HeaderName, &'static str)]) -> Self {
        let mut headers = HeaderMap::new();
        let octets = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, octets);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        for (name, value) in more {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self {
            headers,
            body: Bytes::from(vec![b'x'; length]),
        }
    }

    /// The response, with a body of any kind.
    pub(crate) fn response<B>(&self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = self.headers.clone();
        response
    }
}
