//! What a connection promises its peer about memory, and how a silent peer is found.

use std::time::Duration;

#[cfg(feature = "serde")]
use super::{count, duration};

/// Who speaks HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Http1Engine {
    /// This crate: whoever waits for a response reads it from the socket. Quicker and stricter than hyper. Written `"inline"`.
    #[default]
    Inline,
    /// The hyper library, which drives each connection in a task of its own. Written `"hyper"`.
    Hyper,
}

/// HTTP/1.1 connections.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Http1 {
    /// Who speaks it. A change holds for connections opened from then on.
    pub engine: Http1Engine,
    /// Bytes buffered while reading, which bounds the head of a response. At least 8192, the least that hyper takes.
    ///
    /// Defaults to 64 KiB, like [`Http2::header_list`].
    pub buffer: usize,
    /// Fields in the head of a response. At least 1. Defaults to 100, as in hyper.
    pub headers: usize,
}

impl Default for Http1 {
    fn default() -> Self {
        Self {
            engine: Http1Engine::default(),
            buffer: 64 * 1024,
            headers: 100,
        }
    }
}

/// HTTP/2 connections.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Http2 {
    /// Connections to one host up to which another is opened because those that are open carry many requests, although
    /// none of them is full. At least 1; unlimited: as many as [`Limits`](super::Limits) allow.
    ///
    /// One connection is one task and one socket, so that it keeps about one processor busy. Another is opened when each
    /// has carried at least 8 requests at a time, and has done so for half a second more than it has not. Nothing waits
    /// for it, no other host gives up a connection for it, and once there is little to do, what evicts idle connections
    /// closes it. With 1 only [full](super::Limits::streams_per_conn) connections get company, which this number does not
    /// bound. Where [`Dial::when_busy`](super::Dial::when_busy) is `"never"` it counts as 1.
    ///
    /// Defaults to 2, which served 1.2 to 1.3 times the requests that 1 did, on two processors.
    #[cfg_attr(feature = "serde", serde(with = "count"))]
    pub connections: usize,
    /// How long a connection stays quiet before a PING asks whether the peer is there. Not zero; never: no PINGs.
    ///
    /// Defaults to 20 s, below the 30 s after which some middleboxes forget a quiet connection. The next PING is due
    /// only when the last one was answered, so the interval may be shorter than [`ping_timeout`](Self::ping_timeout).
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub ping_interval: Duration,
    /// How long a PING may stay unanswered before the connection counts as dead. Not zero, and not never unless
    /// [`ping_interval`](Self::ping_interval) is. Defaults to 5 s.
    #[cfg_attr(feature = "serde", serde(with = "duration"))]
    pub ping_timeout: Duration,
    /// Bytes of one response that the peer may send before they are read: `SETTINGS_INITIAL_WINDOW_SIZE`. Under a profile with
    /// an HTTP/2 opening, the profile says this, [`connection_window`](Self::connection_window) and [`frame`](Self::frame).
    ///
    /// From 1 to 2³¹−1 (RFC 9113 section 6.9.1). Defaults to 2 MiB, as in hyper's client.
    pub stream_window: u32,
    /// Bytes of all responses of one connection that the peer may send before they are read.
    ///
    /// From 65535, below which a connection window cannot start (RFC 9113 section 6.9.2), to 2³¹−1. Defaults to 5 MiB,
    /// as in hyper's client.
    pub connection_window: u32,
    /// Bytes of one frame from the peer: `SETTINGS_MAX_FRAME_SIZE`.
    ///
    /// From 16384 to 16777215 (RFC 9113 section 6.5.2). Defaults to 16384.
    pub frame: u32,
    /// Bytes of the head of a response, counted as RFC 9113 section 6.5.2 does: `SETTINGS_MAX_HEADER_LIST_SIZE`. Kept whatever
    /// a profile tells the peer.
    ///
    /// At least 1. Defaults to 64 KiB.
    pub header_list: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            connections: 2,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(5),
            stream_window: 2 * 1024 * 1024,
            connection_window: 5 * 1024 * 1024,
            frame: 16_384,
            header_list: 64 * 1024,
        }
    }
}
