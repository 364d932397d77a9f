//! HTTP/2: many exchanges at a time on a connection that the h2 crate speaks.

mod cancels;
mod dress;
mod exchange;
mod flood;
mod frames;
mod watch;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use ::h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use ::h2::{Error as H2Error, Reason, SendStream};

pub(crate) use self::dress::Dress;
use self::dress::Dressed;
#[cfg(test)]
#[cfg(not(pool_loom))]
pub(super) use self::dress::{chromium, firefox};
pub(super) use self::exchange::{Receiving, exchange};
pub(super) use self::flood::Flood;
pub(super) use self::watch::Watch;
use super::conn::{ConnEvents, GOODBYE, HttpSettings, is_peer_gone};
use super::control::{Control, Wish};
use super::metered::{Meter, Metered};
use super::ping::Pinger;
use crate::manager::CloseReason;

pub(super) async fn handshake(
    io: Metered,
    settings: &HttpSettings,
    control: &Arc<Control>,
    meter: &Arc<Meter>,
    runtime: &Handle,
) -> Result<(Arc<Shared>, Machine), H2Error> {
    let mut builder = Builder::new();
    builder
        .max_header_list_size(settings.max_head_size)
        .initial_max_send_streams(UNTOLD)
        // Cancelled streams are remembered for a moment, so that what was on its way to them is no protocol error.
        .max_concurrent_reset_streams(1024);
    match &settings.dress {
        Some(dress) => dress.fit(&mut builder, settings),
        None => {
            builder
                .enable_push(false)
                .max_frame_size(settings.max_frame)
                .initial_window_size(settings.stream_window.min(MAX_WINDOW))
                .initial_connection_window_size(settings.connection_window.min(MAX_WINDOW));
        }
    }
    let io = Dressed::new(io.watched(), settings.dress.clone());
    let (sender, mut conn) = builder.handshake(io).await?;
    let pings = conn.ping_pong().expect("the first to ask for it");
    let shared = Arc::new(Shared {
        sender: Mutex::new(Some(sender.clone())),
        draining: AtomicBool::new(false),
        streams: AtomicUsize::new(0),
        control: control.clone(),
        meter: meter.clone(),
        runtime: runtime.clone(),
    });
    let machine = Machine {
        conn,
        probe: Some(sender),
        gone_away: None,
        pinger: Pinger::new(pings, settings.ping_interval, settings.ping_timeout),
        limit: UNTOLD,
        meter: meter.clone(),
        shared: shared.clone(),
        goodbye: None,
        greeting_timeout: settings.greeting_timeout,
        greeting: None,
    };
    Ok((shared, machine))
}

/// What exchanges and the driver of one connection share.
pub(super) struct Shared {
    /// `None` once no further stream may be opened; a clone kept alive keeps the connection from closing when idle.
    sender: Mutex<Option<SendRequest<Bytes>>>,
    draining: AtomicBool,
    streams: AtomicUsize,
    control: Arc<Control>,
    meter: Arc<Meter>,
    runtime: Handle,
}

type Opened = (ResponseFuture, SendStream<Bytes>);

/// Why a stream could not be opened.
enum NotOpened {
    /// This side is closing the connection.
    Closing,
    /// The connection takes no more streams: it ended, the peer went away, or the stream ids are used up.
    Connection(H2Error),
    /// The head breaks the rules of HTTP/2.
    Request(H2Error),
}

impl Shared {
    /// Opens a stream; an error says that nothing was sent.
    async fn open(&self, head: Request<()>, no_body: bool) -> Result<Opened, NotOpened> {
        let sender = self.lock().clone().ok_or(NotOpened::Closing)?;
        let mut sender = sender.ready().await.map_err(NotOpened::Connection)?;
        sender.send_request(head, no_body).map_err(|error| {
            // The connection may have ended since it was asked; anything else is about the request.
            if error.is_io() || error.is_go_away() {
                NotOpened::Connection(error)
            } else {
                NotOpened::Request(error)
            }
        })
    }

    /// Why the connection ends with this error, which is its own and not a stream's.
    fn why_broken(&self, error: &H2Error) -> CloseReason {
        if error.is_go_away() && error.is_remote() {
            gone_away(error)
        } else if self.flood_in(error).is_some() {
            CloseReason::Flood
        } else if error.get_io().is_some_and(is_peer_gone) {
            CloseReason::PeerClosed
        } else {
            CloseReason::Error
        }
    }

    /// What the peer has sent too much of, if that is what ended the connection.
    fn flood_in(&self, error: &H2Error) -> Option<&'static str> {
        if let Some(flood) = self.meter.flood() {
            return Some(flood.frames());
        }
        // The h2 crate has bounds of its own, for CONTINUATION, empty and tiny DATA frames; its error says which.
        let calm = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
        (calm && error.is_go_away() && error.is_library()).then_some(OF_THE_CODEC)
    }

    /// No further streams; the connection closes when the last one has ended.
    pub(super) fn close(&self) {
        let sender = self.lock().take();
        drop(sender);
    }

    pub(super) fn is_open(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<SendRequest<Bytes>>> {
        self.sender.lock().expect("nothing panics under this lock")
    }
}

