//! The one error of this crate: what failed, in which phase, between which addresses.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::info::ConnInfo;

/// A boxed error of a plugin or a library below.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong with a request or a connection.
///
/// Branch on [`kind`](Self::kind), read [`source`](StdError::source). `Display` says only this level; the source chain
/// says the rest. Cloning is cheap: waiters that share one failed dial share its error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    detail: Option<Arc<str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    host: Option<Arc<str>>,
    target: Option<SocketAddr>,
    local: Option<IpAddr>,
    conn: Option<ConnInfo>,
    attempts: u32,
}

/// The kinds of failure, to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request or its URL cannot be sent; nothing was tried.
    Request,
    /// A deadline passed; the phase says which.
    Timeout(Phase),
    /// The host name has no address.
    Resolve,
    /// An access list denies the address, or every address of the host; `source()` is its [`Denied`](pool_health::Denied).
    /// Nothing was dialled.
    Denied,
    /// The peer refused the TCP connection.
    Refused,
    /// The TCP connection failed otherwise.
    Connect,
    /// The TLS handshake failed; `source()` says why.
    Tls,
    /// No local address was free or it could not be bound; nothing was sent from another one.
    LocalAddr,
    /// A waiting queue is full.
    Saturated,
    /// Every address of the host is out of rotation.
    Unavailable,
    /// The request may have been processed; resending it is the caller's decision.
    MaybeProcessed,
    /// The peer broke the HTTP protocol, or ended a connection or stream.
    Protocol,
    /// The peer sent so many frames that carry nothing that its connection was given up; the message names them.
    Flooded,
    /// The peer does not take this request over HTTP/2 (HTTP_1_1_REQUIRED), and it allows nothing else or was tried often
    /// enough.
    Http1Required,
    /// Reading or writing a body failed.
    Body,
    /// The one connection that was asked for is gone or on its way out.
    ConnGone,
    /// The pool was closed.
    Closed,
    /// The runtime that owned the connection or the dial is gone.
    RuntimeGone,
}

/// The part of an exchange a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a connection.
    Acquire,
    /// Looking up the host name.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// The TLS or HTTP/2 handshake.
    Handshake,
    /// From the request's last byte to the response's head.
    ResponseHead,
    /// Between two pieces of the response's body.
    BodyIdle,
}

impl ErrorKind {
    /// A stable word in snake case, for logs and records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Timeout(Phase::Acquire) => "acquire_timeout",
            Self::Timeout(Phase::Resolve) => "resolve_timeout",
            Self::Timeout(Phase::Connect) => "connect_timeout",
            Self::Timeout(Phase::Handshake) => "handshake_timeout",
            Self::Timeout(Phase::ResponseHead) => "response_head_timeout",
            Self::Timeout(Phase::BodyIdle) => "body_idle_timeout",
            Self::Resolve => "resolve",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::LocalAddr => "local_addr",
            Self::Saturated => "saturated",
            Self::Unavailable => "unavailable",
            Self::MaybeProcessed => "maybe_processed",
            Self::Protocol => "protocol",
            Self::Flooded => "flooded",
            Self::Http1Required => "http1_required",
            Self::Body => "body",
            Self::ConnGone => "conn_gone",
            Self::Closed => "closed",
            Self::RuntimeGone => "runtime_gone",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Request => "the request cannot be sent",
            Self::Timeout(Phase::Acquire) => "no connection became free in time",
            Self::Timeout(Phase::Resolve) => "name lookup timed out",
            Self::Timeout(Phase::Connect) => "connecting timed out",
            Self::Timeout(Phase::Handshake) => "the handshake timed out",
            Self::Timeout(Phase::ResponseHead) => "no response head came in time",
            Self::Timeout(Phase::BodyIdle) => "the response body stalled",
            Self::Resolve => "name lookup failed",
            Self::Denied => "an access list denies the address",
            Self::Refused => "connection refused",
            Self::Connect => "connecting failed",
            Self::Tls => "the TLS handshake failed",
            Self::LocalAddr => "no local address could be used",
            Self::Saturated => "the waiting queue is full",
            Self::Unavailable => "every address of the host is out of rotation",
            Self::MaybeProcessed => "the connection broke; the request may have been processed",
            Self::Protocol => "the HTTP exchange failed",
            Self::Flooded => "the peer flooded the connection",
            Self::Http1Required => "the origin requires HTTP/1.1",
            Self::Body => "the body failed",
            Self::ConnGone => "the connection is gone",
            Self::Closed => "the pool is closed",
            Self::RuntimeGone => "the runtime of the connection is gone",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner {
            kind,
            detail: None,
            source: None,
            host: None,
            target: None,
            local: None,
            conn: None,
            attempts: 0,
        }))
    }

    /// The same failure under another kind: what it was is in the source chain.
    pub(crate) fn into_kind(self, kind: ErrorKind) -> Self {
        let mut outer = self.clone();
        outer.inner().kind = kind;
        outer.with_source(self)
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner().source = Some(Arc::from(source.into()));
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<Arc<str>>) -> Self {
        self.inner().detail = Some(detail.into());
        self
    }

    pub(crate) fn with_host(mut self, host: impl Into<Arc<str>>) -> Self {
        self.inner().host = Some(host.into());
        self
    }

    pub(crate) fn with_target(mut self, target: SocketAddr) -> Self {
        self.inner().target = Some(target);
        self
    }

    pub(crate) fn with_local(mut self, local: IpAddr) -> Self {
        self.inner().local = Some(local);
        self
    }

    pub(crate) fn with_conn(mut self, conn: ConnInfo) -> Self {
        self.inner().conn = Some(conn);
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.inner().attempts = attempts;
        self
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// What failed, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The remote address, where the failure belongs to one.
    pub fn target(&self) -> Option<SocketAddr> {
        self.0.target
    }

    /// The local address, where one had been chosen.
    pub fn local(&self) -> Option<IpAddr> {
        self.0.local
    }

    /// The connection that carried the request, if one did.
    pub fn conn_info(&self) -> Option<&ConnInfo> {
        self.0.conn.as_ref()
    }

    /// How many times the request was tried on the wire; 0 if it never got a connection.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            detail,
            host,
            target,
            local,
            ..
        } = &*self.0;
        f.write_str(kind.sentence())?;
        if let Some(detail) = detail {
            write!(f, " ({detail})")?;
        }
        match (host, target) {
            (Some(host), Some(target)) => write!(f, ": {host} at {target}")?,
            (Some(host), None) => write!(f, ": {host}")?,
            (None, Some(target)) => write!(f, ": {target}")?,
            (None, None) => {}
        }
        if let Some(local) = local {
            write!(f, " from {local}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("Error");
        s.field("kind", &self.0.kind)
            .field("message", &self.to_string());
        if let Some(source) = &self.0.source {
            s.field("source", source);
        }
        s.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}
