//! Why no address could be leased, and when to ask again.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// No local address can be leased.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// Why.
    pub reason: ExhaustedReason,
    /// When asking again may succeed even if no lease is dropped until then; `None` if only a drop helps, or nothing.
    pub retry_at: Option<Instant>,
}

/// The ways of having no address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExhaustedReason {
    /// The allocator has no address at all.
    Empty,
    /// Every address that would do carries as many connections as it may; some may rest.
    AllBusy,
    /// Every address that would do rests, after a failure or until its ports are free again; `retry_at` says how long the
    /// first of them does.
    Resting,
    /// Every address that would do is excluded.
    Excluded,
    /// No source, or not the wanted one, is of the target's family.
    FamilyMismatch {
        /// The address that was to be dialled.
        target: SocketAddr,
    },
    /// The wanted address is not one of the allocator's.
    NotAllocated(IpAddr),
    /// The allocator knows no set of the wanted name.
    UnknownClass,
}

impl Exhausted {
    /// This reason, without a time to retry at.
    pub fn new(reason: ExhaustedReason) -> Self {
        Self {
            reason,
            retry_at: None,
        }
    }

    /// [`ExhaustedReason::AllBusy`]: wait for a lease to be dropped.
    pub fn all_busy() -> Self {
        Self::new(ExhaustedReason::AllBusy)
    }

    /// [`ExhaustedReason::FamilyMismatch`] for this target.
    pub fn family_mismatch(target: SocketAddr) -> Self {
        Self::new(ExhaustedReason::FamilyMismatch { target })
    }

    /// Sets the time at which asking again may succeed.
    #[must_use]
    pub fn with_retry_at(mut self, at: Instant) -> Self {
        self.retry_at = Some(at);
        self
    }

    /// Whether waiting can help: a lease may be dropped, or `retry_at` says when.
    ///
    /// False for what only another configuration or another request can mend.
    pub fn is_temporary(&self) -> bool {
        let busy = matches!(
            self.reason,
            ExhaustedReason::AllBusy | ExhaustedReason::Resting
        );
        busy || self.retry_at.is_some()
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            ExhaustedReason::Empty => f.write_str("there is no local address to choose from"),
            ExhaustedReason::AllBusy => f.write_str("every local address is busy"),
            ExhaustedReason::Resting => {
                f.write_str("every local address rests after a failure or until its ports are free")
            }
            ExhaustedReason::Excluded => f.write_str("every local address is excluded"),
            ExhaustedReason::FamilyMismatch { target } => {
                let family = if target.is_ipv4() { "IPv4" } else { "IPv6" };
                write!(f, "no {family} local address for the target {target}")
            }
            ExhaustedReason::NotAllocated(addr) => {
                write!(f, "{addr} is not one of the local addresses")
            }
            ExhaustedReason::UnknownClass => {
                f.write_str("there is no set of local addresses of that name")
            }
        }
    }
}

impl Error for Exhausted {}
