//! The upload of an HTTP/2 request body, pumped by whoever waits for the response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::time::Instant;

use super::deadline::now;
use super::request_body::Body;
use crate::error::BoxError;

/// Moves one body into one stream, as fast as the peer's windows allow. Dropped unfinished, it cancels the stream.
pub(super) struct Pump {
    body: Body,
    stream: SendStream<Bytes>,
    /// Taken from the body, not yet by the stream.
    chunk: Bytes,
    moved_at: Instant,
    waiting_for_caller: bool,
}

/// How an upload ended.
pub(super) enum Pumped {
    /// Everything was handed to the stream.
    Done,
    /// The stream takes no more: it was reset or its connection ended. The receiving side says which.
    Stopped,
    /// The caller's body failed; the stream has been reset.
    Failed(BoxError),
}

impl Pump {
    pub(super) fn new(body: Body, stream: SendStream<Bytes>) -> Self {
        Self {
            body,
            stream,
            chunk: Bytes::new(),
            moved_at: now(),
            waiting_for_caller: false,
        }
    }

    /// Moves what can be moved. Not to be polled again once ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Pumped> {
        loop {
            if !self.chunk.is_empty() {
                if ready!(self.poll_chunk(cx)).is_none() {
                    return Poll::Ready(Pumped::Stopped);
                }
                if self.chunk.is_empty() && self.body.is_end_stream() {
                    return Poll::Ready(Pumped::Done);
                }
                continue;
            }
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            self.waiting_for_caller = polled.is_pending();
            let sent = match ready!(polled) {
                None => self.stream.send_data(Bytes::new(), true),
                Some(Err(error)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Pumped::Failed(error));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if chunk.is_empty() && self.body.is_end_stream() => {
                        self.stream.send_data(chunk, true)
                    }
                    Ok(chunk) => {
                        self.chunk = chunk;
                        continue;
                    }
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => self.stream.send_trailers(trailers),
                        Err(_) => continue,
                    },
                },
            };
            return Poll::Ready(match sent {
                Ok(()) => Pumped::Done,
                Err(_) => Pumped::Stopped,
            });
        }
    }

    /// Moves one piece of the chunk; `None` says that the stream takes no more.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.stream.reserve_capacity(self.chunk.len());
        while self.stream.capacity() == 0 {
            let Some(Ok(_)) = ready!(self.stream.poll_capacity(cx)) else {
                return Poll::Ready(None);
            };
        }
        let piece = self
            .chunk
            .split_to(self.stream.capacity().min(self.chunk.len()));
        let last = self.chunk.is_empty() && self.body.is_end_stream();
        self.moved_at = now();
        Poll::Ready(self.stream.send_data(piece, last).ok())
    }

    /// Since when the peer has been the one to move: the present while the caller's stream is.
    pub(super) fn quiet_since(&self) -> Instant {
        if self.waiting_for_caller {
            return now();
        }
        self.moved_at
    }

    /// Stops an upload that the peer has answered already.
    pub(super) fn cancel(mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }
}
