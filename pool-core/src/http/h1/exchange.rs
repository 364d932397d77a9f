//! One exchange on an HTTP/1.1 connection.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Shared, is_unexpected_message, unasked};
use crate::error::{Error, ErrorKind, Phase};
use crate::http::body::{PoolBody, Source};
use crate::http::conn::HttpConn;
use crate::http::deadline::{Deadline, now};
use crate::http::request_body::{Body, Progress, Upload};
use crate::http::retry::Evidence;
use crate::http::{ExchangeError, ExchangeTerms, answered, copy_head, head};
use crate::info::ConnInfo;
use crate::manager::CloseReason;
use crate::manager::Lease;

/// Sends one request and waits for the head of its response.
pub(in crate::http) async fn exchange(
    shared: Arc<Shared>,
    lease: Lease<HttpConn>,
    given: &mut Request<Body>,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Result<Response<PoolBody>, ExchangeError> {
    let mut request = std::mem::take(given);
    let spare = request
        .body()
        .try_clone()
        .map(|body| copy_head(&request).map(|()| body));
    let mut failed = |evidence, request: Option<Request<Body>>, error| {
        let resendable = request.is_some();
        *given = request.unwrap_or_default();
        ExchangeError::new(evidence, resendable, error)
    };
    let uri = request.uri().clone();
    let host_added = match head::prepare_h1(&mut request) {
        Ok(added) => added,
        Err(error) => return Err(failed(Evidence::RequestFailed, spare, error)),
    };
    let mut progress = None;
    let request = request.map(|body| {
        let (upload, watched) = Upload::watch(body);
        progress = watched;
        upload
    });

    let mut claim = Claim {
        shared: shared.clone(),
        lease: Some(lease),
        progress,
    };
    let heard = shared.meter.read();
    let started = now();
    let sent = match shared.send(request) {
        Ok(sent) => sent,
        Err(request) => {
            claim.broken();
            let request = restore(*request, uri, host_added);
            return Err(failed(
                Evidence::NotSent,
                Some(request),
                shared.control.error(),
            ));
        }
    };
    let mut sent = pin!(sent);
    let mut deadline = Deadline::new(terms.response_head, shared.runtime.clone());
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = sent.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let quiet_since = claim
            .progress
            .as_ref()
            .map_or(started, |progress| progress.quiet_since().max(started));
        deadline.poll(cx, quiet_since).map(|()| None)
    })
    .await;

    match answer {
        Some(Ok(response)) => match refuse(&response) {
            None => answered(receive(response, claim, terms, info), || {
                let resendable = spare.is_some();
                *given = spare.unwrap_or_default();
                resendable
            }),
            Some(detail) => {
                claim.give_up(CloseReason::Error);
                let error = Error::new(ErrorKind::Protocol).with_detail(detail);
                Err(failed(Evidence::ReplyStarted, spare, error))
            }
        },
        Some(Err(mut unsent)) => {
            let caller_failed = claim
                .progress
                .as_ref()
                .is_some_and(|progress| progress.failed());
            match is_unasked(unsent.error()) {
                true => claim.discard_as(unasked(&shared.meter)),
                false => claim.broken(),
            }
            if let Some(request) = unsent.take_message() {
                let request = restore(request, uri, host_added);
                let error = shared.control.error().with_source(unsent.into_error());
                return Err(failed(Evidence::NotSent, Some(request), error));
            }
            let (evidence, error) = if caller_failed {
                (Evidence::RequestFailed, Error::new(ErrorKind::Body))
            } else if shared.meter.read() == heard {
                (Evidence::SentNoReply, shared.control.error())
            } else {
                (Evidence::ReplyStarted, shared.control.error())
            };
            Err(failed(
                evidence,
                spare,
                error.with_source(unsent.into_error()),
            ))
        }
        None => {
            claim.give_up(CloseReason::Unfinished);
            let error = Error::new(ErrorKind::Timeout(Phase::ResponseHead));
            Err(failed(Evidence::Deadline, spare, error))
        }
    }
}

