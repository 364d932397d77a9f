//! Trying again: opening connections, and sending requests.

use std::time::Duration;

use super::DialWhenBusy;
#[cfg(feature = "serde")]
use super::duration;

/// Opening connections.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Dial {
    /// The wait after the first failure to connect to an address; it doubles with every further one. Not zero.
    ///
    /// Defaults to 100 ms.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub backoff_base: Duration,
    /// The longest such wait. At least [`backoff_base`](Self::backoff_base); never: the wait keeps doubling.
    ///
    /// Defaults to 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub backoff_max: Duration,
    /// How long an address may take to accept a connection before a request that waits for it has the next address of the host
    /// dialled beside it (Happy Eyeballs, RFC 8305 section 5). At least 10 ms; never: one after the other.
    ///
    /// Defaults to 250 ms, as RFC 8305 recommends. The first connection that is ready serves; the other one, if it comes at all, stays in
    /// the pool as a warm one. Both count against [`Limits`](super::Limits), which may forbid the second. Each other address is tried
    /// once this way, and none that failed when it was dialled last; handshakes after the accept have all their time.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub attempt_delay: Duration,
    /// The part of each wait that is chosen at random, from 0 (none) to 1 (all of it).
    ///
    /// Defaults to 0.5: failures that happened together are not retried together, and none is retried at once.
    pub jitter: f64,
    /// Addresses kept of the answer for one name, those of both families in turn. At least 1.
    ///
    /// Defaults to 64: more than any honest answer has, and a bound for the others.
    pub max_addresses: usize,
    /// Bytes that the kernel may hold of what a connection has still to send: 4096 to 2^30, or 0 for the system's own size.
    ///
    /// Defaults to 0. A size of one's own is fixed, where the system's grows with the traffic (Linux: `net.ipv4.tcp_wmem`);
    /// it saves memory with many connections that a peer reads slowly. It is a wish: Linux doubles it, for its own books,
    /// and allows no more than `net.core.wmem_max`. Connections that are open keep theirs.
    pub send_buffer: u32,
    /// Bytes that the kernel may hold of what has come in and was not read, and so how much the peer may send ahead: 4096
    /// to 2^30, or 0 for the system's own size.
    ///
    /// Defaults to 0. As [`send_buffer`](Self::send_buffer); on Linux see `net.ipv4.tcp_rmem` and `net.core.rmem_max`. A path
    /// carries no more than this much per round trip.
    pub receive_buffer: u32,
    /// Whether a local address may be used that no interface has, as those of a prefix that is routed to this machine as a
    /// whole (`IP_FREEBIND`, `IPV6_FREEBIND`; Linux only). Cannot change while the pool runs.
    ///
    /// Defaults to false: an address that is mistyped, or has left the machine, is an error then and not a connect that times out.
    pub freebind: bool,
    /// The interface that all connections go by, whatever the routes say (`SO_BINDTODEVICE`; Linux only): 1 to 15 bytes. Cannot
    /// change while the pool runs.
    ///
    /// Defaults to none: the routes decide.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub device: Option<String>,
    /// The mark of all packets, for routing rules (`SO_MARK`; Linux only, and it needs `CAP_NET_ADMIN` or `CAP_NET_RAW`). Cannot change
    /// while the pool runs.
    ///
    /// Defaults to 0: no mark.
    pub mark: u32,
    /// Whether another connection is dialled for those who wait while all open ones of a host are in use:
    /// `"immediate"`; after a wait such as `"20ms"`; `"if-wait-exceeds-connect"`; or `"never"`.
    ///
    /// Defaults to `immediate`, as in hyper-util and Envoy: what comes first serves the one who waits longest. The others
    /// mean fewer connections and longer waits.
    pub when_busy: DialWhenBusy,
}

impl Default for Dial {
    fn default() -> Self {
        Self {
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            attempt_delay: Duration::from_millis(250),
            jitter: 0.5,
            max_addresses: 64,
            send_buffer: 0,
            receive_buffer: 0,
            freebind: false,
            device: None,
            mark: 0,
            when_busy: DialWhenBusy::Immediate,
        }
    }
}

/// Sending a request again after its connection failed.
///
/// Only requests that certainly were not processed, or may be repeated, are sent again, whatever these numbers say.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Retry {
    /// Tries of one request on the wire, the first included. At least 1, which means no retry.
    ///
    /// Defaults to 3.
    pub max_attempts: u32,
    /// Retries as a percentage of requests, over the whole pool, from 0 to 100: what keeps retries from
    /// multiplying the load on a site in trouble.
    ///
    /// Defaults to 10.
    pub budget_percent: u32,
    /// Retries that are allowed whatever the percentage says, so that a quiet pool may retry at all. 0: none.
    ///
    /// Defaults to 10.
    pub budget_min: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            budget_percent: 10,
            budget_min: 10,
        }
    }
}