/// Drives one connection.
pub(super) struct Machine {
    conn: Connection<Dressed, Bytes>,
    /// Asked after each poll whether a stream could be opened: that is how a GOAWAY shows.
    probe: Option<SendRequest<Bytes>>,
    /// Why, once the peer has gone away.
    gone_away: Option<CloseReason>,
    pinger: Pinger,
    limit: usize,
    meter: Arc<Meter>,
    shared: Arc<Shared>,
    goodbye: Option<Pin<Box<Sleep>>>,
    greeting_timeout: Option<Duration>,
    /// Runs while the peer owes its first SETTINGS.
    greeting: Option<Pin<Box<Sleep>>>,
}

impl Machine {
    /// Ready with the peer's stream limit once its first SETTINGS have come.
    pub(super) fn poll_greeting(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, H2Error>> {
        let polled = Pin::new(&mut self.conn).poll(cx);
        self.limit = self.conn.max_concurrent_send_streams();
        if self.limit != UNTOLD {
            return Poll::Ready(Ok(self.limit));
        }
        match ready!(polled) {
            Ok(()) => Poll::Ready(Err(Reason::NO_ERROR.into())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Ready, once, when the socket should be dropped.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        events: &dyn ConnEvents,
    ) -> Poll<CloseReason> {
        let wish = self.shared.control.listen(cx);
        match wish {
            Wish::Abort(reason) => return Poll::Ready(reason),
            Wish::Close(_) => self.probe = None,
            Wish::Stay => {}
        }
        let polled = Pin::new(&mut self.conn).poll(cx);
        self.look(cx, events);
        if let Poll::Ready(result) = polled {
            return Poll::Ready(self.why(result));
        }
        if self.poll_overdue(cx).is_ready() {
            return Poll::Ready(CloseReason::Error);
        }
        let heard = self.meter.read();
        if self.pinger.poll(cx, heard, &self.shared.control).is_ready() {
            return Poll::Ready(CloseReason::PingTimeout);
        }
        if let (Wish::Close(reason), 0) = (wish, self.shared.streams.load(Ordering::Relaxed)) {
            let goodbye = self
                .goodbye
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(GOODBYE)));
            ready!(goodbye.as_mut().poll(cx));
            return Poll::Ready(reason);
        }
        Poll::Pending
    }

    /// Ready once the peer has owed its first SETTINGS for too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.greeting_timeout {
            Some(limit) if self.limit == UNTOLD => {
                let greeting = || Box::pin(tokio::time::sleep(limit));
                self.greeting.get_or_insert_with(greeting).as_mut().poll(cx)
            }
            _ => {
                self.greeting = None;
                Poll::Pending
            }
        }
    }

    /// Tells the owner what the poll before has changed: the h2 crate does not.
    fn look(&mut self, cx: &mut Context<'_>, events: &dyn ConnEvents) {
        let limit = self.conn.max_concurrent_send_streams();
        if limit != self.limit {
            self.limit = limit;
            events.stream_limit(limit);
        }
        let Some(probe) = &mut self.probe else {
            return;
        };
        if self.meter.has_spent_cancels() {
            // Those that are open may end, or be reset; another connection takes the next ones.
            self.probe = None;
            self.shared.draining.store(true, Ordering::Release);
            events.draining(CloseReason::CancelBudget);
            return;
        }
        if let Poll::Ready(Err(error)) = probe.poll_ready(cx) {
            self.probe = None;
            self.shared.draining.store(true, Ordering::Release);
            if error.is_go_away() && error.is_remote() {
                let reason = gone_away(&error);
                self.gone_away = Some(reason);
                events.draining(reason);
            } else if !error.is_go_away() && !error.is_io() {
                // The stream ids are used up; every other error is the end of the connection, which follows.
                events.draining(CloseReason::Uses);
            }
        }
    }

    fn why(&self, result: Result<(), H2Error>) -> CloseReason {
        if let Some(reason) = self.gone_away {
            return reason;
        }
        match result {
            Ok(()) => CloseReason::PeerClosed,
            Err(error) => self.shared.why_broken(&error),
        }
    }
}

/// What the h2 crate ends a connection for by itself.
const OF_THE_CODEC: &str = "CONTINUATION, empty or tiny DATA, or a head far too large";

/// What the code of the peer's GOAWAY means for its connection.
fn gone_away(error: &H2Error) -> CloseReason {
    match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) => CloseReason::CalmAsked,
        Some(Reason::HTTP_1_1_REQUIRED) => CloseReason::Http1Required,
        _ => CloseReason::GoAway,
    }
}

/// The stream limit of a peer that has not sent its first SETTINGS: these say a number of 32 bits, or none, which the h2
/// crate turns into `usize::MAX`.
const UNTOLD: usize = usize::MAX - 1;

/// The largest flow-control window (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;