/// Whether hyper found bytes that nobody had asked for when it was about to send the request. It tells the request alone:
/// the connection ends without a word.
fn is_unasked(error: &hyper::Error) -> bool {
    let cause = StdError::source(error).and_then(|cause| cause.downcast_ref());
    error.is_canceled() && cause.is_some_and(is_unexpected_message)
}

/// Undoes what [`head::prepare_h1`] did to a request that comes back untouched.
fn restore(request: Request<Upload>, uri: Uri, host_added: bool) -> Request<Body> {
    let mut request = request.map(Upload::into_body);
    *request.uri_mut() = uri;
    if host_added {
        request.headers_mut().remove(HOST);
    }
    request
}

/// Says what is wrong with a head that hyper lets through.
fn refuse(response: &Response<Incoming>) -> Option<&'static str> {
    let headers = response.headers();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some("101 was not asked for");
    }
    // Two framings of one message are how responses are smuggled (RFC 9112 §6.3).
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        return Some("both content-length and transfer-encoding");
    }
    None
}

fn receive(
    response: Response<Incoming>,
    mut claim: Claim,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Response<PoolBody> {
    let runtime = claim.shared.runtime.clone();
    let (parts, incoming) = response.into_parts();
    let source = if incoming.is_end_stream() {
        claim.finish();
        Source::Ended
    } else {
        Source::H1(Box::new(Receiving { incoming, claim }))
    };
    let body = PoolBody::new(source, info, terms.body_idle, runtime);
    Response::from_parts(parts, body)
}

/// A response body that is still on its way.
pub(in crate::http) struct Receiving {
    incoming: Incoming,
    claim: Claim,
}

impl Receiving {
    pub(in crate::http) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.claim.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.claim.broken();
                let kind = match self.claim.shared.control.error_kind() {
                    ErrorKind::RuntimeGone => ErrorKind::RuntimeGone,
                    _ => ErrorKind::Body,
                };
                Poll::Ready(Some(Err(Error::new(kind).with_source(error))))
            }
            None => {
                self.claim.finish();
                Poll::Ready(None)
            }
        }
    }

    pub(in crate::http) fn is_ended(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(in crate::http) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.claim.lease.is_none() {
            return;
        }
        // What has arrived already may be all there is: then the connection is clean. hyper buffers a piece or two.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..8 {
            let more = matches!(self.poll_frame(&mut cx), Poll::Ready(Some(Ok(_))));
            if !more || self.claim.lease.is_none() {
                break;
            }
        }
    }
}

/// The right to the connection for one exchange. Dropped unfinished, it closes the connection.
struct Claim {
    shared: Arc<Shared>,
    lease: Option<Lease<HttpConn>>,
    progress: Option<Arc<Progress>>,
}

impl Claim {
    /// The response has been read to its end.
    fn finish(&mut self) {
        // A response that ends before the upload leaves the rest of it unwanted, and no way to say so but to close.
        if self
            .progress
            .as_ref()
            .is_some_and(|progress| !progress.ended())
        {
            self.give_up(CloseReason::Unfinished);
            return;
        }
        if let Some(lease) = self.lease.take() {
            self.shared.post(lease);
        }
    }

    /// The exchange stops half-way by a decision of this side.
    fn give_up(&mut self, reason: CloseReason) {
        if self.lease.is_some() {
            self.shared.control.abort(reason);
            self.discard(reason);
        }
    }

    /// The connection failed under the exchange; hyper closes it.
    fn broken(&mut self) {
        self.discard(CloseReason::Error);
    }

    fn discard(&mut self, reason: CloseReason) {
        self.discard_as(self.shared.control.ended().unwrap_or(reason));
    }

    /// For this reason, whatever is known otherwise.
    fn discard_as(&mut self, reason: CloseReason) {
        if let Some(mut lease) = self.lease.take() {
            self.shared.close_sender();
            lease.discard(reason);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up(CloseReason::Unfinished);
    }
}
