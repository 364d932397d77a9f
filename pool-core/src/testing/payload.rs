//! The body of an answer, made as it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::conn::Exchange;

/// A body of known length, trailers after it, and the [`Exchange`] that ends with it.
#[derive(Debug)]
pub(super) struct Payload {
    source: Source,
    trailers: HeaderMap,
    chunked: bool,
    // Whether it breaks off instead of ending.
    broken: bool,
    every: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Source {
    Whole(Bytes),
    Filler { left: u64, at_once: usize },
}

impl Payload {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::of(Source::Whole(bytes))
    }

    pub(super) fn filler(bytes: u64) -> Self {
        Self::of(Source::Filler {
            left: bytes,
            at_once: FILLER.len(),
        })
    }

    pub(super) fn drip(bytes: u64, every: Duration) -> Self {
        Self {
            every,
            ..Self::of(Source::Filler {
                left: bytes,
                at_once: 1,
            })
        }
    }

    /// Ends in an error after `bytes`.
    pub(super) fn broken(bytes: u64) -> Self {
        Self {
            broken: true,
            ..Self::filler(bytes)
        }
    }

    /// Hides its length, and ends with `trailers` unless they are empty.
    pub(super) fn chunked(self, trailers: HeaderMap) -> Self {
        Self {
            trailers,
            chunked: true,
            ..self
        }
    }

    /// Ends `exchange` with this body.
    pub(super) fn ending(self, exchange: Exchange) -> Self {
        Self {
            exchange: Some(exchange),
            ..self
        }
    }

    /// Ends the exchange before the body, if `now`.
    pub(super) fn end_exchange_if(&mut self, now: bool) {
        if now {
            self.exchange = None;
        }
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            trailers: HeaderMap::new(),
            chunked: false,
            broken: false,
            every: Duration::ZERO,
            pause: None,
            exchange: None,
        }
    }

    /// Bytes still to come.
    pub(super) fn len(&self) -> u64 {
        match &self.source {
            Source::Whole(bytes) => bytes.len() as u64,
            Source::Filler { left, .. } => *left,
        }
    }

    fn next_chunk(&mut self) -> Bytes {
        match &mut self.source {
            Source::Whole(bytes) => std::mem::take(bytes),
            Source::Filler { left, at_once } => {
                let len = usize::try_from(*left).map_or(*at_once, |left| left.min(*at_once));
                *left -= len as u64;
                Bytes::from_static(&FILLER[..len])
            }
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.len() > 0 {
            if !self.every.is_zero() {
                let every = self.every;
                let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(every)));
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(self.next_chunk()))));
        }
        if std::mem::take(&mut self.broken) {
            return Poll::Ready(Some(Err(io::Error::other("the script breaks off here"))));
        }
        if !self.trailers.is_empty() {
            let trailers = std::mem::take(&mut self.trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0 && self.trailers.is_empty() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked || self.broken {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.len())
    }
}

static FILLER: [u8; 16 * 1024] = [b'x'; 16 * 1024];
