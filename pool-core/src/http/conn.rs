//! A connection after its handshake: the handle the manager holds and the task that drives the bytes.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pool_tls::BoxedIo;
use tokio::runtime::Handle;

use super::control::{Control, Wish};
use super::default_headers::DefaultHeaders;
use super::h2::Dress;
use super::metered::{Meter, Metered};
use super::{h1, h2, inline};
use crate::clock;
use crate::config::Http1Engine;
use crate::error::{Error, ErrorKind};
use crate::info::{ConnFacts, Protocol};
use crate::manager::CloseReason;

/// What a connection tells its owner.
///
/// Called from the driver's task, or from whoever drops that task: no call may block, panic or await.
pub(crate) trait ConnEvents: Send + Sync {
    /// HTTP/2: the peer's limit of concurrent streams is now `limit`, which may be below what is in flight.
    fn stream_limit(&self, limit: usize);

    /// No new exchange may begin; those in flight go on. At most once, before `closed`.
    fn draining(&self, reason: CloseReason);

    /// The socket is closed. Exactly once, and last: an address or a permit may be used again from here on.
    fn closed(&self, reason: CloseReason);
}

/// How connections are spoken to.
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    /// After how long without hearing from an HTTP/2 peer it is sent a PING; `None` or zero for never.
    pub(crate) ping_interval: Option<Duration>,
    /// How long the peer may take to answer a PING.
    pub(crate) ping_timeout: Duration,
    /// Who speaks HTTP/1.1.
    pub(crate) http1_engine: Http1Engine,
    /// HTTP/1.1: bytes buffered while reading, which bounds the head of a response.
    pub(crate) http1_buffer: usize,
    /// HTTP/1.1: fields in the head of a response.
    pub(crate) http1_headers: usize,
    /// The largest HTTP/2 frame the peer may send, in bytes.
    pub(crate) max_frame: u32,
    /// HTTP/2: the longest response head or trailers, in bytes, counted as RFC 9113 §6.5.2 does.
    pub(crate) max_head_size: u32,
    /// How much of one HTTP/2 response may be in memory unread, in bytes.
    pub(crate) stream_window: u32,
    /// How much of all HTTP/2 responses of a connection may be in memory unread, in bytes.
    pub(crate) connection_window: u32,
    /// How long an HTTP/2 peer may take for its first SETTINGS; `None` for ever.
    pub(crate) greeting_timeout: Option<Duration>,
    /// What requests get that do not say otherwise; `None` for nothing.
    pub(crate) default_headers: Option<Arc<DefaultHeaders>>,
    /// HTTP/2: how the connection opens and its requests look; `None` for the engine's own way. Its windows and its frame size
    /// take the place of those above.
    pub(crate) dress: Option<Arc<Dress>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Duration::from_secs(10),
            http1_engine: Http1Engine::default(),
            http1_buffer: 64 * 1024,
            http1_headers: 100,
            max_frame: 16 * 1024,
            max_head_size: 64 * 1024,
            stream_window: 1024 * 1024,
            connection_window: 4 * 1024 * 1024,
            greeting_timeout: Some(Duration::from_secs(10)),
            default_headers: None,
            dress: None,
        }
    }
}

/// One connection: what the manager holds.
///
/// It does not own the socket: its [`Driver`] does. Dropping it closes the connection once nothing is in flight.
pub(crate) struct HttpConn {
    facts: Arc<ConnFacts>,
    control: Arc<Control>,
    meter: Arc<Meter>,
    default_headers: Option<Arc<DefaultHeaders>>,
    certificate_ends: Option<Instant>,
    kind: Kind,
}

/// The side of a connection that exchanges use.
pub(super) enum Kind {
    H1(Arc<h1::Shared>),
    Inline(Arc<inline::Shared>),
    H2(Arc<h2::Shared>),
}

