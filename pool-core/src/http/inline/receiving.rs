//! The body of a response on its way to the caller.

use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use super::Side;
use super::chunked::{self, Chunks, Piece};
use super::claim::Claim;
use super::head::Malformed;
use super::upload::{Stopped, Upload};
use super::wire::why;
use crate::error::{BoxError, Error, ErrorKind};
use crate::manager::CloseReason;

/// A response body that is still on its way.
pub(in crate::http) struct Receiving {
    pub(super) claim: Claim,
    pub(super) upload: Upload,
    pub(super) keeps_alive: bool,
    pub(super) rest: Rest,
}

/// What is still to come of a body.
pub(super) enum Rest {
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

    /// The bytes that are known to come.
    fn known(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(_) | Self::UntilClose => 0,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.has_ended(),
            Self::UntilClose => false,
        }
    }
}

/// Why a body is cut short.
enum Cut {
    Caller(BoxError),
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
        let Some(mut loan) = ready!(self.claim.shared.lend(cx.waker(), Side::Reading)) else {
            return Poll::Ready(Err(Cut::Connection(None)));
        };
        let wire = loan.wire();
        if let Poll::Ready(Err(Stopped::Caller(error))) = self.upload.poll(cx, wire) {
            return Poll::Ready(Err(Cut::Caller(error)));
        }
        loop {
            if let Some(piece) = self.rest.next(&mut wire.read).map_err(Cut::Malformed)? {
                return Poll::Ready(Ok(piece));
            }
            match ready!(wire.poll_fill(cx, self.rest.known())) {
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
            Cut::Caller(source) => {
                self.claim.give_up(CloseReason::Unfinished);
                Error::new(ErrorKind::Body).with_source(source)
            }
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
    pub(super) fn finish(&mut self) {
        if !self.upload.has_ended() {
            // What is left of the request is unwanted, and there is no way to say so but to close.
            self.claim.give_up(CloseReason::Unfinished);
            return;
        }
        self.claim.finish(self.keeps_alive);
    }

    pub(in crate::http) fn is_ended(&self) -> bool {
        self.claim.has_ended()
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
