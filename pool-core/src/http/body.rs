//! The body of a response: it carries the lease, and gives it back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::deadline::{Deadline, now};
use super::upgraded::Upgraded;
use super::{h1, h2, inline};
use crate::error::{Error, ErrorKind, Phase};
use crate::info::ConnInfo;

/// The body of a response.
///
/// Bytes are read from the connection as they are asked for here. The connection goes back to the pool when the body
/// and the request's body have ended. A body dropped before its end closes an HTTP/1.1 connection and resets an HTTP/2
/// stream; that may happen on any thread, in or outside a runtime.
pub struct PoolBody {
    source: Source,
    info: ConnInfo,
    idle: Deadline,
    waiting_since: Option<Instant>,
}

/// Where the bytes come from.
pub(super) enum Source {
    Ended,
    H1(Box<h1::Receiving>),
    Inline(Box<inline::Receiving>),
    Upgraded(Box<inline::Tunnel>),
    H2(Box<h2::Receiving>),
}

impl PoolBody {
    pub(super) fn new(
        source: Source,
        info: ConnInfo,
        body_idle: Option<Duration>,
        runtime: Handle,
    ) -> Self {
        Self {
            source,
            info,
            idle: Deadline::new(body_idle, runtime),
            waiting_since: None,
        }
    }

    /// The connection that carries this response.
    pub fn conn_info(&self) -> &ConnInfo {
        &self.info
    }

    /// The connection itself, if the response is the `101 Switching Protocols` that the request asked for; `None` for every
    /// other response.
    ///
    /// A request asks with the fields `connection: upgrade` and `upgrade`, on a connection of the inline HTTP/1.1 engine.
    pub fn into_upgraded(self) -> Option<Upgraded> {
        match self.source {
            Source::Upgraded(tunnel) => Some(Upgraded::new(*tunnel, self.info)),
            _ => None,
        }
    }

    /// Reads the whole body into memory; trailers are dropped. There is no limit but the caller's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Body`] if the response is cut short, [`ErrorKind::Timeout`] with [`Phase::BodyIdle`] if it stalls.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        Ok(self.collect().await?.to_bytes())
    }

    fn fail(&mut self, error: Error) -> Error {
        self.source = Source::Ended;
        let facts = &self.info.facts;
        let error = error.with_target(facts.target);
        let error = match facts.leased {
            Some(leased) => error.with_local(leased),
            None => error,
        };
        error.with_conn(self.info.clone())
    }
}

impl http_body::Body for PoolBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = match &mut this.source {
            Source::Ended | Source::Upgraded(_) => return Poll::Ready(None),
            Source::H1(receiving) => receiving.poll_frame(cx),
            Source::Inline(receiving) => receiving.poll_frame(cx),
            Source::H2(receiving) => receiving.poll_frame(cx),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting_since = None;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.fail(error)))),
            Poll::Ready(None) => {
                this.source = Source::Ended;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let since = *this.waiting_since.get_or_insert_with(now);
                if this.idle.poll(cx, since).is_pending() {
                    return Poll::Pending;
                }
                let error = Error::new(ErrorKind::Timeout(Phase::BodyIdle));
                Poll::Ready(Some(Err(this.fail(error))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Ended | Source::Upgraded(_) => true,
            Source::H1(receiving) => receiving.is_ended(),
            Source::Inline(receiving) => receiving.is_ended(),
            Source::H2(receiving) => receiving.is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Ended | Source::Upgraded(_) => SizeHint::with_exact(0),
            Source::H1(receiving) => receiving.size_hint(),
            Source::Inline(receiving) => receiving.size_hint(),
            Source::H2(receiving) => receiving.size_hint(),
        }
    }
}

impl fmt::Debug for PoolBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBody")
            .field("conn", &self.info.id)
            .field("ended", &matches!(self.source, Source::Ended))
            .finish_non_exhaustive()
    }
}
