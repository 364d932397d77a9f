//! The work that goes on beside requests.

use std::time::Duration;

#[cfg(feature = "serde")]
use super::duration;

/// How often each kind of upkeep runs, and how much of it at a time.
///
/// No interval may be zero; `Duration::MAX`, written `"never"`, leaves that work to be run by hand.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Upkeep {
    /// Between two rounds of health checks over the idle connections. Defaults to 30 s.
    ///
    /// A round begins when the one before has ended, however long that took.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub health_interval: Duration,
    /// Health checks under way at a time, in all. At least 1. Defaults to 8. Which connections these are is scattered over the hosts, so
    /// that none has all of its own checked in one go.
    pub health_concurrency: usize,
    /// How many checks in a row must get a response that they refuse before the address is out of rotation. Checks that fail otherwise close
    /// their connection and speak against the address only as a failed request does. At least 1.
    ///
    /// Defaults to 1: no request meets what a check has met.
    pub health_fall: u32,
    /// How many checks in a row must succeed before such an address is back. At least 1. Defaults to 1.
    pub health_rise: u32,
    /// How long one health check may take before it has failed. Not zero; never: as long as it likes.
    ///
    /// Defaults to 5 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub health_timeout: Duration,
    /// How long an idle connection counts as alive after its last use or check. One that has been idle for longer is
    /// checked before a request gets it, while the request keeps its place at the head of the queue. Zero: checked before
    /// every use; never: no such checks. Without health checks nothing is checked.
    ///
    /// Defaults to 60 s, two rounds of [`health_interval`](Self::health_interval): while the rounds keep up, no request
    /// waits for a check.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub alive_bypass: Duration,
    /// Between two clean-ups of connections that have been idle too long, and between two looks at whether the access lists
    /// still allow the addresses in use. Defaults to 5 s: how much later than its policy says a connection may close.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub idle_interval: Duration,
    /// Between two clean-ups of connections that have lived too long. Defaults to 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub lifetime_interval: Duration,
    /// Between two lookups of the names of known hosts: new addresses join, those that are gone drain.
    ///
    /// An [`Answer`](crate::Answer) that says how long it counts, or that it has changed, is asked for again then, whatever this says.
    ///
    /// Defaults to 60 s, a common time to live of records that are meant to move.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub refresh_interval: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            health_interval: Duration::from_secs(30),
            health_concurrency: 8,
            health_fall: 1,
            health_rise: 1,
            health_timeout: Duration::from_secs(5),
            alive_bypass: Duration::from_secs(60),
            idle_interval: Duration::from_secs(5),
            lifetime_interval: Duration::from_secs(10),
            refresh_interval: Duration::from_secs(60),
        }
    }
}
