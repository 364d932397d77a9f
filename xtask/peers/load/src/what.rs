//! What is fetched, made once for many requests, and how a response is read.

use std::future::poll_fn;
use std::pin::pin;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http_body::Body;

use crate::name_of;

/// What is fetched. Whatever can be made before the first request is.
#[derive(Clone, Debug)]
pub struct What {
    /// With the scheme and the host.
    pub url: String,
    pub uri: Uri,
    /// Without them.
    pub path: PathAndQuery,
    /// For who writes that field itself.
    pub host: HeaderValue,
    rich: bool,
}

/// Eight fields that a browser sends, besides `host`.
const RICH: [(HeaderName, &str); 8] = [
    (
        header::USER_AGENT,
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        header::ACCEPT,
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    (header::ACCEPT_LANGUAGE, "en-US,en;q=0.5"),
    (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
    (header::CACHE_CONTROL, "no-cache"),
    (header::REFERER, "https://h0.bench.test/list?page=7"),
    (
        header::COOKIE,
        "session=0123456789abcdef0123456789abcdef; theme=dark; consent=1",
    ),
    (header::DNT, "1"),
];

impl What {
    pub(crate) fn new(host: usize, port: u16, path: &str, rich: bool) -> Self {
        let authority = format!("{}:{port}", name_of(host));
        let url = format!("https://{authority}{path}");
        let uri: Uri = url.parse().expect("the parts make a URL");
        Self {
            path: uri.path_and_query().cloned().expect("it has a path"),
            host: HeaderValue::from_str(&authority).expect("it is a name and a number"),
            url,
            uri,
            rich,
        }
    }

    /// Adds the fields that the request is to have, other than `host`.
    pub fn fill(&self, headers: &mut HeaderMap) {
        if self.rich {
            for (name, value) in RICH {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
    }
}

/// Reads a body to its end and returns its length.
///
/// # Errors
///
/// Those of the body.
pub async fn drain<B: Body>(body: B) -> Result<usize, B::Error>
where
    B::Data: bytes::Buf,
{
    let mut body = pin!(body);
    let mut length = 0;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Some(data) = frame?.data_ref() {
            length += bytes::Buf::remaining(data);
        }
    }
    Ok(length)
}
