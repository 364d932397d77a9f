//! How an origin behaves: read afresh for every connection and every request.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::HeaderMap;

/// How one origin behaves, changed while it runs by [`Origin::script`](super::Origin::script).
///
/// The default accepts, answers 200 with a small JSON object at once, and never closes a connection by itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Script {
    /// No listener: connecting is refused. Connections that are open go on.
    ///
    /// Done when [`Origin::script`](super::Origin::script) returns.
    pub refuse: bool,
    /// Accepts TCP connections and then does nothing with them, for as long as they live. New connections only.
    pub stall_accept: bool,
    /// The status of every answer.
    pub status: u16,
    /// Added to every answer, besides the defaults.
    pub headers: HeaderMap,
    /// How long the head of an answer waits after the whole request was read, besides the fleet's round trip.
    pub response_delay: Duration,
    /// What an answer carries. A request for `/echo` is echoed whatever this says.
    pub body: Body,
    /// Sends no `content-length`: chunked on HTTP/1.1.
    pub chunked: bool,
    /// Sent after the body; empty for none. Implies `chunked`. On HTTP/1.1 they are sent only if the request
    /// says `te: trailers` and the answer's `headers` name them in `trailer`.
    pub trailers: HeaderMap,
    /// `SETTINGS_MAX_CONCURRENT_STREAMS` of new HTTP/2 connections; `None` sends the fleet's
    /// [`max_streams`](super::FleetBuilder::max_streams). An open connection keeps what it was told.
    pub max_streams: Option<u32>,
    /// How many requests a connection serves; then `on_limit` happens. `None` for no limit, zero counts as one.
    pub max_requests_per_connection: Option<u64>,
    /// What happens at `max_requests_per_connection`.
    pub on_limit: OnLimit,
    /// Closes a connection that carried no request for so long. HTTP/2 says GOAWAY first, as servers do.
    pub idle_close: Option<Duration>,
    /// Reads the whole request, answers nothing and ends the connection this way.
    pub close_before_response: Option<Close>,
    /// Resets every stream with this reason after reading the request. HTTP/1.1 resets the connection instead.
    pub reset_stream: Option<Reason>,
    /// After so many requests on a connection nothing on it is read or answered any more, not even an HTTP/2 PING,
    /// while the socket stays open. Zero: from the end of the handshake on.
    pub silent_after: Option<u64>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            refuse: false,
            stall_accept: false,
            status: 200,
            headers: HeaderMap::new(),
            response_delay: Duration::ZERO,
            body: Body::Json,
            chunked: false,
            trailers: HeaderMap::new(),
            max_streams: None,
            max_requests_per_connection: None,
            on_limit: OnLimit::Goaway,
            idle_close: None,
            close_before_response: None,
            reset_stream: None,
            silent_after: None,
        }
    }
}

/// The body of an answer.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Body {
    /// A small JSON object: which origin, which connection, which peer.
    #[default]
    Json,
    /// What the request carried.
    Echo,
    /// Exactly this.
    Exactly(Bytes),
    /// So many bytes, made as they are sent: no size is too large.
    Bytes(u64),
    /// So many bytes, one at a time with a pause before each.
    Drip {
        /// How many bytes.
        bytes: u64,
        /// The pause before each.
        every: Duration,
    },
    /// Announces `declared` bytes, sends `sent` and breaks off: HTTP/1.1 closes the connection, HTTP/2 resets the
    /// stream with `INTERNAL_ERROR`.
    Cut {
        /// The `content-length`.
        declared: u64,
        /// What is sent, fewer than `declared`.
        sent: u64,
    },
}

/// What an origin does with a connection that has served its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLimit {
    /// Says so: GOAWAY before the last answer, `connection: close` in it. The connection then ends cleanly.
    Goaway,
    /// Closes without a word once the last answer was written, so far as the socket's buffers took it.
    Close,
}

/// How a connection ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// A TCP FIN, and nothing at the levels above: no close_notify, no GOAWAY. Systems send RST instead if the client
    /// sent more than was read.
    Fin,
    /// A TCP RST.
    Reset,
    /// An HTTP/2 GOAWAY that names the streams seen so far and this reason, then FIN. HTTP/1.1: FIN.
    Goaway(Reason),
}