impl HttpConn {
    /// Starts HTTP on `io`.
    ///
    /// HTTP/2 writes its preface and does not wait for the peer's: [`Driver::greet`] does. Nothing else happens until the
    /// driver runs. `runtime` is where the timers of this connection's exchanges live if they are polled outside a runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if the preface cannot be written.
    pub(crate) async fn handshake(
        io: BoxedIo,
        protocol: Protocol,
        settings: &HttpSettings,
        facts: Arc<ConnFacts>,
        runtime: &Handle,
    ) -> Result<(Self, Driver), Error> {
        let (io, meter) = Metered::new(io);
        let control = Arc::<Control>::default();
        let (kind, machine) = match protocol {
            Protocol::Http1 if settings.http1_engine == Http1Engine::Inline => {
                let (shared, machine) = inline::handshake(io, settings, &control, &meter, runtime);
                (Kind::Inline(shared), Machine::Inline(machine))
            }
            Protocol::Http1 => {
                let (shared, machine) = h1::handshake(io, settings, &control, &meter, runtime)
                    .await
                    .map_err(|error| Error::new(ErrorKind::Protocol).with_source(error))?;
                (Kind::H1(shared), Machine::H1(Box::new(machine)))
            }
            Protocol::Http2 => {
                let (shared, machine) = h2::handshake(io, settings, &control, &meter, runtime)
                    .await
                    .map_err(|error| Error::new(ErrorKind::Protocol).with_source(error))?;
                (Kind::H2(shared), Machine::H2(Box::new(machine)))
            }
        };
        let driver = Driver {
            machine,
            control: control.clone(),
        };
        let conn = Self {
            certificate_ends: facts.certificate_expires.and_then(clock::when),
            facts,
            control,
            meter,
            default_headers: settings.default_headers.clone(),
            kind,
        };
        Ok((conn, driver))
    }

    /// What stays true of the connection.
    pub(crate) fn facts(&self) -> &Arc<ConnFacts> {
        &self.facts
    }

