//! How long each phase of a request may take.

use std::time::Duration;

#[cfg(feature = "serde")]
use super::duration;

/// Deadlines, one per [`Phase`](crate::Phase) and one for closing.
///
/// None may be zero, except [`drain`](Self::drain); `Duration::MAX`, written `"never"`, switches one off.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Timeouts {
    /// Waiting for a connection, over everything that opening one takes. Defaults to 30 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub acquire: Duration,
    /// Looking up a host name. Defaults to 5 s, the wait of a stub resolver before it asks again (resolv.conf(5)).
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub resolve: Duration,
    /// Opening one TCP connection. Defaults to 10 s: room for three lost SYNs, sent again after 1, 3 and 7 s
    /// (RFC 6298).
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub connect: Duration,
    /// One TLS handshake, and the HTTP/2 preface after it. Defaults to 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub handshake: Duration,
    /// From the last byte of a request to the head of its response. Defaults to 60 s, as in nginx
    /// (`proxy_read_timeout`).
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub response_head: Duration,
    /// Between two pieces of a response body. Defaults to 60 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub body_idle: Duration,
    /// How long closing waits for requests under way before it cuts them off. Zero: not at all; never: until they
    /// end. Defaults to 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            acquire: Duration::from_secs(30),
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            response_head: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}
