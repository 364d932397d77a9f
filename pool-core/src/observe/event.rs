//! Committed facts, for those who want to know at once.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pool_health::EjectReason;

use crate::error::{Error, ErrorKind};
use crate::info::{ConnFacts, ConnId};
use crate::key::Key;
use crate::manager::CloseReason;

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection joined the pool.
    #[non_exhaustive]
    Opened {
        /// What it is for.
        key: &'a Key,
        /// The connection.
        id: ConnId,
        /// What stays true of it.
        facts: &'a ConnFacts,
        /// How long the TCP connect took.
        connect: Duration,
        /// How long the TLS handshake took, if there was one.
        handshake: Option<Duration>,
    },
    /// A connection's socket was closed.
    #[non_exhaustive]
    Closed {
        /// What it was for.
        key: &'a Key,
        /// The connection.
        id: ConnId,
        /// What was true of it.
        facts: &'a ConnFacts,
        /// Why.
        reason: CloseReason,
        /// How long it was in the pool.
        open: Duration,
        /// How long it had carried no exchange: since it was opened, if it never carried one. `None` if it still carried one.
        idle: Option<Duration>,
    },
    /// A dial failed.
    #[non_exhaustive]
    DialFailed {
        /// What it was for.
        key: &'a Key,
        /// The remote address.
        target: SocketAddr,
        /// The local address, if one had been leased.
        source: Option<IpAddr>,
        /// Why.
        error: &'a Error,
    },
    /// An address was taken out of rotation.
    #[non_exhaustive]
    Ejected {
        /// The host.
        key: &'a Key,
        /// The address.
        target: SocketAddr,
        /// For how long; `None`: until a check succeeds.
        duration: Option<Duration>,
        /// Why, if an outlier policy wanted it. `None` where it was a health check, a ban that has ended and waits for one, or the peer
        /// itself, which asked to be left alone.
        policy: Option<EjectReason>,
    },
    /// An address that was out until a check succeeds is back.
    #[non_exhaustive]
    Readmitted {
        /// The host.
        key: &'a Key,
        /// The address.
        target: SocketAddr,
    },
    /// Bytes arrived on an HTTP/1.1 connection that belong to no response: for a while the host's HTTP/1.1 connections
    /// are not reused.
    #[non_exhaustive]
    Quarantined {
        /// The host.
        key: &'a Key,
        /// The connection that they arrived on.
        id: ConnId,
        /// For how long.
        duration: Duration,
    },
    /// A request is sent again.
    #[non_exhaustive]
    Retried {
        /// The host.
        key: &'a Key,
        /// How the last try failed.
        kind: ErrorKind,
        /// Tries so far.
        attempts: u32,
    },
}

/// Is told what has happened.
///
/// - **Who calls, when, how often:** the pool, once for each fact, after it has come about. Every observer hears every fact, in the
///   order in which they were added; facts of different connections come in no order, several at once.
/// - **On which thread:** whatever thread the fact came about on, possibly from a `Drop` outside any runtime. No lock of the pool is held:
///   calling the pool from inside is allowed.
/// - **Blocking:** never: it delays whoever is calling, such as a request that returns its connection. Hand over to a channel instead.
/// - **Panics** are contained and counted; the other observers hear the fact.
/// - **Lies:** nothing it does changes what the pool does.
pub trait Observer: fmt::Debug + Send + Sync {
    /// One fact.
    fn on(&self, event: &Event<'_>);
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn on(&self, _: &Event<'_>) {}
}

fn _assert_dyn_compatible(_: &dyn Observer) {}
