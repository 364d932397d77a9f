//! One HTTP exchange on one negotiated connection.
//!
//! This is the only module that knows which library speaks HTTP/1.1 and HTTP/2. The pool opens a connection with
//! [`HttpConn::handshake`], registers it, spawns its [`Driver`], and then calls [`exchange`] once per lease. The lease
//! rides in the response body and goes back when both bodies have ended.

mod body;
mod conn;
mod control;
mod deadline;
mod default_headers;
#[cfg(any(test, pool_fuzzing))]
#[cfg(not(pool_loom))]
pub mod fuzzing;
mod h1;
mod h2;
mod head;
mod inline;
mod metered;
mod ping;
mod request_body;
mod retry;
mod spelling;
mod upgraded;
mod upload;

#[cfg(test)]
#[cfg(not(pool_loom))]
mod tests;

use std::time::Duration;

use ::http::{Request, Response, StatusCode};

pub use self::body::PoolBody;
pub(crate) use self::conn::{ConnEvents, Driver, HttpConn, HttpSettings, Running};
pub(crate) use self::default_headers::DefaultHeaders;
pub(crate) use self::h2::Dress;
pub use self::request_body::Body;
pub(crate) use self::retry::{Evidence, RetryBudget, RetryLimits, RetryVerdict, retry_verdict};
pub use self::spelling::HeaderSpelling;
pub use self::upgraded::Upgraded;
use crate::error::{Error, ErrorKind};
use crate::info::ConnInfo;
use crate::manager::Lease;

/// Sends `request` on the leased connection and waits for the head of the response.
///
/// The body of the response carries `info` and the lease. `request` needs an absolute URI, or on
/// HTTP/1.1 a `host` header; it is brought into the form of the protocol here, and gets the connection's default headers. The body is uploaded meanwhile; where
/// the head comes first, reading the response body drives the rest of an HTTP/2 upload.
///
/// # Errors
///
/// [`ExchangeError`], with what is known about the peer's part. Where it says that the request is resendable, `request` is as
/// the caller gave it; else what is left there means nothing, as after a response.
///
/// # Cancel safety
///
/// Dropping the future resets the stream (HTTP/2) or closes the connection (HTTP/1.1) and gives the lease back.
pub(crate) async fn exchange(
    lease: Lease<HttpConn>,
    request: &mut Request<Body>,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Result<Response<PoolBody>, ExchangeError> {
    let target = info.facts.target;
    let source = info.facts.leased;
    let on_error = info.clone();
    let refuse = |error| Err(ExchangeError::new(Evidence::RequestFailed, true, error));
    if let Some(defaults) = lease.conn().default_headers() {
        defaults.complete(request.headers_mut());
    }
    let result = match lease.conn().kind() {
        conn::Kind::Inline(shared) => {
            let shared = shared.clone();
            inline::exchange(shared, lease, request, terms, info).await
        }
        conn::Kind::H1(shared) => {
            let shared = shared.clone();
            match head::check(request) {
                // Boxed, because hyper's part of it is large.
                Ok(()) => Box::pin(h1::exchange(shared, lease, request, terms, info)).await,
                Err(error) => refuse(error),
            }
        }
        conn::Kind::H2(shared) => {
            let shared = shared.clone();
            match head::check(request) {
                Ok(()) => h2::exchange(shared, lease, request, terms, info).await,
                Err(error) => refuse(error),
            }
        }
    };
    result.map_err(|mut failed| {
        let error = failed.error.with_target(target).with_conn(on_error);
        failed.error = match source {
            Some(source) => error.with_local(source),
            None => error,
        };
        failed
    })
}

/// What one exchange is held to. A deadline of `None` waits for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExchangeTerms {
    /// From the last progress of the upload to the response's head. Waiting for the caller's own stream does not count.
    pub(crate) response_head: Option<Duration>,
    /// Between two pieces of the response's body, while the caller wants one.
    pub(crate) body_idle: Option<Duration>,
    /// Whether an HTTP/1.1 connection was found idle and open a moment ago, with nobody else's turn in between.
    pub(crate) looked_at: bool,
}

/// A try that brought no response.
#[derive(Debug)]
pub(crate) struct ExchangeError {
    /// What is known about the peer's part.
    pub(crate) evidence: Evidence,
    /// Whether the request is as the caller gave it, and can be sent again: nothing was sent, or its body is replayable.
    pub(crate) resendable: bool,
    /// What went wrong.
    pub(crate) error: Error,
    /// The response, where there is one that may be better than another try: for the caller if there is none.
    pub(crate) answer: Option<Box<Response<PoolBody>>>,
}

impl ExchangeError {
    fn new(evidence: Evidence, resendable: bool, error: Error) -> Self {
        Self {
            evidence,
            resendable,
            error,
            answer: None,
        }
    }
}

/// The response of a try, unless the peer says with it that the request came to the wrong place and it can be sent again:
/// `put_back` does what is left to do for that, and says whether it can.
fn answered(
    response: Response<PoolBody>,
    put_back: impl FnOnce() -> bool,
) -> Result<Response<PoolBody>, ExchangeError> {
    if response.status() != StatusCode::MISDIRECTED_REQUEST || !put_back() {
        return Ok(response);
    }
    let error =
        Error::new(ErrorKind::Protocol).with_detail("the peer says 421, misdirected request");
    Err(ExchangeError {
        answer: Some(Box::new(response)),
        ..ExchangeError::new(MISDIRECTED, true, error)
    })
}

const MISDIRECTED: Evidence = Evidence::Misdirected { again: false };

/// Puts a body, if there is one, where it was. Returns whether there is.
fn put_back(request: &mut Request<Body>, body: Option<Body>) -> bool {
    let is_whole = body.is_some();
    if let Some(body) = body {
        *request.body_mut() = body;
    }
    is_whole
}

/// A copy of a request's head; extensions included.
fn copy_head<B>(request: &Request<B>) -> Request<()> {
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}
