//! One exchange on one HTTP/2 stream.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};

use super::{NotOpened, Shared};
use crate::error::{BoxError, Error, ErrorKind, Phase};
use crate::http::body::{PoolBody, Source};
use crate::http::conn::HttpConn;
use crate::http::control::Wish;
use crate::http::deadline::{Deadline, now};
use crate::http::request_body::Body;
use crate::http::retry::Evidence;
use crate::http::upload::{Pump, Pumped};
use crate::http::{ExchangeError, ExchangeTerms, answered, head, put_back};
use crate::info::ConnInfo;
use crate::manager::{CloseReason, Lease};

/// Opens a stream for one request and waits for the head of its response.
pub(in crate::http) async fn exchange(
    shared: Arc<Shared>,
    lease: Lease<HttpConn>,
    request: &mut Request<Body>,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Result<Response<PoolBody>, ExchangeError> {
    // The caller's own stays as it is, for another try.
    let head = match head::for_h2(request, request.body().size_hint().exact()) {
        Ok(head) => head,
        Err(error) => return Err(ExchangeError::new(Evidence::RequestFailed, true, error)),
    };
    let mut claim = Claim::new(lease, shared.clone());

    // Up to here the request has not been touched.
    let no_body = request.body().is_end_stream();
    let written = shared.meter.written();
    let opened = match shared.open(head, no_body).await {
        Ok(opened) => opened,
        Err(not_opened) => {
            if let NotOpened::Connection(error) = &not_opened {
                claim.broken(error);
            }
            let (evidence, error) = why_not_opened(&shared, not_opened);
            return Err(ExchangeError::new(evidence, true, error));
        }
    };
    let body = std::mem::take(request.body_mut());
    let spare = body.try_clone();
    let (mut response, stream) = opened;
    let mut pump = (!no_body).then(|| Pump::new(body, stream));

    let mut informational = 0;
    let mut moved = now();
    let timer = pin!(None);
    let mut deadline = Deadline::at(timer, terms.response_head, shared.runtime.clone());
    let answer = poll_fn(|cx| {
        if let Some(uploading) = &mut pump
            && let Poll::Ready(pumped) = uploading.poll(cx)
        {
            pump = None;
            moved = now();
            if let Pumped::Failed(error) = pumped {
                return Poll::Ready(Answer::UploadFailed(error));
            }
        }
        // Asked for before the response, which would pass over them uncounted.
        while let Poll::Ready(Some(Ok(_))) = response.poll_informational(cx) {
            informational += 1;
            if informational > head::MOST_INFORMATIONAL {
                return Poll::Ready(Answer::TooManyHeads);
            }
        }
        if let Poll::Ready(answer) = Pin::new(&mut response).poll(cx) {
            return Poll::Ready(match answer {
                Ok(response) => Answer::Head(response),
                Err(error) => Answer::Broken(error),
            });
        }
        let quiet_since = pump.as_ref().map_or(moved, Pump::quiet_since);
        deadline.poll(cx, quiet_since).map(|()| Answer::TooLate)
    })
    .await;

    match answer {
        Answer::Head(response) => answered(receive(response, pump, claim, terms, info), || {
            put_back(request, spare)
        }),
        Answer::Broken(error) => {
            claim.broken(&error);
            let evidence = match shared.flood_in(&error) {
                // It is no silence, and another connection would fare no better.
                Some(_) => Evidence::ReplyStarted,
                None => shared.evidence_of(&error),
            };
            let error = error_of(&shared, error);
            Err(ExchangeError::new(
                evidence,
                put_back(request, spare),
                error,
            ))
        }
        Answer::TooManyHeads => {
            drop((response, pump));
            let error = Error::new(ErrorKind::Protocol);
            let error = error.with_detail("too many informational responses");
            Err(ExchangeError::new(
                Evidence::ReplyStarted,
                put_back(request, spare),
                error,
            ))
        }
        Answer::UploadFailed(error) => {
            let error = Error::new(ErrorKind::Body).with_source(error);
            Err(ExchangeError::new(Evidence::RequestFailed, false, error))
        }
        Answer::TooLate => {
            // The stream's handles go before the claim: the peer learns of the reset before the slot is used again.
            drop((response, pump));
            let mut error = Error::new(ErrorKind::Timeout(Phase::ResponseHead));
            if shared.meter.written() == written {
                // Not even the head has left: whatever else were opened here would only pile up.
                claim.lease.discard(CloseReason::WriteStalled);
                error = error.with_detail("the peer takes no bytes");
            }
            drop(claim);
            Err(ExchangeError::new(
                Evidence::Deadline,
                put_back(request, spare),
                error,
            ))
        }
    }
}

enum Answer {
    Head(Response<RecvStream>),
    Broken(h2::Error),
    TooManyHeads,
    UploadFailed(BoxError),
    TooLate,
}

/// What an error that ended a stream before its response says about the peer's part.
///
/// The h2 crate gives a stream the peer's GOAWAY as its error only if the stream's id is above the last id of that
/// GOAWAY. A stream that the GOAWAY covers goes on, and ends with an I/O error if the connection closes under it.
fn evidence_in(error: &h2::Error) -> Evidence {
    let reason = error.reason().unwrap_or(Reason::NO_ERROR);
    if error.is_go_away() && error.is_remote() {
        return match reason {
            Reason::HTTP_1_1_REQUIRED => Evidence::Http1Required,
            Reason::ENHANCE_YOUR_CALM => Evidence::CalmAsked { unprocessed: true },
            _ => Evidence::GoAwayUnprocessed {
                error: reason != Reason::NO_ERROR,
            },
        };
    }
    if error.is_reset() && error.is_remote() {
        return match reason {
            Reason::REFUSED_STREAM => Evidence::Refused,
            Reason::HTTP_1_1_REQUIRED => Evidence::Http1Required,
            Reason::ENHANCE_YOUR_CALM => Evidence::CalmAsked { unprocessed: false },
            // Any other reset is an answer, if an unkind one: the peer has looked at the request.
            _ => Evidence::ReplyStarted,
        };
    }
    if error.is_reset() {
        return Evidence::ReplyStarted;
    }
    Evidence::SentNoReply
}

impl Shared {
    /// As [`evidence_in`], of a stream that was opened on this connection.
    fn evidence_of(&self, error: &h2::Error) -> Evidence {
        match evidence_in(error) {
            // Node's `session.goaway()` says zero, whatever it has answered, and goes on to answer what it is at.
            Evidence::GoAwayUnprocessed { .. } if self.meter.has_wrong_goaway() => {
                Evidence::SentNoReply
            }
            known => known,
        }
    }
}

fn error_of(shared: &Shared, error: h2::Error) -> Error {
    if let Some(frames) = shared.flood_in(&error) {
        let flooded = Error::new(ErrorKind::Flooded).with_detail(frames);
        return flooded.with_source(error);
    }
    let known = match error.reason() {
        Some(Reason::HTTP_1_1_REQUIRED) if error.is_remote() => {
            Error::new(ErrorKind::Http1Required)
        }
        Some(Reason::ENHANCE_YOUR_CALM) if error.is_remote() => {
            let known = shared.control.error();
            known.with_detail("the peer asks for fewer requests, ENHANCE_YOUR_CALM")
        }
        _ => shared.control.error(),
    };
    known.with_source(error)
}

fn why_not_opened(shared: &Shared, not_opened: NotOpened) -> (Evidence, Error) {
    match not_opened {
        NotOpened::Closing => (Evidence::NotSent, shared.control.error()),
        NotOpened::Connection(error) => {
            let evidence = match evidence_in(&error) {
                away @ (Evidence::GoAwayUnprocessed { .. }
                | Evidence::CalmAsked { .. }
                | Evidence::Http1Required) => away,
                _ => Evidence::NotSent,
            };
            (evidence, error_of(shared, error))
        }
        NotOpened::Request(error) => {
            let error = Error::new(ErrorKind::Request).with_source(error);
            (Evidence::RequestFailed, error)
        }
    }
}

fn receive(
    response: Response<RecvStream>,
    pump: Option<Pump>,
    claim: Claim,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Response<PoolBody> {
    let runtime = claim.shared.runtime.clone();
    let (parts, recv) = response.into_parts();
    let remaining = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let mut receiving = Receiving {
        remaining,
        recv,
        pump,
        trailers: false,
        claim: Some(claim),
    };
    let source = if receiving.recv.is_end_stream() {
        receiving.finish();
        Source::Ended
    } else {
        Source::H2(Box::new(receiving))
    };
    let body = PoolBody::new(source, info, terms.body_idle, runtime);
    Response::from_parts(parts, body)
}

/// A response body that is still on its way, and the rest of the upload.
///
/// Dropped before both have ended it resets the stream, which is what dropping its handles does in the h2 crate. A
/// response that has arrived whole and was not read is no reason for a reset.
pub(in crate::http) struct Receiving {
    remaining: Option<u64>,
    recv: RecvStream,
    pump: Option<Pump>,
    /// Whether the data has ended and trailers are next.
    trailers: bool,
    /// Last, so that a reset is under way before the slot is free.
    claim: Option<Claim>,
}

impl Receiving {
    pub(in crate::http) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.claim.is_none() {
            return Poll::Ready(None);
        }
        if let Some(pump) = &mut self.pump
            && let Poll::Ready(pumped) = pump.poll(cx)
        {
            self.pump = None;
            if let Pumped::Failed(error) = pumped {
                return Poll::Ready(Some(Err(self.fail(error))));
            }
        }
        if !self.trailers {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => return Poll::Ready(Some(self.take(data))),
                Some(Err(error)) => return Poll::Ready(Some(Err(self.broken(error)))),
                None => self.trailers = true,
            }
        }
        let trailers = match ready!(self.recv.poll_trailers(cx)) {
            Ok(trailers) => trailers,
            Err(error) => return Poll::Ready(Some(Err(self.broken(error)))),
        };
        self.finish();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn take(&mut self, data: Bytes) -> Result<Frame<Bytes>, Error> {
        // Only now may the peer send as much again: a caller that does not read holds back its own stream.
        if let Err(error) = self.recv.flow_control().release_capacity(data.len()) {
            return Err(self.fail(error));
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(data.len() as u64);
        }
        if self.recv.is_end_stream() {
            self.finish();
        }
        Ok(Frame::data(data))
    }

    /// The response has ended. What is left of the upload nobody waits for any more.
    fn finish(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.cancel();
        }
        self.claim = None;
    }

    /// The error of a stream, which may be the connection's.
    fn broken(&mut self, error: h2::Error) -> Error {
        let flood = self.claim.as_ref();
        match flood.and_then(|claim| claim.shared.flood_in(&error)) {
            Some(frames) => {
                let flooded = Error::new(ErrorKind::Flooded).with_detail(frames);
                self.fail(flooded.with_source(error))
            }
            None => self.fail(error),
        }
    }

    fn fail(&mut self, error: impl Into<BoxError>) -> Error {
        let kind = match self
            .claim
            .as_ref()
            .map(|claim| claim.shared.control.error_kind())
        {
            Some(ErrorKind::RuntimeGone) => ErrorKind::RuntimeGone,
            _ => ErrorKind::Body,
        };
        Error::new(kind).with_source(error)
    }

    pub(in crate::http) fn is_ended(&self) -> bool {
        self.claim.is_none()
    }

    pub(in crate::http) fn size_hint(&self) -> SizeHint {
        match self.remaining {
            _ if self.claim.is_none() => SizeHint::with_exact(0),
            Some(remaining) => SizeHint::with_exact(remaining),
            None => SizeHint::default(),
        }
    }
}

/// One stream's slot. Dropped, it is free again.
struct Claim {
    shared: Arc<Shared>,
    lease: Lease<HttpConn>,
}

impl Claim {
    fn new(lease: Lease<HttpConn>, shared: Arc<Shared>) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Self { shared, lease }
    }

    /// Takes the connection out of the pool if the error is its own and not the stream's.
    ///
    /// Its streams learn of the end before its driver tells the pool: without this, a second try could be given the
    /// same dead connection, and a third.
    fn broken(&mut self, error: &h2::Error) {
        if !error.is_io() && !error.is_go_away() {
            return;
        }
        let reason = self.shared.why_broken(error);
        self.lease
            .discard(self.shared.control.ended().unwrap_or(reason));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let last = self.shared.streams.fetch_sub(1, Ordering::Relaxed) == 1;
        if last && self.shared.control.wish() != Wish::Stay {
            self.shared.control.wake();
        }
    }
}
