//! One connection as its host's state sees it.

use std::time::Instant;

use pool_health::ConnStats;

use super::Claim;
use crate::info::ConnId;
use crate::manager::list::{Linked, Links};
use crate::manager::reason::CloseReason;

/// Names one connection. The id is never used twice, so an event of an earlier life finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnRef {
    pub(crate) slot: usize,
    pub(crate) id: ConnId,
}

/// Where a connection is in its life.
///
/// ```text
///  Ready <──► Probing          only Ready is handed out
///    │           │
///    └──► Draining ──► Closing     gone from the state once its socket has closed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// May be claimed while it has room.
    Ready,
    /// Claimed by a check, which is its only user.
    Probing,
    /// Takes no new lease; closes when the last one ends.
    Draining(CloseReason),
    /// Told to close; its socket is still there and still counts.
    Closing(CloseReason),
}

/// The order is that of use: what a claim touches comes first, so that it is in few cache lines.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) free: Links,
    pub(crate) idle: Links,
    pub(crate) endpoint: usize,
    pub(crate) in_flight: usize,
    /// Leases at a time: 1 for HTTP/1.1, streams for HTTP/2.
    pub(crate) limit: usize,
    pub(crate) last_used: Instant,
    pub(crate) uses: u64,
    pub(crate) errors: u32,
    pub(crate) consecutive_errors: u32,
    pub(crate) multiplexed: bool,
    /// The lease is on its way back.
    pub(crate) returning: bool,
    pub(crate) state: ConnState,
    /// What the peer allows; `limit` is the smaller of this and our own bound. `None`: it has not said yet, and until
    /// then there is one lease at a time, because a peer may refuse what goes beyond its limit.
    pub(crate) peer_limit: Option<usize>,
    pub(crate) created: Instant,
    pub(crate) home: Links,
}

/// The lists of an endpoint's connections that have room, by leases in flight.
#[derive(Clone, Debug)]
pub(crate) enum Free {}

/// The list of a host's connections without a lease, idle longest first.
#[derive(Clone, Debug)]
pub(crate) enum Idle {}

/// The list of all connections of an endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Home {}

impl Linked<Home> for Conn {
    fn links(&self) -> Links {
        self.home
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.home
    }
}

impl Linked<Free> for Conn {
    fn links(&self) -> Links {
        self.free
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.free
    }
}

impl Linked<Idle> for Conn {
    fn links(&self) -> Links {
        self.idle
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.idle
    }
}

impl Conn {
    pub(crate) fn has_room(&self) -> bool {
        self.state == ConnState::Ready && self.in_flight < self.limit
    }

    /// Whether it will bring more capacity than it has now: when a check ends, or when the peer says its limit.
    pub(crate) fn is_coming(&self) -> bool {
        match self.state {
            ConnState::Probing => true,
            ConnState::Ready => self.peer_limit.is_none(),
            ConnState::Draining(_) | ConnState::Closing(_) => false,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state == ConnState::Ready
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state == ConnState::Ready && self.in_flight == 0
    }

    /// A claim at `now` on the connection as it is.
    pub(crate) fn claim(&self, slot: usize, now: Instant) -> Claim {
        Claim {
            conn: ConnRef { slot, id: self.id },
            uses: self.uses,
            in_flight: self.in_flight,
            last_used: self.last_used,
            errors: self.errors,
            consecutive_errors: self.consecutive_errors,
            multiplexed: self.multiplexed,
            since: now,
            idle_limit: None,
        }
    }

    /// Whether it takes no new lease and only its end is to come.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.state, ConnState::Draining(_) | ConnState::Closing(_))
    }

    /// What eviction policies see.
    pub(crate) fn stats(&self) -> ConnStats {
        let mut stats = ConnStats::new(self.created);
        stats.last_used = self.last_used;
        stats.idle_since = (self.in_flight == 0).then_some(self.last_used);
        stats.uses = self.uses;
        stats.in_flight = u32::try_from(self.in_flight).unwrap_or(u32::MAX);
        stats.errors = self.errors;
        stats.consecutive_errors = self.consecutive_errors;
        stats.multiplexed = self.multiplexed;
        stats.seed = seed(self.id);
        stats
    }
}

/// A number that looks random and stays the same for a connection's life (splitmix64's finaliser).
pub(crate) fn seed(id: ConnId) -> u64 {
    let mut z = id.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
