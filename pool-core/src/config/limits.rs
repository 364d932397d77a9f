//! How many of each thing there may be.

use std::time::Duration;

#[cfg(feature = "serde")]
use super::{count, duration};

/// Upper bounds, each counted over all local and remote addresses together: more addresses never mean more load on a
/// site, unless [`per_site`](Self::per_site) says so.
///
/// `usize::MAX`, written `"unlimited"`, means that only the other bounds apply. "Host" is one
/// [`Key`](crate::Key): a name and port, with everything that keeps its connections apart from others. All counts of
/// connections include those being opened and those being drained, until the socket has closed.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Limits {
    /// Connections to one host. At least 1, at most [`total`](Self::total) unless unlimited.
    ///
    /// Defaults to 16: above the 6 of browsers, which spread a page over many hosts, and low enough not to trip the
    /// per-address connection limits that operators commonly set.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub per_host: usize,
    /// Connections to one site: to all hosts together that differ only in the [source class](crate::SourceClass) that requests ask
    /// for. At least [`per_host`](Self::per_host).
    ///
    /// Defaults to `per_host`: requests that ask for many sources get no more connections than those that ask for none. Who
    /// wants as many for each source sets `"unlimited"`.
    #[cfg_attr(
        feature = "serde",
        serde(with = "count::optional", skip_serializing_if = "Option::is_none")
    )]
    pub per_site: Option<usize>,
    /// Connections to one remote address of a host. At least 1, at most [`per_host`](Self::per_host) unless unlimited.
    ///
    /// Defaults to unlimited: a host with one address may use all of its connections there.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub per_endpoint: usize,
    /// Connections in all. At least 1.
    ///
    /// Defaults to 1024, the usual soft limit of open files; an application that knows its own limit sets it here.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub total: usize,
    /// Connections being opened to one host at a time. At least 1, at most [`dials_total`](Self::dials_total) unless
    /// unlimited.
    ///
    /// Defaults to 8: half of `per_host`, so that a cold host is not greeted with all of them at once.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub dials_per_host: usize,
    /// Connections being opened at a time, in all. At least 1.
    ///
    /// Defaults to 64: handshakes are what a pool spends processor time on, and a queue of them delays every one.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub dials_total: usize,
    /// Requests waiting for a connection to one host; the next is refused at once. At most
    /// [`waiters_total`](Self::waiters_total) unless unlimited; 0 means that nothing waits.
    ///
    /// Defaults to 1024.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub waiters_per_host: usize,
    /// Requests waiting for a connection, in all; 0 means that nothing waits.
    ///
    /// Defaults to 16384.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub waiters_total: usize,
    /// Idle connections kept for one host; 0 keeps none. At most [`per_host`](Self::per_host) unless unlimited.
    ///
    /// Defaults to unlimited: being idle is what a hot connection is for.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub idle_per_host: usize,
    /// Idle connections kept in all; 0 keeps none. At most [`total`](Self::total) unless unlimited.
    ///
    /// Defaults to unlimited.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub idle_total: usize,
    /// Requests at a time on one HTTP/2 connection; the peer may set a lower bound. At least 1.
    ///
    /// Defaults to 100, the least that RFC 9113 section 6.5.2 recommends a peer to allow.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub streams_per_conn: usize,
    /// Hosts remembered: above this, those without connections and waiters are forgotten, at the next
    /// [`idle_interval`](crate::config::Upkeep::idle_interval) or when there is an eighth more. At least 1.
    ///
    /// Defaults to 10000.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub hosts: usize,
    /// How many returned connections a host may hand to its own waiters while another host starves for lack of
    /// [`total`](Self::total); the next one is closed for the starving host. At least 1; unlimited never yields.
    ///
    /// Defaults to 8: at most one request in nine pays for a handshake elsewhere.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub fair_turn: usize,
    /// How long a connection must have been idle before it may be closed to make room for another host. Zero: at
    /// once; never: not at all.
    ///
    /// Defaults to 1 s, so that two busy hosts do not take turns closing each other's connections.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub min_reclaim_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_host: 16,
            per_site: None,
            per_endpoint: usize::MAX,
            total: 1024,
            dials_per_host: 8,
            dials_total: 64,
            waiters_per_host: 1024,
            waiters_total: 16_384,
            idle_per_host: usize::MAX,
            idle_total: usize::MAX,
            streams_per_conn: 100,
            hosts: 10_000,
            fair_turn: 8,
            min_reclaim_idle: Duration::from_secs(1),
        }
    }
}
