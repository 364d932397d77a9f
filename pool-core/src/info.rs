//! Which connection served a request, and why.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pool_tls::ProfileId;
use pool_tls::fidelity::Fidelity;

/// The HTTP version a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1: one request at a time.
    Http1,
    /// HTTP/2: many streams at a time.
    #[doc(alias = "h2ClientConn")]
    Http2,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        })
    }
}

/// Identifies one connection of one pool for as long as the process lives: never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub(crate) u64);

impl ConnId {
    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What stays true of a connection from its handshake to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnFacts {
    /// The remote address.
    pub target: SocketAddr,
    /// The local address the socket really has; `None` where the transport has none (an in-memory pipe).
    pub source: Option<SocketAddr>,
    /// The leased source address; `None` where the operating system chose.
    pub leased: Option<IpAddr>,
    /// The HTTP version.
    pub protocol: Protocol,
    /// The TLS profile that was sent; `None` on plain text.
    pub profile: Option<ProfileId>,
    /// How near the hello came to the profile's; `None` on plain text. [`Native`](Fidelity::Native) where the profile is the
    /// backend's own hello.
    pub fidelity: Option<Fidelity>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// The end of the server's certificate; `None` on plain text, or where the TLS connector does not tell.
    pub certificate_expires: Option<SystemTime>,
}

/// Which connection carried a request: in the extensions of every response, and on errors that had one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnInfo {
    /// The connection.
    pub id: ConnId,
    /// What is true of it for its whole life.
    pub facts: Arc<ConnFacts>,
    /// Whether an earlier request had used it.
    pub reused: bool,
    /// Its age when this request got it.
    pub age: Duration,
    /// How long this request waited for it, over all attempts.
    pub wait: Duration,
    /// Tries on the wire, this one included: 1 unless something was retried.
    pub attempts: u32,
}
