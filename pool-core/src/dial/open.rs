//! One dial: connect, shake hands, know the protocol.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pool_localip::{Exhausted, ExhaustedReason, Lease, Outcome};
use pool_tls::{BoxedIo, Plan, TlsConnector, TlsContext, TlsError, TlsErrorKind, TlsSession};
use tokio::time::timeout;
use tracing::{Instrument, debug, debug_span, field};

use super::alpn;
use super::bound::Bound;
use super::connect::{Connect, ConnectContext, ConnectError, Connected};
use super::ticket_scope::ticket_scope;
use crate::clock;
use crate::error::{Error, ErrorKind, Phase};
use crate::info::{ConnFacts, Protocol};
use crate::key::{Key, Scheme};
use crate::observe::SourceBook;

/// What one dial needs besides the source lease and the guard.
pub(crate) struct DialRequest<'a> {
    pub(crate) key: &'a Key,
    /// The remote address, one of the host's.
    pub(crate) target: SocketAddr,
    pub(crate) connect: &'a dyn Connect,
    /// Asked only if the key's scheme is https. Its identity is the key's.
    pub(crate) tls: &'a dyn TlsConnector,
    /// What the connector made of the key's profile; `None` if the pool has no such profile.
    pub(crate) plan: Option<&'a Plan>,
    /// Bytes of the kernel's buffers, to send and to receive; 0 for the system's own.
    pub(crate) buffers: (u32, u32),
    pub(crate) connect_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    /// Hears that the leased address has connected.
    pub(crate) sources: &'a SourceBook,
    /// Called when the target has taken the connection: the handshake follows.
    pub(crate) connected: &'a (dyn Fn() + Sync),
}

/// A stream ready for HTTP.
pub(crate) struct Opened {
    /// Dropping it closes the socket, then drops the lease, then the guard.
    pub(crate) io: BoxedIo,
    pub(crate) facts: ConnFacts,
    pub(crate) times: DialTimes,
}

/// How long the phases of a dial took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DialTimes {
    pub(crate) connect: Duration,
    /// `None` on plain text.
    pub(crate) handshake: Option<Duration>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("facts", &self.facts)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// Opens one connection from the leased address, up to the protocol it speaks.
///
/// The lease and then the guard are dropped after the socket has closed: with the stream on success, before this
/// returns on failure. The lease is told the outcome of the connect, once.
///
/// # Errors
///
/// A timeout of [`Phase::Connect`] or [`Phase::Handshake`]; [`ErrorKind::Refused`], [`ErrorKind::Connect`],
/// [`ErrorKind::LocalAddr`] if the source could not be used, [`ErrorKind::Tls`]. All name host, target and source.
/// [`blames_target`] says whether the target had a part in it.
///
/// # Cancel safety
///
/// Dropping it closes the socket, then drops the lease, then the guard.
pub(crate) async fn open<G: Send + 'static>(
    request: DialRequest<'_>,
    lease: Lease,
    guard: G,
) -> Result<Opened, Error> {
    // One value that outlives every socket below; its fields drop in order, and so does the pair inside `Bound`.
    let held = (lease, guard);
    let leased = held.0.addr();
    let plan = request.planned(leased)?;
    let started = clock::now();
    let connected = match request.tcp(leased).await {
        Ok(connected) => connected,
        Err(Failure { error, outcome }) => {
            if let Some(outcome) = outcome {
                held.0.report(outcome);
            }
            return Err(error);
        }
    };
    held.0.report(Outcome::Connected);
    request.sources.connected(leased);
    (request.connected)();
    let source = connected.local;
    let io: BoxedIo = Box::new(Bound::new(connected.io, held));
    let connected_at = clock::now();
    let mut times = DialTimes {
        connect: connected_at.duration_since(started),
        handshake: None,
    };
    let mut facts = ConnFacts {
        target: request.target,
        source,
        leased,
        protocol: Protocol::Http1,
        profile: None,
        fidelity: None,
        resumed: false,
        certificate_expires: None,
    };
    let io = match plan {
        None => {
            facts.protocol = request.decide(leased, None)?;
            io
        }
        Some(plan) => {
            let session = request.handshake(plan, leased, io).await?;
            times.handshake = Some(clock::now().duration_since(connected_at));
            facts.protocol = request.decide(leased, session.alpn.as_deref())?;
            facts.profile = Some(session.profile);
            facts.fidelity = Some(plan.fidelity());
            facts.resumed = session.resumed;
            facts.certificate_expires = session.certificate_expires;
            session.io
        }
    };
    Ok(Opened { io, facts, times })
}

