//! One exchange on a connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, EXPECT};
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};

use super::chunked::{self, Chunks, Piece};
use super::framing::{self, Framing, Message};
use super::head::{self, HeadEnd, Malformed};
use super::upload::{Stopped, Upload};
use super::{Shared, encode, why};
use crate::error::{BoxError, Error, ErrorKind, Phase};
use crate::http::body::{PoolBody, Source};
use crate::http::conn::HttpConn;
use crate::http::deadline::{Deadline, now};
use crate::http::request_body::Body;
use crate::http::retry::Evidence;
use crate::http::{ExchangeError, ExchangeTimeouts, answered};
use crate::info::ConnInfo;
use crate::manager::{CloseReason, Lease};

/// Heads before the final one that a peer may send. RFC 9110 section 15.2 sets no limit, and a peer that sends them without
/// end would keep a request for ever.
const MOST_INFORMATIONAL: usize = 100;

/// Sends one request and waits for the head of its response.
pub(in crate::http) async fn exchange(
    shared: Arc<Shared>,
    lease: Lease<HttpConn>,
    request: Request<Body>,
    timeouts: &ExchangeTimeouts,
    info: ConnInfo,
) -> Result<Response<PoolBody>, ExchangeError> {
    let (parts, body) = request.into_parts();
    let mut unsent = BytesMut::new();
    let sending = match encode::head(&parts, &body, &mut unsent) {
        Ok(sending) => sending,
        Err(error) => {
            let request = Some(Request::from_parts(parts, body));
            return Err(failed(Evidence::RequestFailed, request, error));
        }
    };
    if !shared.begin() {
        let mut claim = Claim::new(shared.clone(), lease);
        claim.broken(CloseReason::PeerClosed);
        let request = Some(Request::from_parts(parts, body));
        return Err(failed(Evidence::NotSent, request, shared.control.error()));
    }
    let mut claim = Claim::new(shared.clone(), lease);
    let spare = body.try_clone();
    let mut upload = Upload::new(unsent, body, sending);
    if framing::has_token(&parts.headers, &EXPECT, "100-continue") {
        upload.hold_back(&shared.runtime);
    }
    let before = (shared.meter.read(), shared.meter.written());
    let mut awaited = Awaited {
        shared: &shared,
        method: &parts.method,
        end: HeadEnd::default(),
        informational: 0,
    };
    let mut deadline = Deadline::new(timeouts.response_head, shared.runtime.clone());
    let started = now();
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = awaited.poll(cx, &mut upload) {
            return Poll::Ready(answer);
        }
        let quiet_since = upload.quiet_since().max(started);
        deadline.poll(cx, quiet_since).map(|()| Err(Failed::Late))
    })
    .await;

    let failure = match answer {
        Ok((head, mut message)) => {
            if framing::has_token(&parts.headers, &CONNECTION, "close") {
                message.keeps_alive = false;
            }
            let response = receive(head, message, upload, claim, timeouts, info);
            return answered(response, || {
                spare.map(|body| Request::from_parts(parts, body))
            });
        }
        Err(failure) => failure,
    };
    let heard = shared.meter.read() != before.0;
    let (evidence, error) = match failure {
        Failed::Late => {
            claim.give_up(CloseReason::Unfinished);
            let error = Error::new(ErrorKind::Timeout(Phase::ResponseHead));
            (Evidence::Deadline, error)
        }
        Failed::Caller(error) => {
            claim.give_up(CloseReason::Unfinished);
            (
                Evidence::RequestFailed,
                Error::new(ErrorKind::Body).with_source(error),
            )
        }
        Failed::Malformed(Malformed(detail)) => {
            claim.broken(CloseReason::Error);
            let error = Error::new(ErrorKind::Protocol).with_detail(detail);
            (Evidence::ReplyStarted, error)
        }
        Failed::Connection(error) => {
            claim.broken(error.as_ref().map_or(CloseReason::PeerClosed, why));
            let evidence = if heard {
                Evidence::ReplyStarted
            } else if shared.meter.written() == before.1 {
                Evidence::NotSent
            } else {
                Evidence::SentNoReply
            };
            let known = shared.control.error();
            let error = match error {
                Some(error) => known.with_source(error),
                None => known,
            };
            (evidence, error)
        }
    };
    let request = spare.map(|body| Request::from_parts(parts, body));
    Err(failed(evidence, request, error))
}

fn failed(evidence: Evidence, request: Option<Request<Body>>, error: Error) -> ExchangeError {
    ExchangeError::new(evidence, request, error)
}

