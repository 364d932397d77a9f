//! One remote address of a host: its connections with room, and whether it may be used.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pool_health::{EndpointStats, Tracker};
use slab::Slab;
use smallvec::SmallVec;

use super::conn::{Conn, Free, Home};
use crate::manager::list::{Linked, Links, List};

/// Whether an address may carry requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In rotation.
    Active,
    /// Out of rotation until this time; without one, until a check succeeds.
    Ejected(Option<Instant>),
    /// No longer an address of the host; forgotten with its last connection.
    Gone,
}

/// The order is that of use: what a claim touches comes first, so that it is in few cache lines.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Endpoint {
    /// Connections with room; index = leases in flight.
    free: SmallVec<[List<Free>; 2]>,
    free_len: usize,
    /// No list before this one has a connection.
    lowest: usize,
    /// Leases on its connections.
    pub(crate) in_flight: usize,
    pub(crate) ready: Links,
    pub(crate) standing: Standing,
    /// An exchange failed here: other addresses are preferred until then.
    pub(crate) doubted_until: Option<Instant>,
    /// Such failures since the last success.
    pub(crate) doubts: u32,
    pub(crate) addr: SocketAddr,
    /// Connections of any state.
    conns: List<Home>,
    /// Dials asked for or running.
    pub(crate) dials: usize,
    pub(crate) backoff_until: Option<Instant>,
    /// When it was last dialled, as a serial number: ties go to the one dialled longest ago.
    pub(crate) last_dial: u64,
    /// Failed dials since the last good one.
    pub(crate) failed_dials: u32,
    pub(crate) stats: EndpointStats,
    /// What checks found lately; `None` before the first.
    pub(crate) checks: Option<Tracker>,
}

/// The list of endpoints that have a connection with room, in rotation order.
#[derive(Clone, Debug)]
pub(crate) enum Ready {}

impl Linked<Ready> for Endpoint {
    fn links(&self) -> Links {
        self.ready
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.ready
    }
}

impl Endpoint {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            standing: Standing::Active,
            conns: List::default(),
            in_flight: 0,
            dials: 0,
            backoff_until: None,
            doubted_until: None,
            doubts: 0,
            stats: EndpointStats::default(),
            checks: None,
            last_dial: 0,
            failed_dials: 0,
            free: SmallVec::new(),
            free_len: 0,
            lowest: 0,
            ready: Links::default(),
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    pub(crate) fn has_free(&self) -> bool {
        self.free_len > 0
    }

    /// Connections and dials together: what per-endpoint limits count.
    pub(crate) fn load(&self) -> usize {
        self.conns.len() + self.dials
    }

    pub(crate) fn insert_conn(&mut self, conns: &mut Slab<Conn>, slot: usize) {
        self.conns.push_back(conns, slot);
    }

    pub(crate) fn remove_conn(&mut self, conns: &mut Slab<Conn>, slot: usize) {
        self.conns.remove(conns, slot);
    }

    pub(crate) fn conns_len(&self) -> usize {
        self.conns.len()
    }

    /// The slots of its connections.
    pub(crate) fn conns(&self, conns: &Slab<Conn>) -> Vec<usize> {
        self.conns.iter(conns).collect()
    }

    #[inline]
    pub(crate) fn insert_free(&mut self, conns: &mut Slab<Conn>, slot: usize) {
        let at = conns[slot].in_flight;
        if self.free.len() <= at {
            self.free.resize_with(at + 1, List::default);
        }
        self.free[at].push_back(conns, slot);
        self.free_len += 1;
        self.lowest = self.lowest.min(at);
    }

    /// Takes out a connection that was inserted when it had `in_flight` leases.
    #[inline]
    pub(crate) fn remove_free(&mut self, conns: &mut Slab<Conn>, slot: usize, in_flight: usize) {
        self.free[in_flight].remove(conns, slot);
        self.free_len -= 1;
    }

    /// The connection to claim next.
    ///
    /// HTTP/2: the fewest streams, and among equals the one that waited longest, so that every warm connection
    /// carries traffic. HTTP/1.1: the one used last, so that the surplus grows old and is evicted.
    #[inline]
    pub(crate) fn pick(&mut self, conns: &Slab<Conn>) -> Option<usize> {
        if self.free_len == 0 {
            return None;
        }
        while self.free[self.lowest].is_empty() {
            self.lowest += 1;
        }
        let list = &self.free[self.lowest];
        let last = list.back()?;
        if conns[last].multiplexed {
            list.front()
        } else {
            Some(last)
        }
    }

    /// Notes a failed dial: no other before `base`, doubled with each failure in a row up to `max`, less the share
    /// `cut` of that.
    ///
    /// Dials that ran side by side fail together: while a wait lasts, another failure does not lengthen it.
    pub(crate) fn back_off(&mut self, now: Instant, base: Duration, max: Duration, cut: f64) {
        if self.backoff_until.is_some_and(|at| at > now) {
            return;
        }
        self.backoff_until = now.checked_add(growing(self.failed_dials, base, max, cut));
        self.failed_dials = self.failed_dials.saturating_add(1);
    }

    /// Notes a failed exchange: others are preferred for a while, which grows as that of [`back_off`](Self::back_off).
    pub(crate) fn doubt(&mut self, now: Instant, base: Duration, max: Duration, cut: f64) {
        if self.is_doubted(now) {
            return;
        }
        self.doubted_until = now.checked_add(growing(self.doubts, base, max, cut));
        self.doubts = self.doubts.saturating_add(1);
    }

    pub(crate) fn is_doubted(&self, now: Instant) -> bool {
        self.doubted_until.is_some_and(|at| at > now)
    }

    /// The connections with room, each with the leases in flight that it is listed under.
    #[cfg(test)]
    pub(super) fn free(&self, conns: &Slab<Conn>) -> Vec<(usize, usize)> {
        let lists = self.free.iter().enumerate();
        let free: Vec<_> = lists
            .flat_map(|(at, list)| list.iter(conns).map(move |slot| (at, slot)))
            .collect();
        assert_eq!(free.len(), self.free_len);
        assert!(free.first().is_none_or(|&(at, _)| self.lowest <= at));
        free
    }

    pub(crate) fn may_dial(&self, now: Instant) -> bool {
        self.is_active() && self.backoff_until.is_none_or(|at| at <= now)
    }
}

/// `base`, doubled `doublings` times up to `max`, less the share `cut` of that.
fn growing(doublings: u32, base: Duration, max: Duration, cut: f64) -> Duration {
    let full = base.saturating_mul(1 << doublings.min(20)).min(max);
    let full = full.min(FOREVER);
    // Twelve bits are enough to keep hosts apart, and no share of any duration overflows.
    let kept = 4096 - (cut.clamp(0.0, 1.0) * 4096.0) as u32;
    (full / 4096).saturating_mul(kept)
}

/// A wait as good as one without end, but with an end that a clock can name: a wait until no moment would be no wait.
pub(super) const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