/// Whether a failed dial says something about the target, rather than about this machine, its configuration or the
/// chosen source.
///
/// A target of a family that no source is of counts: the host may have addresses of the other family too.
pub(crate) fn blames_target(error: &Error) -> bool {
    let is_local = error.kind() == ErrorKind::LocalAddr;
    let Some(cause) = error.source() else {
        return !is_local;
    };
    if is_local {
        return cause
            .downcast_ref::<Exhausted>()
            .is_some_and(|e| matches!(e.reason, ExhaustedReason::FamilyMismatch { .. }));
    }
    if let Some(tls) = cause.downcast_ref::<TlsError>() {
        return !matches!(
            tls.kind(),
            TlsErrorKind::Disabled | TlsErrorKind::ServerName | TlsErrorKind::UnknownProfile
        );
    }
    !cause.downcast_ref::<io::Error>().is_some_and(is_short_of)
}

/// Whether a dial failed because this machine had no file or no memory for its socket, which may pass.
pub(crate) fn is_shortage(error: &Error) -> bool {
    let cause = error.source();
    cause
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(is_short_of)
}

/// Whether a failed dial says something about the local address that it was made from, so that another one may do.
pub(crate) fn blames_source(error: &Error) -> bool {
    // What the system said of it; without, the allocator or the connector is to blame.
    let said = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    error.kind() == ErrorKind::LocalAddr && said.is_some()
}

/// A connect that failed, and what the lease is told about it.
struct Failure {
    error: Error,
    outcome: Option<Outcome>,
}