/// Why there is no response.
enum Failed {
    Late,
    Caller(BoxError),
    Malformed(Malformed),
    /// `None`: the peer closed, or this side did.
    Connection(Option<std::io::Error>),
}

/// The head of the response, while it is waited for.
struct Awaited<'a> {
    shared: &'a Shared,
    method: &'a Method,
    end: HeadEnd,
    informational: usize,
}

type Answer = Result<(Response<()>, Message), Failed>;

impl Awaited<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Answer> {
        loop {
            let unsent = match upload.poll(cx, self.shared) {
                Poll::Ready(Err(Stopped::Caller(error))) => {
                    return Poll::Ready(Err(Failed::Caller(error)));
                }
                // The peer may have answered before it stopped reading.
                Poll::Ready(Err(Stopped::Connection(error))) => Some(error),
                Poll::Ready(Ok(())) | Poll::Pending => None,
            };
            let head = match self.poll_head(cx) {
                Poll::Ready(Ok(head)) => head,
                Poll::Ready(Err(Failed::Connection(None))) => {
                    return Poll::Ready(Err(Failed::Connection(unsent.flatten())));
                }
                Poll::Ready(Err(failed)) => return Poll::Ready(Err(failed)),
                Poll::Pending => return Poll::Pending,
            };
            if !head.status().is_informational() {
                let message = framing::message(self.method, &head);
                let message = message.map_err(Failed::Malformed)?;
                return Poll::Ready(Ok((head, message)));
            }
            let refuse = |what| Poll::Ready(Err(Failed::Malformed(Malformed(what))));
            self.informational += 1;
            match head.status() {
                StatusCode::SWITCHING_PROTOCOLS => return refuse("101 was not asked for"),
                _ if self.informational > MOST_INFORMATIONAL => {
                    return refuse("too many informational responses");
                }
                StatusCode::CONTINUE => upload.go_on(),
                _ => {}
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Failed>> {
        // Dropped after the lock: the last waker of a task may drop the task.
        let _known;
        let mut state = self.shared.lock();
        _known = state.remember(cx.waker());
        let Some(wire) = &mut state.wire else {
            return Poll::Ready(Err(Failed::Connection(None)));
        };
        let head = loop {
            if let Some(end) = self.end.find(&wire.read).map_err(Failed::Malformed)? {
                if end > self.shared.head {
                    return Poll::Ready(Err(Failed::Malformed(TOO_LONG)));
                }
                break wire.read.split_to(end).freeze();
            }
            if wire.read.len() >= self.shared.head {
                return Poll::Ready(Err(Failed::Malformed(TOO_LONG)));
            }
            match ready!(wire.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(Failed::Connection(None))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Failed::Connection(Some(error)))),
            }
        };
        self.end = HeadEnd::default();
        let head = head::parse(head, self.shared.fields);
        Poll::Ready(head.map_err(Failed::Malformed))
    }
}

const TOO_LONG: Malformed = Malformed("the head of the response is longer than http1.buffer");

fn receive(
    head: Response<()>,
    message: Message,
    upload: Upload,
    claim: Claim,
    timeouts: &ExchangeTimeouts,
    info: ConnInfo,
) -> Response<PoolBody> {
    let runtime = claim.shared.runtime.clone();
    let (mut parts, ()) = head.into_parts();
    let rest = match message.framing {
        Framing::None => Rest::Length(0),
        Framing::Length(left) => Rest::Length(left),
        Framing::Chunked => Rest::Chunked(Chunks::new(claim.shared.fields)),
        Framing::UntilClose => Rest::UntilClose,
    };
    let mut receiving = Receiving {
        claim,
        upload,
        keeps_alive: message.keeps_alive,
        rest,
    };
    let source = if receiving.rest.has_ended() {
        receiving.finish();
        Source::Ended
    } else {
        Source::Inline(Box::new(receiving))
    };
    parts.extensions.insert(info.clone());
    let body = PoolBody::new(source, info, timeouts.body_idle, runtime);
    Response::from_parts(parts, body)
}

/// A response body that is still on its way.
pub(in crate::http) struct Receiving {
    claim: Claim,
    upload: Upload,
    keeps_alive: bool,
    rest: Rest,
}

