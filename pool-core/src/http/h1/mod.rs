//! HTTP/1.1: one exchange at a time on a connection that hyper drives.

mod exchange;

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tokio::time::Sleep;

pub(super) use self::exchange::{Receiving, exchange};
use super::conn::{GOODBYE, HttpConn, HttpSettings, is_peer_gone};
use super::control::{Control, Wish};
use super::metered::{Meter, Metered};
use super::request_body::Upload;
use crate::manager::CloseReason;
use crate::manager::Lease;

pub(super) async fn handshake(
    io: Metered,
    settings: &HttpSettings,
    control: &Arc<Control>,
    meter: &Arc<Meter>,
    runtime: &Handle,
) -> Result<(Arc<Shared>, Machine), hyper::Error> {
    let (sender, conn) = Builder::new()
        .max_buf_size(settings.http1_buffer)
        .max_headers(settings.http1_headers)
        .handshake(TokioIo::new(io))
        .await?;
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            sender: Some(sender),
            returning: None,
            in_flight: false,
            used: false,
        }),
        control: control.clone(),
        meter: meter.clone(),
        runtime: runtime.clone(),
    });
    let machine = Machine {
        conn,
        shared: shared.clone(),
        goodbye: None,
    };
    Ok((shared, machine))
}

/// What exchanges and the driver of one connection share.
pub(super) struct Shared {
    state: Mutex<State>,
    control: Arc<Control>,
    meter: Arc<Meter>,
    runtime: Handle,
}

struct State {
    /// `None` once no further exchange may begin; dropping it is what makes hyper close.
    sender: Option<SendRequest<Upload>>,
    /// The lease of an exchange whose response has been read, until hyper agrees that the connection is idle.
    returning: Option<Lease<HttpConn>>,
    in_flight: bool,
    used: bool,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Exchanging,
    /// The response has been read; hyper has yet to agree that the connection is idle.
    Returning,
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Upload>>>;

impl Shared {
    /// Hands the request to hyper, or back.
    fn send(
        &self,
        request: Request<Upload>,
    ) -> Result<impl Future<Output = Sent> + use<>, Box<Request<Upload>>> {
        let mut state = self.lock();
        match &mut state.sender {
            Some(sender) if !sender.is_closed() => {
                let sent = sender.try_send_request(request);
                state.in_flight = true;
                state.used = true;
                Ok(sent)
            }
            _ => Err(Box::new(request)),
        }
    }

    /// Parks the lease of a finished exchange until hyper has seen the end of it as well.
    ///
    /// hyper is ready for another request once this one was written, its response read, and both sides agreed to keep
    /// the connection. It becomes so during a poll by the driver, which looks here after each: whoever of the two looks
    /// second sees both.
    fn post(&self, lease: Lease<HttpConn>) {
        if !self.is_settled() {
            // Before the caller learns that the response has ended: its next request must not dial meanwhile.
            lease.expect_back();
        }
        self.lock().returning = Some(lease);
        self.settle();
        if self.stage() == Stage::Returning {
            // hyper may be stuck with unsent bytes, so the driver sets itself a deadline.
            self.control.wake();
        }
    }

    /// Whether hyper has made up its mind about the connection.
    fn is_settled(&self) -> bool {
        let state = self.lock();
        let sender = state.sender.as_ref();
        sender.is_none_or(|sender| sender.is_closed() || sender.is_ready())
    }

    /// Gives a parked lease back if it is clear how.
    fn settle(&self) {
        let mut state = self.lock();
        if state.returning.is_none() {
            return;
        }
        let ended = match &state.sender {
            Some(sender) if sender.is_closed() => true,
            Some(sender) if sender.is_ready() => false,
            Some(_) => return,
            None => true,
        };
        let lease = state.returning.take();
        state.in_flight = false;
        let wish = self.control.wish().reason();
        let sender = if ended || wish.is_some() {
            state.sender.take()
        } else {
            None
        };
        drop(state);
        // Dropped outside the lock: a lease calls into the manager, a sender wakes the driver.
        drop(sender);
        if let Some(mut lease) = lease {
            if ended || wish.is_some() {
                let reason = self.control.ended().or(wish);
                lease.discard(reason.unwrap_or(CloseReason::PeerClosed));
            }
            drop(lease);
        }
    }

    /// No further exchange; hyper closes when the present one has ended.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if !state.in_flight {
            let sender = state.sender.take();
            drop(state);
            drop(sender);
        }
    }

    fn close_sender(&self) {
        let mut state = self.lock();
        state.in_flight = false;
        let sender = state.sender.take();
        drop(state);
        drop(sender);
    }

    pub(super) fn is_open(&self) -> bool {
        let state = self.lock();
        // hyper is not ready before its first poll, when the connection is as open as it gets.
        state.sender.as_ref().is_some_and(|sender| {
            !sender.is_closed() && (state.in_flight || !state.used || sender.is_ready())
        })
    }

    fn stage(&self) -> Stage {
        let state = self.lock();
        match (&state.returning, state.in_flight) {
            (Some(_), _) => Stage::Returning,
            (None, true) => Stage::Exchanging,
            (None, false) => Stage::Idle,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// Drives one connection.
pub(super) struct Machine {
    conn: Connection<TokioIo<Metered>, Upload>,
    shared: Arc<Shared>,
    goodbye: Option<Pin<Box<Sleep>>>,
}

impl Machine {
    /// Ready, once, when the socket should be dropped.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let wish = self.shared.control.listen(cx);
        if let Wish::Abort(reason) = wish {
            return Poll::Ready(reason);
        }
        match Pin::new(&mut self.conn).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(CloseReason::PeerClosed),
            Poll::Ready(Err(error)) => Poll::Ready(why(&error, &self.shared.meter)),
            Poll::Pending => {
                self.shared.settle();
                let reason = match (wish, self.shared.stage()) {
                    (Wish::Close(reason), Stage::Idle) => reason,
                    // The peer has answered and yet does not take the rest of the request.
                    (_, Stage::Returning) => CloseReason::Unfinished,
                    _ => {
                        self.goodbye = None;
                        return Poll::Pending;
                    }
                };
                let goodbye = self
                    .goodbye
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(GOODBYE)));
                ready!(goodbye.as_mut().poll(cx));
                Poll::Ready(reason)
            }
        }
    }

    /// Drops the socket, then gives back a lease that was waiting for it.
    pub(super) fn end(self) {
        let Self { conn, shared, .. } = self;
        drop(conn);
        shared.close_sender();
        shared.settle();
    }
}

/// Why the connection ended; to hyper the end of one that has never been used is an incomplete message.
fn why(error: &hyper::Error, meter: &Meter) -> CloseReason {
    let io = StdError::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    if error.is_incomplete_message() || io.is_some_and(is_peer_gone) {
        return CloseReason::PeerClosed;
    }
    if is_unexpected_message(error) {
        return unasked(meter);
    }
    CloseReason::Error
}

/// What a connection ends of whose peer has said more than it was asked.
fn unasked(meter: &Meter) -> CloseReason {
    if meter.peer_is_tired() {
        CloseReason::PeerClosed
    } else {
        CloseReason::Unsolicited
    }
}

/// Whether the peer has said more than it was asked. hyper has no word for this kind of error alone: it is the one that
/// has neither a cause nor a word.
fn is_unexpected_message(error: &hyper::Error) -> bool {
    StdError::source(error).is_none()
        && !(error.is_parse()
            || error.is_user()
            || error.is_canceled()
            || error.is_closed()
            || error.is_incomplete_message()
            || error.is_body_write_aborted()
            || error.is_shutdown()
            || error.is_timeout())
}
