//! What an origin answers to a request, whatever the protocol.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use tokio::time::sleep;

use super::conn::Exchange;
use super::payload::Payload;
use super::script::{Body, Close};

/// What happens to a request that was read.
#[derive(Debug)]
pub(super) enum Reply {
    Answer(Box<Response<Payload>>),
    /// The connection ends; the exchange is over when its driver is.
    End(Close, Exchange),
    /// The stream ends.
    Reset(Reason),
}

impl Exchange {
    /// Waits as long as the script says, and decides.
    ///
    /// `/echo` echoes the request's body, `/slow?ms=N` waits N milliseconds more, `/bytes?n=N` answers N bytes; any
    /// other path gets what the script says.
    pub(super) async fn reply(self, head: Parts, body: Bytes) -> Reply {
        let script = &self.script;
        let path = head.uri.path();
        let slow = if path == "/slow" {
            number(&head, "ms")
        } else {
            None
        };
        let extra = Duration::from_millis(slow.unwrap_or(0));
        sleep(self.conn.core.timing.rtt + script.response_delay + extra).await;

        if let Some(how) = script.close_before_response {
            return Reply::End(how, self);
        }
        if let Some(reason) = script.reset_stream {
            return Reply::Reset(reason);
        }
        let fnv = body_fnv(&body);
        let mut length = None;
        let mut kind = None;
        let payload = match (path, &script.body) {
            ("/echo", _) | (_, Body::Echo) => {
                kind = head.headers.get(header::CONTENT_TYPE).cloned();
                Payload::whole(body)
            }
            ("/bytes", _) => Payload::filler(number(&head, "n").unwrap_or(0)),
            (_, Body::Json) => {
                kind = Some(HeaderValue::from_static("application/json"));
                Payload::whole(self.facts().into())
            }
            (_, Body::Exactly(bytes)) => Payload::whole(bytes.clone()),
            (_, Body::Bytes(bytes)) => Payload::filler(*bytes),
            (_, Body::Drip { bytes, every }) => Payload::drip(*bytes, *every),
            (_, Body::Cut { declared, sent }) => {
                length = Some(*declared);
                Payload::broken(*sent)
            }
        };
        // A status nobody can send shows as the server's fault.
        let status =
            StatusCode::from_u16(script.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let length = length.unwrap_or(payload.len());
        let has_body = head.method != Method::HEAD
            && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            && !status.is_informational();
        let chunked = has_body && (script.chunked || !script.trailers.is_empty());
        let payload = match (has_body, chunked) {
            (false, _) => Payload::whole(Bytes::new()),
            (true, false) => payload,
            (true, true) => payload.chunked(script.trailers.clone()),
        };

        self.answered(status.as_u16());
        let mut response = Response::new(payload);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        *headers = script.headers.clone();
        if !chunked && status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        if let Some(kind) = kind {
            headers.entry(header::CONTENT_TYPE).or_insert(kind);
        }
        if let Some(id) = head.headers.get(&X_REQUEST_ID) {
            headers.insert(X_REQUEST_ID, id.clone());
        }
        headers.insert(X_BODY_FNV, ascii(&fnv));
        headers.insert(X_ORIGIN_ADDR, ascii(&self.conn.core.addr().to_string()));
        headers.insert(X_PEER_ADDR, ascii(&self.conn.peer.to_string()));
        headers.insert(X_CONN, self.conn.id.into());
        Reply::Answer(Box::new(response.map(|payload| payload.ending(self))))
    }

    fn facts(&self) -> String {
        format!(
            "{{\"origin\":\"{}\",\"conn\":{},\"peer\":\"{}\"}}\n",
            self.conn.core.addr(),
            self.conn.id,
            self.conn.peer
        )
    }
}

/// The `x-body-fnv` of a body: its FNV-1a hash of 64 bits in 16 lower-case hexadecimal digits.
///
/// It tells one body from another; it protects from nobody.
pub fn body_fnv(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The number that the query gives for `name`.
fn number(head: &Parts, name: &str) -> Option<u64> {
    let mut pairs = head
        .uri
        .query()?
        .split('&')
        .filter_map(|p| p.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    value.parse().ok()
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("addresses and digits are visible ASCII")
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_BODY_FNV: HeaderName = HeaderName::from_static("x-body-fnv");
const X_ORIGIN_ADDR: HeaderName = HeaderName::from_static("x-origin-addr");
const X_PEER_ADDR: HeaderName = HeaderName::from_static("x-peer-addr");
const X_CONN: HeaderName = HeaderName::from_static("x-conn");
