//! What is true of one connection now, for whoever wants to look without its lock.
//!
//! The host's state owns the truth; this is its mirror. It is written under the host's lock, after each step, and read
//! with a few atomic loads. State, leases and limit are one word, so that they are of one moment.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::state::{Conn, ConnState};
use super::sync::{AtomicU64, Ordering};
use crate::info::ConnId;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ConnPhase {
    /// May be leased while it has room.
    Ready,
    /// Under a check, which is its only user.
    Probing,
    /// Takes no new lease; closes when the last one ends.
    Draining,
    /// Told to close; its socket is still there and still counts.
    Closing,
    /// Gone.
    Closed,
}

/// One connection at one moment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
#[doc(alias("UTLSConnection", "healthy", "inUse", "lastUsed", "created"))]
pub struct ConnStatus {
    /// Its id; never used twice.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_number"))]
    pub id: ConnId,
    /// Its remote address.
    pub target: SocketAddr,
    /// Where it is in its life.
    #[doc(alias = "healthy")]
    pub phase: ConnPhase,
    /// Leases now: 0 or 1 for HTTP/1.1, streams for HTTP/2.
    #[doc(alias = "inUse")]
    pub in_flight: usize,
    /// Leases it takes at a time.
    pub limit: usize,
    /// When it was opened.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub created: Instant,
    /// When it was last given back with no other lease left on it; `created` if never.
    #[cfg_attr(feature = "serde", serde(skip))]
    #[doc(alias = "lastUsed")]
    pub last_used: Instant,
    /// When a health check of it last ended.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub last_checked: Option<Instant>,
    /// Leases so far, those for checks not counted.
    #[doc(alias = "requestCount")]
    pub uses: u64,
    /// Exchanges that failed so far.
    #[doc(alias = "errorCount")]
    pub errors: u64,
    /// Bytes sent and received so far, above TLS, as far as whoever uses it counts them.
    pub bytes: u64,
    /// Its last health checks.
    pub health: HealthHistory,
}

impl ConnStatus {
    /// Whether it may be leased now.
    pub fn is_available(&self) -> bool {
        self.phase == ConnPhase::Ready && self.in_flight < self.limit
    }

    /// Whether it may be leased and carries no lease.
    pub fn is_idle(&self) -> bool {
        self.phase == ConnPhase::Ready && self.in_flight == 0
    }
}

/// How the last health checks of a connection ended; the latest 32 are remembered.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HealthHistory {
    checks: u32,
    /// Bit 0 is the latest; set: it failed.
    failed: u32,
}

impl HealthHistory {
    /// How many checks there were, at most `u32::MAX`.
    pub fn checks(self) -> u32 {
        self.checks
    }

    /// Whether the latest check passed; `None` before the first.
    pub fn last_passed(self) -> Option<bool> {
        (self.checks > 0).then_some(self.failed & 1 == 0)
    }

    /// How many of the last `n` checks failed, for `n` up to 32.
    pub fn failures_in(self, n: u32) -> u32 {
        let mask = 1_u32.checked_shl(n).map_or(u32::MAX, |bit| bit - 1);
        (self.failed & mask).count_ones()
    }

    fn with(self, passed: bool) -> Self {
        Self {
            checks: self.checks.saturating_add(1),
            failed: self.failed << 1 | u32::from(!passed),
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.checks) << 32 | u64::from(self.failed)
    }

    fn unpack(word: u64) -> Self {
        Self {
            checks: (word >> 32) as u32,
            failed: word as u32,
        }
    }
}

impl fmt::Debug for HealthHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthHistory")
            .field("checks", &self.checks)
            .field("failures_in_32", &self.failures_in(32))
            .finish()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for HealthHistory {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut fields = to.serialize_struct("HealthHistory", 3)?;
        fields.serialize_field("checks", &self.checks)?;
        fields.serialize_field("last_passed", &self.last_passed())?;
        fields.serialize_field("failures_in_32", &self.failures_in(32))?;
        fields.end()
    }
}

#[cfg(feature = "serde")]
fn as_number<S: serde::Serializer>(id: &ConnId, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(id.as_u64())
}

/// The mirror of one connection. What each lease changes comes first, so that it is in one cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct StatusCell {
    /// Phase (3 bits), leases (30 bits), limit (31 bits).
    now: AtomicU64,
    /// In nanoseconds since `created`.
    last_used: AtomicU64,
    uses: AtomicU64,
    errors: AtomicU64,
    created: Instant,
    id: ConnId,
    target: SocketAddr,
    /// As `last_used`, plus one; 0: never.
    last_checked: AtomicU64,
    bytes: AtomicU64,
    health: AtomicU64,
}

impl StatusCell {
    pub(crate) fn new(id: ConnId, target: SocketAddr, created: Instant) -> Self {
        Self {
            id,
            target,
            created,
            now: AtomicU64::new(pack(ConnPhase::Ready, 0, 0)),
            last_used: AtomicU64::new(0),
            last_checked: AtomicU64::new(0),
            uses: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            health: AtomicU64::new(0),
        }
    }