    /// The HTTP version it speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        match self.kind {
            Kind::H1(_) | Kind::Inline(_) => Protocol::Http1,
            Kind::H2(_) => Protocol::Http2,
        }
    }

    /// Whether an exchange may begin, as far as is known without asking the peer.
    pub(crate) fn is_open(&self) -> bool {
        if self.control.ended().is_some() || self.control.wish() != Wish::Stay {
            return false;
        }
        match &self.kind {
            Kind::H1(shared) => shared.is_open(),
            Kind::Inline(shared) => shared.is_open(),
            Kind::H2(shared) => shared.is_open(),
        }
    }

    /// Why it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<CloseReason> {
        self.control.ended()
    }

    /// When the server's certificate ends, as the calendar was when the connection was opened.
    pub(crate) fn certificate_ends(&self) -> Option<Instant> {
        self.certificate_ends
    }

    /// Bytes read and written so far, above TLS.
    pub(crate) fn bytes(&self) -> u64 {
        self.meter.total()
    }

    /// Other times for the PINGs of an HTTP/2 connection, from now on. HTTP/1.1 has none.
    pub(crate) fn set_pings(&self, interval: Option<Duration>, timeout: Duration) {
        self.control.set_pings(interval, timeout);
    }

    /// Closes the connection once nothing is in flight, which may be now. Never blocks; may be called anywhere.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.control.close(reason);
        match &self.kind {
            Kind::H1(shared) => shared.close(),
            // Its driver has been told.
            Kind::Inline(_) => {}
            Kind::H2(shared) => shared.close(),
        }
    }

    /// Closes the connection now; exchanges in flight fail. Never blocks; may be called anywhere.
    pub(crate) fn abort(&self, reason: CloseReason) {
        self.control.abort(reason);
    }

    /// Measures one HTTP/2 PING round trip. Several askers share one PING, and the keep-alive's counts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] on HTTP/1.1, which has no PING; [`ErrorKind::Protocol`] if the connection ends first, as it
    /// does when the peer stays silent for the PING timeout.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only stops listening.
    pub(crate) async fn ping(&self) -> Result<Duration, Error> {
        if self.protocol() == Protocol::Http1 {
            return Err(Error::new(ErrorKind::Request).with_detail("HTTP/1.1 has no PING"));
        }
        let answer = self.control.ask_for_ping();
        // The sender is dropped when the driver ends, whatever ends it.
        answer.await.unwrap_or_else(|_| Err(self.control.error()))
    }

    pub(super) fn default_headers(&self) -> Option<&DefaultHeaders> {
        self.default_headers.as_deref()
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl Drop for HttpConn {
    fn drop(&mut self) {
        self.close(CloseReason::Removed);
    }
}

impl fmt::Debug for HttpConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConn")
            .field("target", &self.facts.target)
            .field("protocol", &self.protocol())
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// The driving half of a connection that nobody drives yet. Dropping it closes the socket.
#[must_use = "the connection does nothing until its driver runs"]
pub(crate) struct Driver {
    machine: Machine,
    control: Arc<Control>,
}

impl Driver {
    /// Drives the connection until the peer has said how many exchanges it takes at a time, and returns that.
    ///
    /// An HTTP/2 peer says so with its first SETTINGS. Whoever sent requests before would have to guess, and the peer may
    /// refuse what goes beyond its limit. An HTTP/1.1 peer takes one, without a word.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if the connection ends first.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped; the driver can still be run.
    pub(crate) async fn greet(&mut self) -> Result<usize, Error> {
        match &mut self.machine {
            Machine::H1(_) | Machine::Inline(_) => Ok(1),
            Machine::H2(machine) => {
                let told = poll_fn(|cx| machine.poll_greeting(cx)).await;
                told.map_err(|error| Error::new(ErrorKind::Protocol).with_source(error))
            }
        }
    }

    /// Whether exchanges depend on the driver. If not it only watches, for all that matters one of many in a task.
    pub(crate) fn needs_a_task(&self) -> bool {
        !matches!(self.machine, Machine::Inline(_))
    }

    /// The future to spawn, once the connection is registered where `events` will look for it.
    pub(crate) fn run(self, events: Arc<dyn ConnEvents>) -> Running {
        Running {
            machine: Some(self.machine),
            control: self.control,
            events,
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// Drives a connection to its end. Dropped before, it closes the socket and says that the runtime is gone.
pub(crate) struct Running {
    machine: Option<Machine>,
    control: Arc<Control>,
    events: Arc<dyn ConnEvents>,
}

impl Running {
    fn end(&mut self, reason: CloseReason) {
        let Some(machine) = self.machine.take() else {
            return;
        };
        // Recorded before the machine goes, so that exchanges that fail with it can say why.
        let reason = self.control.end(reason);
        match machine {
            Machine::H1(machine) => machine.end(),
            Machine::Inline(machine) => machine.end(),
            Machine::H2(machine) => drop(machine),
        }
        self.events.closed(reason);
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let reason = match &mut this.machine {
            None => return Poll::Ready(()),
            Some(Machine::H1(machine)) => ready!(machine.poll(cx)),
            Some(Machine::Inline(machine)) => ready!(machine.poll(cx)),
            Some(Machine::H2(machine)) => ready!(machine.poll(cx, &*this.events)),
        };
        this.end(reason);
        Poll::Ready(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let reason = if std::thread::panicking() {
            CloseReason::Error
        } else {
            CloseReason::RuntimeGone
        };
        self.end(reason);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

enum Machine {
    H1(Box<h1::Machine>),
    Inline(inline::Machine),
    H2(Box<h2::Machine>),
}

/// How long bytes that nobody waits for any more may take to reach a peer that does not read: a goodbye, or the rest of
/// a request that was answered before it had been written.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// As much of an HTTP/1.1 response as says its status.
pub(super) const STATUS_LINE: usize = "HTTP/1.1 408".len();

/// Whether a peer that speaks first on an idle HTTP/1.1 connection says that it has waited for a request for too long, and
/// closes (RFC 9110 section 15.5.9): that is in order.
pub(super) fn is_tired(bytes: &[u8]) -> bool {
    let status = bytes.get(..STATUS_LINE);
    status.is_some_and(|line| line.starts_with(b"HTTP/1.") && line.ends_with(b" 408"))
}

/// Whether an I/O error only says that the other side has closed.
pub(super) fn is_peer_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}