/// What is still to come of a body.
enum Rest {
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Rest {
    fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Piece>, Malformed> {
        match self {
            Self::Length(0) => Ok(Some(Piece::End)),
            Self::Chunked(chunks) => chunks.next(buffer),
            Self::Length(_) | Self::UntilClose if buffer.is_empty() => Ok(None),
            Self::Length(left) => Ok(Some(Piece::Data(chunked::take(left, buffer)))),
            Self::UntilClose => Ok(Some(Piece::Data(buffer.split().freeze()))),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.has_ended(),
            Self::UntilClose => false,
        }
    }
}

/// Why a body is cut short.
enum Cut {
    Malformed(Malformed),
    Connection(Option<std::io::Error>),
}

impl Receiving {
    pub(in crate::http) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.is_ended() {
            return Poll::Ready(None);
        }
        let shared = self.claim.shared.clone();
        if let Poll::Ready(Err(Stopped::Caller(error))) = self.upload.poll(cx, &shared) {
            self.claim.give_up(CloseReason::Unfinished);
            let error = Error::new(ErrorKind::Body).with_source(error);
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match ready!(self.poll_piece(cx)) {
            Ok(Piece::Data(data)) => Frame::data(data),
            Ok(Piece::Trailers(trailers)) => Frame::trailers(trailers),
            Ok(Piece::End) => {
                self.finish();
                return Poll::Ready(None);
            }
            Err(cut) => return Poll::Ready(Some(Err(self.fail(cut)))),
        };
        if self.rest.has_ended() {
            self.finish();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Cut>> {
        // As above.
        let _known;
        let mut state = self.claim.shared.lock();
        _known = state.remember(cx.waker());
        let Some(wire) = &mut state.wire else {
            return Poll::Ready(Err(Cut::Connection(None)));
        };
        loop {
            if let Some(piece) = self.rest.next(&mut wire.read).map_err(Cut::Malformed)? {
                return Poll::Ready(Ok(piece));
            }
            match ready!(wire.poll_fill(cx)) {
                Ok(0) if matches!(self.rest, Rest::UntilClose) => {
                    return Poll::Ready(Ok(Piece::End));
                }
                Ok(0) => return Poll::Ready(Err(Cut::Connection(None))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Cut::Connection(Some(error)))),
            }
        }
    }

    fn fail(&mut self, cut: Cut) -> Error {
        let kind = match self.claim.shared.control.error_kind() {
            ErrorKind::RuntimeGone => ErrorKind::RuntimeGone,
            _ => ErrorKind::Body,
        };
        let error = Error::new(kind);
        match cut {
            Cut::Malformed(Malformed(detail)) => {
                self.claim.broken(CloseReason::Error);
                error.with_detail(detail)
            }
            Cut::Connection(None) => {
                self.claim.broken(CloseReason::PeerClosed);
                error.with_detail("the response was cut short")
            }
            Cut::Connection(Some(source)) => {
                self.claim.broken(why(&source));
                error.with_source(source)
            }
        }
    }

    /// The response has been read to its end.
    fn finish(&mut self) {
        if !self.upload.has_ended() {
            // What is left of the request is unwanted, and there is no way to say so but to close.
            self.claim.give_up(CloseReason::Unfinished);
            return;
        }
        self.claim.finish(self.keeps_alive);
    }

    pub(in crate::http) fn is_ended(&self) -> bool {
        self.claim.lease.is_none()
    }

    pub(in crate::http) fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Length(left) => SizeHint::with_exact(left),
            Rest::Chunked(_) | Rest::UntilClose => SizeHint::default(),
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.upload.has_ended() {
            // Moving it would call the caller's code from a drop, and the connection is lost anyway.
            return;
        }
        // What has arrived already may be all there is: then the connection is clean.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..8 {
            let more = matches!(self.poll_frame(&mut cx), Poll::Ready(Some(Ok(_))));
            if !more {
                break;
            }
        }
    }
}

/// The right to the connection for one exchange. Dropped unfinished, it closes the connection.
struct Claim {
    shared: Arc<Shared>,
    lease: Option<Lease<HttpConn>>,
}

impl Claim {
    fn new(shared: Arc<Shared>, lease: Lease<HttpConn>) -> Self {
        Self {
            shared,
            lease: Some(lease),
        }
    }

    /// The exchange has ended in order.
    fn finish(&mut self, keeps_alive: bool) {
        if let Some(mut lease) = self.lease.take() {
            if let Some(reason) = self.shared.check_in(keeps_alive) {
                lease.discard(reason);
            }
            drop(lease);
        }
    }

    /// The exchange stops half-way by a decision of this side.
    fn give_up(&mut self, reason: CloseReason) {
        if let Some(mut lease) = self.lease.take() {
            self.shared.cut();
            self.shared.control.abort(reason);
            lease.discard(self.shared.control.ended().unwrap_or(reason));
        }
    }

    /// The connection failed under the exchange.
    fn broken(&mut self, reason: CloseReason) {
        if let Some(mut lease) = self.lease.take() {
            self.shared.cut();
            lease.discard(self.shared.over(reason));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up(CloseReason::Unfinished);
    }
}