    pub(crate) fn id(&self) -> ConnId {
        self.id
    }

    pub(crate) fn target(&self) -> SocketAddr {
        self.target
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    /// Takes over what the state says. Called under the host's lock: there is one writer at a time.
    #[inline]
    pub(crate) fn publish(&self, conn: &Conn) {
        let phase = match conn.state {
            ConnState::Ready => ConnPhase::Ready,
            ConnState::Probing => ConnPhase::Probing,
            ConnState::Draining(_) => ConnPhase::Draining,
            ConnState::Closing(_) => ConnPhase::Closing,
        };
        let word = pack(phase, conn.in_flight, conn.limit);
        self.now.store(word, Ordering::Relaxed);
        if conn.in_flight == 0 {
            let last_used = self.since_created(conn.last_used);
            self.last_used.store(last_used, Ordering::Relaxed);
        }
        self.uses.store(conn.uses, Ordering::Relaxed);
        self.errors.store(conn.errors.into(), Ordering::Relaxed);
    }

    /// The connection is gone.
    pub(crate) fn close(&self) {
        self.now
            .store(pack(ConnPhase::Closed, 0, 0), Ordering::Relaxed);
    }

    /// A health check ended. Called by the check, which is the connection's only user.
    pub(crate) fn checked(&self, passed: bool, now: Instant) {
        let since = self.since_created(now).saturating_add(1);
        self.last_checked.store(since, Ordering::Relaxed);
        let history = HealthHistory::unpack(self.health.load(Ordering::Relaxed));
        self.health
            .store(history.with(passed).pack(), Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> ConnStatus {
        let (phase, in_flight, limit) = unpack(self.now.load(Ordering::Relaxed));
        ConnStatus {
            id: self.id,
            target: self.target,
            phase,
            in_flight,
            limit,
            created: self.created,
            last_used: self.at(self.last_used.load(Ordering::Relaxed)),
            last_checked: self.last_checked(),
            uses: self.uses.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            health: HealthHistory::unpack(self.health.load(Ordering::Relaxed)),
        }
    }

    /// When a health check of it last ended.
    pub(crate) fn last_checked(&self) -> Option<Instant> {
        let since = self.last_checked.load(Ordering::Relaxed);
        since.checked_sub(1).map(|since| self.at(since))
    }

    fn since_created(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.created);
        // Seconds and nanoseconds apart: a division of 128 bits would cost more than the rest of the step.
        since
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(since.subsec_nanos().into())
    }

    fn at(&self, since: u64) -> Instant {
        let at = self.created.checked_add(Duration::from_nanos(since));
        at.unwrap_or(self.created)
    }
}

const LEASES: u32 = 30;
const LIMIT: u32 = 31;

fn pack(phase: ConnPhase, in_flight: usize, limit: usize) -> u64 {
    let cut = |count: usize, bits: u32| (count as u64).min((1 << bits) - 1);
    (phase as u64) << (LEASES + LIMIT) | cut(in_flight, LEASES) << LIMIT | cut(limit, LIMIT)
}

fn unpack(word: u64) -> (ConnPhase, usize, usize) {
    let phase = match word >> (LEASES + LIMIT) {
        0 => ConnPhase::Ready,
        1 => ConnPhase::Probing,
        2 => ConnPhase::Draining,
        3 => ConnPhase::Closing,
        _ => ConnPhase::Closed,
    };
    let in_flight = word >> LIMIT & ((1 << LEASES) - 1);
    let limit = word & ((1 << LIMIT) - 1);
    (phase, in_flight as usize, limit as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_phase_leases_and_limit() {
        for phase in [
            ConnPhase::Ready,
            ConnPhase::Probing,
            ConnPhase::Draining,
            ConnPhase::Closing,
            ConnPhase::Closed,
        ] {
            for (in_flight, limit) in [(0, 1), (1, 1), (100, 0), ((1 << 30) - 1, (1 << 31) - 1)] {
                let word = pack(phase, in_flight, limit);
                assert_eq!(unpack(word), (phase, in_flight, limit));
            }
        }
        let (_, in_flight, limit) = unpack(pack(ConnPhase::Ready, usize::MAX, usize::MAX));
        assert_eq!((in_flight, limit), ((1 << 30) - 1, (1 << 31) - 1));
    }

    #[test]
    fn the_history_knows_the_latest_checks() {
        let mut history = HealthHistory::default();
        assert_eq!(history.last_passed(), None);
        for passed in [false, true, false, false] {
            history = HealthHistory::unpack(history.with(passed).pack());
        }
        assert_eq!((history.checks(), history.last_passed()), (4, Some(false)));
        assert_eq!(history.failures_in(0), 0);
        assert_eq!(history.failures_in(3), 2);
        assert_eq!(history.failures_in(32), 3);
        for _ in 0..32 {
            history = history.with(true);
        }
        assert_eq!((history.checks(), history.failures_in(99)), (36, 0));
    }
}