impl DialRequest<'_> {
    async fn tcp(&self, leased: Option<IpAddr>) -> Result<Connected, Failure> {
        let (send, receive) = self.buffers;
        let cx = ConnectContext::new(self.target, self.key.host())
            .with_source(leased)
            .with_buffers(send, receive);
        let span = debug_span!(
            "connect",
            peer.addr = %self.target,
            local.addr = leased.map(field::display),
        );
        async {
            let result = match timeout(self.connect_timeout, self.connect.connect(cx)).await {
                Ok(Ok(connected)) => self.check_source(leased, connected),
                Ok(Err(error)) => Err(self.classify(leased, error)),
                Err(_elapsed) => Err(Failure {
                    error: self.error(ErrorKind::Timeout(Phase::Connect), leased),
                    outcome: Some(Outcome::TargetFailed),
                }),
            };
            match &result {
                Ok(connected) => debug!(
                    local.addr = connected.local.map(field::display),
                    "connected"
                ),
                Err(failure) => debug!(error = ?failure.error, "connect failed"),
            }
            result
        }
        .instrument(span)
        .await
    }

    /// Whatever connector is at work, a stream never comes from another address than the leased one.
    fn check_source(
        &self,
        leased: Option<IpAddr>,
        connected: Connected,
    ) -> Result<Connected, Failure> {
        match (leased, connected.local) {
            (Some(leased), Some(local)) if local.ip() != leased => {
                let detail = format!("the connector used {} instead", local.ip());
                Err(Failure {
                    error: self
                        .error(ErrorKind::LocalAddr, Some(leased))
                        .with_detail(detail),
                    outcome: Some(Outcome::Unbindable),
                })
            }
            _ => Ok(connected),
        }
    }

    fn classify(&self, leased: Option<IpAddr>, error: ConnectError) -> Failure {
        let fail = |kind| self.error(kind, leased);
        let (error, outcome) = match error {
            ConnectError::FamilyMismatch => {
                // The allocator chose badly; the address itself may be fine.
                let detail = ConnectError::FamilyMismatch.to_string();
                (fail(ErrorKind::LocalAddr).with_detail(detail), None)
            }
            ConnectError::Unbindable(io) => {
                let error = fail(ErrorKind::LocalAddr);
                let (error, outcome) = match io.kind() {
                    io::ErrorKind::AddrNotAvailable => {
                        let detail = "this machine does not have it (a prefix that is routed here needs dial.freebind)";
                        (error.with_detail(detail), Outcome::AddrInUse)
                    }
                    _ => (error, Outcome::Unbindable),
                };
                (error.with_source(io), Some(outcome))
            }
            ConnectError::NoFreePort(io) => (
                fail(ErrorKind::LocalAddr)
                    .with_detail("no free port to this target")
                    .with_source(io),
                Some(Outcome::AddrInUse),
            ),
            ConnectError::SocketOption { option, error } => {
                // Said in words: an error of the system's own would blame the address.
                let detail = format!("the system refused {option}: {error}");
                (fail(ErrorKind::LocalAddr).with_detail(detail), None)
            }
            ConnectError::Failed(io) if is_short_of(&io) => (
                fail(ErrorKind::Connect)
                    .with_detail("too many open files (raise ulimit -n)")
                    .with_source(io),
                None,
            ),
            ConnectError::Failed(io)
                if leased.is_some() && io.kind() == io::ErrorKind::InvalidInput =>
            {
                // What Linux says to a loopback source that is to reach another network.
                let detail = "it cannot reach this target";
                let error = fail(ErrorKind::LocalAddr).with_detail(detail);
                (error.with_source(io), None)
            }
            ConnectError::Failed(io) => {
                let kind = match io.kind() {
                    io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
                    _ => ErrorKind::Connect,
                };
                let error = fail(kind).with_source(io);
                (error, Some(Outcome::TargetFailed))
            }
        };
        Failure { error, outcome }
    }

    /// The plan for the key's profile, if its hello may be sent for this key; `None` on plain text.
    fn planned(&self, leased: Option<IpAddr>) -> Result<Option<&Plan>, Error> {
        if self.key.scheme() == Scheme::Http {
            return Ok(None);
        }
        let id = self.key.profile_id();
        let refused = match self.plan {
            None => TlsError::unknown_profile(id),
            Some(plan) => match &plan.profile().hello {
                Some(hello) if !alpn::suits(self.key.allowed_protocols(), hello.alpn()) => {
                    TlsError::new(TlsErrorKind::UnknownProfile).with_source(format!(
                        "`{id}` offers {}, of which the first is not allowed here",
                        hello.alpn().join(", "),
                    ))
                }
                _ => return Ok(Some(plan)),
            },
        };
        Err(self.error(ErrorKind::Tls, leased).with_source(refused))
    }

    async fn handshake(
        &self,
        plan: &Plan,
        leased: Option<IpAddr>,
        io: BoxedIo,
    ) -> Result<TlsSession, Error> {
        let fail = |kind| self.error(kind, leased);
        let scope = ticket_scope(self.key);
        let cx = TlsContext::new(self.key.host(), plan)
            .with_alpn(alpn::offer(self.key.allowed_protocols()))
            .with_scope(&scope);
        let span = debug_span!(
            "handshake",
            peer.addr = %self.target,
            local.addr = leased.map(field::display),
        );
        async {
            let result = match timeout(self.handshake_timeout, self.tls.connect(&cx, io)).await {
                Ok(Ok(session)) => Ok(session),
                Ok(Err(error)) => Err(fail(ErrorKind::Tls).with_source(error)),
                Err(_elapsed) => Err(fail(ErrorKind::Timeout(Phase::Handshake))),
            };
            match &result {
                Ok(session) => debug!(resumed = session.resumed, "shook hands"),
                Err(error) => debug!(?error, "handshake failed"),
            }
            result
        }
        .instrument(span)
        .await
    }

    fn decide(&self, leased: Option<IpAddr>, chosen: Option<&[u8]>) -> Result<Protocol, Error> {
        alpn::decide(self.key.scheme(), self.key.allowed_protocols(), chosen)
            .map_err(|problem| self.error(ErrorKind::Tls, leased).with_detail(problem))
    }

    fn error(&self, kind: ErrorKind, leased: Option<IpAddr>) -> Error {
        let error = Error::new(kind)
            .with_host(self.key.host())
            .with_target(self.target);
        match leased {
            Some(leased) => error.with_local(leased),
            None => error,
        }
    }
}

/// No file or no memory for one more socket: `ENOMEM`, `ENFILE` and `EMFILE`, which have these numbers on every Unix, and `ENOBUFS`.
fn is_short_of(error: &io::Error) -> bool {
    const ENOBUFS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
        105
    } else {
        55
    };
    cfg!(unix) && matches!(error.raw_os_error(), Some(12 | 23 | 24 | ENOBUFS))
}

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod tests;
