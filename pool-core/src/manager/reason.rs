//! Why a connection ended.

/// Why a connection ended; the keys of the close counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it.
    PeerClosed,
    /// The peer sent GOAWAY.
    GoAway,
    /// An HTTP/1.1 peer sent bytes that belong to no response: its answers can no longer be told apart. For a while no
    /// HTTP/1.1 connection of its host is reused (see [`Quarantined`](Self::Quarantined)).
    Unsolicited,
    /// An HTTP/1.1 connection that is not to be reused, because [`Unsolicited`](Self::Unsolicited) bytes have arrived on
    /// another of the same host.
    ///
    /// The host's idle connections close at once, those in use after their response, and new ones serve one request each:
    /// for 60 seconds, and twice as long each time that it happens again, up to half an hour. HTTP/2 connections stay.
    Quarantined,
    /// The peer asked for calm (ENHANCE_YOUR_CALM) and closes.
    CalmAsked,
    /// The peer said that it does not answer for this host there (421).
    Misdirected,
    /// The peer wants HTTP/1.1 (HTTP_1_1_REQUIRED).
    Http1Required,
    /// The peer sent more frames that carry nothing than its work explains.
    Flood,
    /// This side has reset so many streams on it that the peer could take it for an attack.
    CancelBudget,
    /// The peer takes no bytes.
    WriteStalled,
    /// An I/O or protocol error.
    Error,
    /// The peer did not answer a PING in time.
    PingTimeout,
    /// The exchange was not finished cleanly: a body dropped half-way, bytes left over, a request cancelled.
    Unfinished,
    /// The peer switched to another protocol on it, and that has ended.
    Upgraded,
    /// A health check failed.
    Unhealthy,
    /// Idle for too long.
    Idle,
    /// Too old.
    Lifetime,
    /// Used often enough.
    Uses,
    /// Too many errors.
    Errors,
    /// More connections than allowed.
    Surplus,
    /// Closed to make room for another host.
    Reclaimed,
    /// Closed because another connection to the same address took its place.
    Replaced,
    /// Its address left the host's address list.
    EndpointGone,
    /// An access list denies its address by now.
    Denied,
    /// The local address that it comes from is no longer used, or has left the machine.
    SourceGone,
    /// A policy said so, by its name.
    Policy(&'static str),
    /// Removed by hand.
    Removed,
    /// The pool was closed.
    PoolClosed,
    /// The runtime that drove it is gone.
    RuntimeGone,
}

impl CloseReason {
    /// A stable word in snake case; a policy's own name for [`Policy`](Self::Policy).
    pub fn code(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::GoAway => "goaway",
            Self::Unsolicited => "unsolicited",
            Self::Quarantined => "quarantined",
            Self::CalmAsked => "enhance_your_calm",
            Self::Misdirected => "misdirected",
            Self::Http1Required => "http1_required",
            Self::Flood => "flood",
            Self::CancelBudget => "cancel_budget",
            Self::WriteStalled => "write_stalled",
            Self::Error => "error",
            Self::PingTimeout => "ping_timeout",
            Self::Unfinished => "unfinished",
            Self::Upgraded => "upgraded",
            Self::Unhealthy => "unhealthy",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Uses => "uses",
            Self::Errors => "errors",
            Self::Surplus => "surplus",
            Self::Reclaimed => "reclaimed",
            Self::Replaced => "replaced",
            Self::EndpointGone => "endpoint_gone",
            Self::Denied => "denied",
            Self::SourceGone => "source_gone",
            Self::Policy(name) => name,
            Self::Removed => "removed",
            Self::PoolClosed => "pool_closed",
            Self::RuntimeGone => "runtime_gone",
        }
    }
}

impl From<pool_health::EvictReason> for CloseReason {
    fn from(reason: pool_health::EvictReason) -> Self {
        use pool_health::EvictReason as R;
        match reason {
            R::Idle => Self::Idle,
            R::Lifetime => Self::Lifetime,
            R::Uses => Self::Uses,
            R::Errors => Self::Errors,
            R::Surplus => Self::Surplus,
            // Reasons of policies that the manager need not tell apart.
            other => Self::Policy(other.as_str()),
        }
    }
}
