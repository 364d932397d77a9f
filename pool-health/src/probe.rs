//! The way from a health check to a connection, without sockets or HTTP types.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;

use crate::BoxError;

/// One connection, reserved for a health check.
///
/// The pool implements this, and so do tests. While a probe exists nobody is handed the connection; what the check does with it is
/// over when the probe goes.
///
/// # Cancel safety
///
/// Dropping a future of [`ping`](Probe::ping) or [`request`](Probe::request) is allowed. An answer may then still be under way, so the
/// pool does not use an HTTP/1.1 connection again after that.
#[async_trait]
pub trait Probe: Send {
    /// What is known about the connection.
    fn facts(&self) -> &ProbeFacts;

    /// Whether the connection is open as far as one look can tell, without writing: nothing to read, no end of stream.
    fn is_open(&self) -> bool;

    /// Sends an HTTP/2 PING and returns the round trip.
    ///
    /// # Errors
    ///
    /// [`ProbeErrorKind::Unsupported`] unless the connection is HTTP/2; otherwise why no answer came.
    async fn ping(&mut self) -> Result<Duration, ProbeError>;

    /// Sends a request and reads its response, the body up to [`ProbeRequest::max_body`].
    ///
    /// Any status is `Ok`: what it means is for the check to say.
    ///
    /// # Errors
    ///
    /// Why no response came, or why its body ended early.
    async fn request(&mut self, request: &ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError>;
}

/// What a health check may know about the connection before it asks anything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeFacts {
    /// The host name of the connection's origin, without port.
    pub host: String,
    /// The remote address, if there is one.
    pub target: Option<SocketAddr>,
    /// The local address, if it is known.
    pub source: Option<IpAddr>,
    /// Whether the connection is HTTP/2.
    pub multiplexed: bool,
    /// How long it has existed.
    pub age: Duration,
    /// How long nobody had held it when the check began.
    pub idle: Duration,
    /// How long ago the pool last let its checks have a look at it, whichever of them applied then; `None` if it never did.
    pub checked: Option<Duration>,
    /// How long the server's certificate is still valid, zero if it has expired; `None` if that is not known.
    pub certificate_left: Option<Duration>,
}

impl ProbeFacts {
    /// A fresh HTTP/1.1 connection to `host`, between addresses that are not known.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            target: None,
            source: None,
            multiplexed: false,
            age: Duration::ZERO,
            idle: Duration::ZERO,
            checked: None,
            certificate_left: None,
        }
    }
}

/// A request that a health check sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeRequest<'a> {
    /// The method: `GET`.
    pub method: &'a str,
    /// The path, with query if any, beginning with `/`.
    pub path: &'a str,
    /// Names and values of headers, besides the host, which the probe adds.
    pub headers: &'a [(&'a str, &'a str)],
    /// Bytes of the body that the check wants to see. The probe reads no further: it resets an HTTP/2 stream, and an HTTP/1.1 connection
    /// with more to come is not used again.
    pub max_body: usize,
}

impl<'a> ProbeRequest<'a> {
    /// A request without headers of its own, and without interest in the body beyond 64 KiB.
    pub const fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            headers: &[],
            max_body: 64 * 1024,
        }
    }

    /// Sets the headers.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets how many bytes of the body are of interest.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
}

/// The response to a [`ProbeRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeResponse {
    /// The final status: informational responses are passed over.
    pub status: u16,
    /// Names, in lower case, and values of the headers, in the order they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, or its beginning, at most as long as was asked for.
    pub body: Vec<u8>,
    /// Whether there was more of it.
    pub cut: bool,
}

impl ProbeResponse {
    /// A response without headers and body.
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: false,
        }
    }
}

/// Why a probe got no answer.
#[derive(Debug)]
pub struct ProbeError {
    kind: ProbeErrorKind,
    source: Option<BoxError>,
}

/// What kept the answer away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeErrorKind {
    /// The connection's protocol has no such thing.
    Unsupported,
    /// No answer within the time that the pool allows.
    Timeout,
    /// The connection is closed, or was closed before the answer.
    Closed,
    /// Anything else; [`source`](Error::source) says what.
    Failed,
}

impl ProbeError {
    /// The connection's protocol has no such thing.
    pub const fn unsupported() -> Self {
        Self::of(ProbeErrorKind::Unsupported)
    }

    /// No answer in time.
    pub const fn timeout() -> Self {
        Self::of(ProbeErrorKind::Timeout)
    }

    /// The connection is closed.
    pub const fn closed() -> Self {
        Self::of(ProbeErrorKind::Closed)
    }

    /// Failed because of `source`.
    pub fn failed(source: impl Into<BoxError>) -> Self {
        Self::of(ProbeErrorKind::Failed).with_source(source)
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kept the answer away.
    pub const fn kind(&self) -> ProbeErrorKind {
        self.kind
    }

    const fn of(kind: ProbeErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ProbeErrorKind::Unsupported => "the connection's protocol does not support this probe",
            ProbeErrorKind::Timeout => "no answer in time",
            ProbeErrorKind::Closed => "the connection is closed",
            ProbeErrorKind::Failed => "the probe failed",
        })
    }
}

impl Error for ProbeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

fn _assert_dyn_compatible(_: &dyn Probe) {}
