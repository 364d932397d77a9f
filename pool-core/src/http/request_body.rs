//! The body of a request: nothing, bytes, or a stream.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::Instant;

use super::deadline::now;
use crate::error::BoxError;

/// The body of a request.
///
/// Bytes can be sent a second time, so a request that carries them may be retried where that is safe; a stream is
/// read once. Made from strings and bytes by `From`, and from any [`http_body::Body`] by [`wrap`](Self::wrap).
///
/// ```
/// use pool_core::Body;
///
/// assert!(Body::from("hello").is_replayable());
/// assert!(Body::from(()).try_clone().is_some());
/// ```
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Bytes),
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Wraps any body.
    ///
    /// One that has already ended becomes empty, and `Full<Bytes>`, `Empty<Bytes>` and `Body` itself are recognised:
    /// they stay replayable. Everything else is streamed once, with its trailers.
    pub fn wrap<B>(body: B) -> Self
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        let any: &mut dyn Any = &mut body;
        if let Some(own) = any.downcast_mut::<Option<Self>>() {
            return own.take().expect("the body was just put there");
        }
        if let Some(full) = any.downcast_mut::<Option<Full<Bytes>>>() {
            let full = full.take().expect("the body was just put there");
            return bytes_of(full).into();
        }
        if any.is::<Option<Empty<Bytes>>>() {
            return Self::empty();
        }
        let body = body.expect("the body was just put there");
        if body.is_end_stream() {
            return Self::empty();
        }
        let stream = body
            .map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            .map_err(Into::into);
        Self(Kind::Stream(stream.boxed_unsync()))
    }

    /// Whether the body can be sent a second time.
    pub fn is_replayable(&self) -> bool {
        !matches!(self.0, Kind::Stream(_))
    }

    /// A second copy of what has not been read yet; `None` for a stream. Bytes are shared, not copied.
    pub fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Kind::Empty => Some(Self::empty()),
            Kind::Full(bytes) => Some(Self(Kind::Full(bytes.clone()))),
            Kind::Stream(_) => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self::empty();
        }
        Self(Kind::Full(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

/// A `Full` is ready at once and has one piece at most.
fn bytes_of(mut full: Full<Bytes>) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    match http_body::Body::poll_frame(Pin::new(&mut full), &mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// A request body on its way through a codec that polls it elsewhere, watched from the exchange.
pub(super) struct Upload {
    body: Body,
    progress: Option<Arc<Progress>>,
}

impl Upload {
    /// Wraps `body`; `None` if there is nothing to watch, because it is empty.
    pub(super) fn watch(body: Body) -> (Self, Option<Arc<Progress>>) {
        let ended = http_body::Body::is_end_stream(&body);
        let progress = (!ended).then(Arc::<Progress>::default);
        let upload = Self {
            body,
            progress: progress.clone(),
        };
        (upload, progress)
    }

    /// Takes the body back out of an upload that was never polled.
    pub(super) fn into_body(mut self) -> Body {
        std::mem::take(&mut self.body)
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Some(progress) = &self.progress else {
            return polled;
        };
        // Asked before the lock: the body is the caller's code, and may panic.
        let at_end = matches!(polled, Poll::Ready(Some(Ok(_)))) && self.body.is_end_stream();
        let mut step = progress.lock();
        step.since = now();
        step.waiting_for_caller = polled.is_pending();
        let item = ready!(polled);
        match &item {
            None => step.ended = true,
            Some(Ok(_)) => step.ended = at_end,
            Some(Err(_)) => step.failed = true,
        }
        drop(step);
        Poll::Ready(item)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A codec that has written as much as was announced drops the body without asking for its end.
        if let Some(progress) = &self.progress {
            progress.lock().ended = true;
        }
    }
}

/// How far an upload has come.
#[derive(Default)]
pub(super) struct Progress(Mutex<Step>);

struct Step {
    since: Instant,
    waiting_for_caller: bool,
    ended: bool,
    failed: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            since: now(),
            waiting_for_caller: false,
            ended: false,
            failed: false,
        }
    }
}

impl Progress {
    /// Since when the peer has been the one to move: the present while the caller's stream is.
    pub(super) fn quiet_since(&self) -> Instant {
        let step = self.lock();
        if step.waiting_for_caller && !step.ended {
            return now();
        }
        step.since
    }

    /// Whether the codec needs nothing more from the body.
    pub(super) fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the caller's stream gave an error.
    pub(super) fn failed(&self) -> bool {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, Step> {
        self.0.lock().expect("nothing panics under this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_made_of_bytes_can_be_sent_twice() {
        let full = Body::wrap(Full::new(Bytes::from_static(b"abc")));
        let again = full.try_clone().unwrap();
        assert_eq!(http_body::Body::size_hint(&again).exact(), Some(3));
        for body in [
            Body::wrap(Empty::<Bytes>::new()),
            Body::wrap(Body::from("")),
            Body::from(()),
        ] {
            assert!(http_body::Body::is_end_stream(&body.try_clone().unwrap()));
        }
    }

    #[test]
    fn a_stream_can_be_sent_once() {
        let stream = Body::wrap(Full::new(Bytes::from_static(b"abc")).map_err(BoxError::from));
        assert!(!stream.is_replayable());
        assert!(stream.try_clone().is_none());
    }

    #[test]
    fn a_body_says_its_size_and_not_its_content() {
        assert_eq!(format!("{:?}", Body::from("secret")), "Body(6 bytes)");
    }

    /// Panics when it is asked for its end after the first piece.
    struct Panics(bool);

    impl http_body::Body for Panics {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0 = true;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"abc")))))
        }

        fn is_end_stream(&self) -> bool {
            assert!(!self.0, "expected by this test");
            false
        }
    }

    #[tokio::test]
    async fn a_body_that_panics_leaves_its_progress_readable() {
        let (mut upload, progress) = Upload::watch(Body::wrap(Panics(false)));
        let mut cx = Context::from_waker(Waker::noop());
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            http_body::Body::poll_frame(Pin::new(&mut upload), &mut cx).is_ready()
        }));
        assert!(polled.is_err());
        // A driver that unwinds drops it so: a second panic would end the process.
        drop(upload);
        assert!(progress.unwrap().ended());
    }
}
