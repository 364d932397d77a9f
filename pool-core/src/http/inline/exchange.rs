//! One exchange on a connection.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::chunked::Chunks;
use super::claim::Claim;
use super::encode::{self, Said};
use super::framing::{self, Framing, Message};
use super::head::{self, HeadEnd, Malformed};
use super::receiving::{Receiving, Rest};
use super::tunnel::Tunnel;
use super::upload::{Stopped, Upload};
use super::wire::{Wire, why};
use super::{Shared, Side, buffers};
use crate::error::{BoxError, Error, ErrorKind, Phase};
use crate::http::body::{PoolBody, Source};
use crate::http::conn::HttpConn;
use crate::http::deadline::{Deadline, now};
use crate::http::head::MOST_INFORMATIONAL;
use crate::http::request_body::Body;
use crate::http::retry::Evidence;
use crate::http::{ExchangeError, ExchangeTerms, answered, put_back};
use crate::info::ConnInfo;
use crate::manager::{CloseReason, Lease};

/// Sends one request and waits for the head of its response.
pub(in crate::http) async fn exchange(
    shared: Arc<Shared>,
    lease: Lease<HttpConn>,
    request: &mut Request<Body>,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Result<Response<PoolBody>, ExchangeError> {
    let mut unsent = buffers::take();
    let said = Said::by(request.headers());
    let sending = match encode::head(request, &said, &mut unsent) {
        Ok(sending) => sending,
        Err(error) => return Err(ExchangeError::new(Evidence::RequestFailed, true, error)),
    };
    let (expects_continue, closes) = (said.expects_continue, said.closes);
    let upgrade = said.upgrade().cloned();
    let mut claim = Claim::new(shared.clone(), lease);
    if !shared.begin(terms.looked_at) {
        claim.broken(CloseReason::PeerClosed);
        let error = shared.control.error();
        return Err(ExchangeError::new(Evidence::NotSent, true, error));
    }
    let body = std::mem::take(request.body_mut());
    let mut spare = body.try_clone();
    let method = request.method().clone();
    let started = now();
    let mut upload = Upload::new(unsent, body, sending, started);
    if expects_continue {
        upload.hold_back(&shared.runtime);
    }
    let before = (shared.meter.read(), shared.meter.written());
    let mut awaited = Awaited {
        shared: &shared,
        method: &method,
        upgrade: upgrade.as_ref(),
        spare: request.headers_mut(),
        end: HeadEnd::default(),
        informational: 0,
    };
    let timer = pin!(None);
    let mut deadline = Deadline::at(timer, terms.response_head, shared.runtime.clone());
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = awaited.poll(cx, &mut upload) {
            return Poll::Ready(answer);
        }
        deadline
            .poll(cx, upload.quiet_since())
            .map(|()| Err(Failed::Late))
    })
    .await;

    let failure = match answer {
        Ok((head, mut message)) => {
            if closes {
                message.keeps_alive = false;
            }
            let response = receive(head, message, upload, claim, terms, info);
            return answered(response, || put_back(request, spare));
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
            // Its fields may have made room already.
            spare = None;
            let error = Error::new(ErrorKind::Protocol).with_detail(detail);
            (Evidence::ReplyStarted, error)
        }
        Failed::Unasked => {
            claim.broken(CloseReason::Unsolicited);
            let error =
                Error::new(ErrorKind::Protocol).with_detail("a response before the request");
            (Evidence::NotSent, error)
        }
        Failed::Connection(error) => {
            claim.broken(error.as_ref().map_or(CloseReason::PeerClosed, why));
            let evidence = if shared.meter.written() == before.1 {
                Evidence::NotSent
            } else if heard {
                Evidence::ReplyStarted
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
    let resendable = put_back(request, spare.or_else(|| upload.unread()));
    Err(ExchangeError::new(evidence, resendable, error))
}

/// Why there is no response.
enum Failed {
    Late,
    Caller(BoxError),
    Malformed(Malformed),
    /// The peer has answered before it was asked.
    Unasked,
    /// `None`: the peer closed, or this side did.
    Connection(Option<std::io::Error>),
}

/// The head of the response, while it is waited for.
struct Awaited<'a> {
    shared: &'a Shared,
    method: &'a Method,
    /// The protocols asked for.
    upgrade: Option<&'a HeaderValue>,
    /// What the request has no more use for once it has its answer.
    spare: &'a mut HeaderMap,
    end: HeadEnd,
    informational: usize,
}

type Answer = Result<(Response<()>, Message), Failed>;

impl Awaited<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Answer> {
        let Some(mut loan) = ready!(self.shared.lend(cx.waker(), Side::Reading)) else {
            return Poll::Ready(Err(Failed::Connection(None)));
        };
        let wire = loan.wire();
        loop {
            let unsent = match upload.poll(cx, wire) {
                Poll::Ready(Err(Stopped::Caller(error))) => {
                    return Poll::Ready(Err(Failed::Caller(error)));
                }
                // The peer may have answered before it stopped reading.
                Poll::Ready(Err(Stopped::Connection(error))) => Some(error),
                Poll::Ready(Ok(())) | Poll::Pending => None,
            };
            // The socket takes nothing yet, and what has come meanwhile answers something else.
            if !upload.has_begun() && unsent.is_none() {
                match ready!(wire.poll_fill(cx, 0)) {
                    Ok(0) => return Poll::Ready(Err(Failed::Connection(None))),
                    Ok(_) => return Poll::Ready(Err(Failed::Unasked)),
                    Err(error) => return Poll::Ready(Err(Failed::Connection(Some(error)))),
                }
            }
            let head = match self.poll_head(cx, wire) {
                Poll::Ready(Ok(head)) => head,
                Poll::Ready(Err(Failed::Connection(None))) => {
                    return Poll::Ready(Err(Failed::Connection(unsent)));
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
                StatusCode::SWITCHING_PROTOCOLS if upload.has_ended() => {
                    let message = framing::switch(self.upgrade, &head);
                    let message = message.map_err(Failed::Malformed)?;
                    return Poll::Ready(Ok((head, message)));
                }
                StatusCode::SWITCHING_PROTOCOLS => return refuse("101 before the whole request"),
                _ if self.informational > MOST_INFORMATIONAL => {
                    return refuse("too many informational responses");
                }
                StatusCode::CONTINUE => upload.go_on(),
                _ => {}
            }
        }
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
    ) -> Poll<Result<Response<()>, Failed>> {
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
            match ready!(wire.poll_fill(cx, 0)) {
                Ok(0) => return Poll::Ready(Err(Failed::Connection(None))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Failed::Connection(Some(error)))),
            }
        };
        self.end = HeadEnd::default();
        let head = head::parse(head, self.shared.fields, self.spare);
        Poll::Ready(head.map_err(Failed::Malformed))
    }
}

const TOO_LONG: Malformed = Malformed("the head of the response is longer than http1.buffer");

fn receive(
    head: Response<()>,
    message: Message,
    upload: Upload,
    claim: Claim,
    terms: &ExchangeTerms,
    info: ConnInfo,
) -> Response<PoolBody> {
    let runtime = claim.shared.runtime.clone();
    let (parts, ()) = head.into_parts();
    let rest = match message.framing {
        Framing::Switched => {
            let source = Source::Upgraded(Box::new(Tunnel::new(claim)));
            let body = PoolBody::new(source, info, None, runtime);
            return Response::from_parts(parts, body);
        }
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
    let body = PoolBody::new(source, info, terms.body_idle, runtime);
    Response::from_parts(parts, body)
}
