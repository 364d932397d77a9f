//! What a demand takes, and how far each number can be relied on.

use std::time::Duration;

use crate::config::Limits;

/// What a [`Demand`](super::Demand) takes; per host, unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Requests per second, `λ`.
    pub rate_per_host: Figure<f64>,
    /// Requests at a time on average, `L = λ·W`. Fewer slots than that, and the queue grows without end.
    pub in_flight: Figure<f64>,
    /// Requests at a time that there should be room for: `L + z·√L + z²/6`, rounded up.
    pub slots: Figure<usize>,
    /// The share of arrivals that finds all open connections taken, from 0 to 1, by [`waiting_share`](super::waiting_share).
    ///
    /// Exact for exponential latencies; for others close, and less where latencies vary less.
    pub waiting_share: Figure<f64>,
    /// Connections that should be open: slots by streams, rounded up.
    pub open: Figure<usize>,
    /// Connections that the server's count of requests closes per second: `λ/N`.
    pub closed_by_requests: Figure<f64>,
    /// Connections that their age closes per second, at most: each of them once in its lifetime.
    pub closed_by_age: Figure<f64>,
    /// Connections that idleness closes per second, at most: those beyond the mean load, each once in that time.
    pub closed_by_idleness: Figure<f64>,
    /// Connections opened per second: as many as close, and no more than there are requests. By law where only the
    /// server's count closes them, else at most so many.
    pub dials_per_second: Figure<f64>,
    /// Dials in flight on average: dials per second by the time of a handshake, again Little's law.
    pub dialling: Figure<f64>,
    /// Dials in flight that there should be room for, beside the open connections.
    pub dial_places: Figure<usize>,
    /// The share of requests that waits for a dial, at most: the pool dials when somebody asks.
    pub dialling_share: Figure<f64>,
    /// Connections to each address from each source, for [`Warm::per_cell`](crate::Warm::per_cell).
    pub per_cell: Figure<usize>,
    /// Connections, those being dialled included: `limits.per_host`.
    pub per_host: Figure<usize>,
    /// Connections to all hosts: `limits.total`.
    pub in_all: Figure<usize>,
    /// How long it takes to open everything from nothing within the limits of dials.
    pub cold_start: Figure<Duration>,
    /// How long all connections may be stuck while the queue still has room.
    pub stall: Figure<Duration>,
    /// Dials at a time: `limits.dials_per_host`.
    ///
    /// A quarter of the connections, so that a cold host is open after four rounds of handshakes and is not greeted
    /// with all of them at once; not below the default of the limit, nor below what replacements take.
    pub dials_per_host: Figure<usize>,
    /// Dials at a time to all hosts: `limits.dials_total`, not below its default.
    pub dials_total: Figure<usize>,
    /// Requests that may have to wait at a time: the least that `limits.waiters_per_host` should be.
    pub waiters_per_host: Figure<usize>,
    /// Requests to all hosts that may have to wait at a time: the least that `limits.waiters_total` should be.
    pub waiters_total: Figure<usize>,
    /// Files that the process needs: its connections and 64 others.
    pub open_files: Figure<u64>,
    /// Memory on the heap of the client for all connections while they are idle; see [`HEAP_PER_HTTP1`] and
    /// [`HEAP_PER_HTTP2`].
    pub heap_bytes: Figure<u64>,
    /// Whether the files suffice.
    pub fit: Fit,
    pub(super) streams: Option<usize>,
    pub(super) hosts: usize,
}

impl Plan {
    /// The limits that this plan needs; whatever it says nothing about is as in `others`.
    ///
    /// It sets `per_host`, `total`, `dials_per_host` and `dials_total`, for HTTP/2 `streams_per_conn`, and raises
    /// `waiters_per_host`, `waiters_total` and `hosts` where they are too low: a longer queue costs nothing until it is
    /// needed. Bounds in `others` that are parts of these are lowered to them, as a configuration demands.
    #[must_use]
    pub fn limits(&self, others: &Limits) -> Limits {
        let within = |part: usize, whole: usize| match part {
            usize::MAX => part,
            _ => part.min(whole),
        };
        let (per_host, total) = (self.per_host.value, self.in_all.value);
        let waiters_per_host = self.waiters_per_host.value.max(others.waiters_per_host);
        let waiters_total = self.waiters_total.value.max(others.waiters_total);
        Limits {
            per_host,
            per_site: others.per_site.map(|most| most.max(per_host)),
            total,
            dials_per_host: self.dials_per_host.value,
            dials_total: self.dials_total.value,
            waiters_per_host,
            waiters_total: match waiters_per_host {
                usize::MAX => waiters_total,
                _ => waiters_total.max(waiters_per_host),
            },
            streams_per_conn: self.streams.unwrap_or(others.streams_per_conn),
            hosts: others.hosts.max(self.hosts),
            per_endpoint: within(others.per_endpoint, per_host),
            idle_per_host: within(others.idle_per_host, per_host),
            idle_total: within(others.idle_total, total),
            fair_turn: others.fair_turn,
            min_reclaim_idle: others.min_reclaim_idle,
        }
    }
}

/// A number, and how far it can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figure<T> {
    /// The number.
    pub value: T,
    /// What it rests on.
    pub basis: Basis,
}

/// What a number rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// It follows from the demand for any distribution of arrivals and latencies, in the long run.
    Law,
    /// It takes assumptions besides: arrivals that are independent, closings that do not coincide, memory as it was
    /// measured once.
    Estimate,
}

/// Whether the files that a process may open suffice.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fit {
    /// Nobody said how many there are.
    Unknown,
    /// They do.
    Fits {
        /// What there is.
        available: u64,
    },
    /// They do not.
    TooFewFiles {
        /// What the plan needs.
        needed: u64,
        /// What there is.
        available: u64,
        /// The rate over all hosts that would fit, to one part in a million; `None` if none does, because hosts,
        /// addresses and sources alone take more.
        rate: Option<f64>,
    },
}

pub(super) fn law<T>(value: T) -> Figure<T> {
    let basis = Basis::Law;
    Figure { value, basis }
}

pub(super) fn estimate<T>(value: T) -> Figure<T> {
    let basis = Basis::Estimate;
    Figure { value, basis }
}

/// Bytes on the heap of the client for an open, idle HTTP/1.1 connection over TLS.
///
/// Measured: 35.8 KiB in 2000 connections of a pool to origins in another process, by an allocator that counts (25
/// November 2026, x86-64 with two virtual processors, release build, rustls with ring, a chain of one small
/// certificate). A real chain adds its size, 3 to 5 KiB; so do bodies that are being read. Resident were 24 KiB, because
/// buffers that nothing has filled yet take no pages. The kernel's memory for the socket is not in it.
pub const HEAP_PER_HTTP1: u64 = 36 * 1024;

/// Bytes on the heap of the client for an open, idle HTTP/2 connection over TLS.
///
/// Measured as [`HEAP_PER_HTTP1`] was: 39.9 KiB fresh, and 44.6 KiB after three requests at a time had been served.
pub const HEAP_PER_HTTP2: u64 = 45 * 1024;
