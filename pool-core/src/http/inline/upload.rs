//! The request on its way out: head, body, trailers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body::Body as _;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::buffers;
use super::encode::{self, Sending};
use super::wire::Wire;
use crate::error::BoxError;
use crate::http::deadline::{Deadline, now};
use crate::http::request_body::Body;

/// Encoded at a time: as much as one TLS record carries.
const PIECE: usize = 16 * 1024;

/// How long a peer may take to say that it wants the body, before it is sent without (RFC 9110 section 10.1.1 leaves it
/// to the client; curl waits as long).
const CONTINUE: Duration = Duration::from_secs(1);

/// What is still to be sent of a request. Whoever waits for the response moves it.
pub(super) struct Upload {
    /// Encoded, not yet taken by the connection.
    unsent: BytesMut,
    /// Taken from the body, not yet encoded.
    chunk: Bytes,
    body: Body,
    stage: Stage,
    moved_at: Instant,
    waits_for_caller: bool,
    has_begun: bool,
}

enum Stage {
    /// The peer is to say first that it wants the body.
    Asking {
        sending: Sending,
        patience: Deadline,
    },
    Body(Sending),
    /// Everything is encoded.
    Flushing,
    Ended,
}

/// Why a request stops half-way.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The connection takes no more.
    Connection(io::Error),
    /// The caller's body failed, or is not as long as was said.
    Caller(BoxError),
}

impl Upload {
    /// A request whose head has been encoded into `unsent`.
    pub(super) fn new(unsent: BytesMut, body: Body, sending: Sending, started: Instant) -> Self {
        Self {
            unsent,
            chunk: Bytes::new(),
            body,
            stage: match sending {
                Sending::Nothing => Stage::Flushing,
                sending => Stage::Body(sending),
            },
            moved_at: started,
            waits_for_caller: false,
            has_begun: false,
        }
    }

    /// Keeps the body back until [`go_on`](Self::go_on), or until the peer has taken too long to ask for it.
    pub(super) fn hold_back(&mut self, runtime: &Handle) {
        if let Stage::Body(sending) = self.stage {
            self.stage = Stage::Asking {
                sending,
                patience: Deadline::new(Some(CONTINUE), runtime.clone()),
            };
        }
    }

    /// The peer wants the body.
    pub(super) fn go_on(&mut self) {
        if let Stage::Asking { sending, .. } = self.stage {
            self.stage = Stage::Body(sending);
        }
    }

    /// Whether the connection has taken any of it.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The body, if nothing of it was read.
    pub(super) fn unread(self) -> Option<Body> {
        let is_unread = !self.has_begun && !self.body.is_replayable();
        is_unread.then_some(self.body)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Since when the peer has been the one to move: the present while the caller's stream is.
    pub(super) fn quiet_since(&self) -> Instant {
        if self.waits_for_caller {
            return now();
        }
        self.moved_at
    }

    /// Moves what can be moved. Ready when everything has been written.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
    ) -> Poll<Result<(), Stopped>> {
        if self.has_ended() {
            return Poll::Ready(Ok(()));
        }
        loop {
            // A stream is read once: not before the connection has taken something, so that one that turns out dead costs
            // nothing of it.
            let filled = if self.has_begun || self.body.is_replayable() {
                self.fill(cx)?
            } else {
                Poll::Ready(())
            };
            let before = self.unsent.len();
            let written = wire.poll_send(cx, &mut self.unsent);
            if self.unsent.len() < before {
                self.moved_at = now();
                self.has_begun = true;
            }
            ready!(written).map_err(Stopped::Connection)?;
            if matches!(self.stage, Stage::Flushing) {
                self.stage = Stage::Ended;
                buffers::put(std::mem::take(&mut self.unsent));
                return Poll::Ready(Ok(()));
            }
            if filled.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Encodes as much as is worth a write. Pending: the caller's body has nothing now, or the peer is to ask for it.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        while self.unsent.len() < PIECE {
            let left = match &mut self.stage {
                Stage::Flushing | Stage::Ended => return Poll::Ready(Ok(())),
                Stage::Asking { patience, .. } => {
                    ready!(patience.poll(cx, self.moved_at));
                    self.go_on();
                    continue;
                }
                Stage::Body(sending) => sending,
            };
            if !self.chunk.is_empty() {
                let piece = self.chunk.split_to(self.chunk.len().min(PIECE));
                put(left, &piece, &mut self.unsent)?;
                if self.chunk.is_empty() && self.body.is_end_stream() {
                    self.end()?;
                }
                continue;
            }
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            self.waits_for_caller = polled.is_pending();
            match ready!(polled) {
                None => self.end()?,
                Some(Err(error)) => return Poll::Ready(Err(Stopped::Caller(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() && self.body.is_end_stream() => self.end()?,
                    Ok(data) => self.chunk = data,
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        if let Stage::Body(Sending::Chunked) = self.stage {
                            self.unsent.put_slice(b"0\r\n");
                            encode::fields(&trailers, &mut self.unsent);
                            self.unsent.put_slice(b"\r\n");
                            self.stage = Stage::Flushing;
                        }
                        // A body of known length has no place for trailers.
                    }
                },
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The body has ended.
    fn end(&mut self) -> Result<(), Stopped> {
        match self.stage {
            Stage::Body(Sending::Length(left)) if left > 0 => {
                return Err(Stopped::Caller(
                    "the body is shorter than its length".into(),
                ));
            }
            Stage::Body(Sending::Chunked) => self.unsent.put_slice(b"0\r\n\r\n"),
            _ => {}
        }
        self.stage = Stage::Flushing;
        Ok(())
    }
}

/// One piece of the body, as it is delimited.
fn put(left: &mut Sending, piece: &[u8], out: &mut BytesMut) -> Result<(), Stopped> {
    match left {
        Sending::Nothing => {}
        Sending::Length(left) => {
            let after = left.checked_sub(piece.len() as u64);
            *left = after
                .ok_or_else(|| Stopped::Caller("the body is longer than its length".into()))?;
            out.put_slice(piece);
        }
        Sending::Chunked => {
            encode::chunk_line(piece.len(), out);
            out.put_slice(piece);
            out.put_slice(b"\r\n");
        }
    }
    Ok(())
}
