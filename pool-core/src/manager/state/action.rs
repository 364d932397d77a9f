//! What a step hands out: actions, claims, refusals.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::conn::ConnRef;
use super::dials::DialRef;
use crate::manager::reason::CloseReason;
use crate::manager::waiters::WaiterRef;

/// What the owner must do after unlocking, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Hand this claim to the waiter and wake it.
    Grant(WaiterRef, Claim),
    /// Tell the waiter that it gets nothing, and wake it.
    Fail(WaiterRef, Refusal),
    /// Ask the budget for the right to dial once.
    Reserve,
    /// One more connection would help, and nobody waits for it: if the budget has permits to spare, start what
    /// [`dial_to_spread`](super::HostState::dial_to_spread) says.
    Spread,
    /// Look up the host's addresses.
    Resolve,
    /// Start this dial; the permits came with the event.
    Dial(DialRef, SocketAddr),
    /// Close this connection; report `closed` when its socket is gone.
    Close(ConnRef, CloseReason),
    /// Call `tick` at this time.
    WakeAt(Instant),
}

pub(crate) type Actions = Vec<Action>;

/// A granted lease on a connection, with what was true of the connection just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) conn: ConnRef,
    /// Leases before this one.
    pub(crate) uses: u64,
    pub(crate) in_flight: usize,
    pub(crate) last_used: Instant,
    pub(crate) errors: u32,
    pub(crate) consecutive_errors: u32,
    pub(crate) multiplexed: bool,
    /// When it was granted.
    pub(crate) since: Instant,
    /// How long the peer lets a connection be idle, as far as is known.
    pub(crate) idle_limit: Option<Duration>,
}

/// What ends with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leased {
    pub(crate) conn: ConnRef,
    /// When it was granted.
    pub(crate) since: Instant,
}

/// Why a waiter gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The dials that were to serve it failed; the last error says how.
    Dial,
    /// The lookup failed; the last error says how.
    Resolve,
    /// Every address is out of rotation.
    Unavailable,
    /// Its deadline has passed.
    Late,
    /// The one connection it waits for is on its way out.
    Gone,
    Closed,
}

/// Why nobody may join the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    Full,
    Closed,
    /// The host was forgotten: look it up again.
    Retired,
    /// The one connection asked for is on its way out.
    Gone,
}

/// Why a connection is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// This many connections to the host are allowed.
    Host(usize),
    /// This many connections to the address are allowed.
    Endpoint(usize),
    Closed,
    /// The host was forgotten: look it up again.
    Retired,
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    Clean,
    /// The exchange failed, the connection did not.
    Failed,
    /// The connection must not be used again.
    Discard(CloseReason),
}
