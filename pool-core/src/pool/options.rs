//! What one request may ask for.

use std::time::Duration;

use crate::key::{Partition, Protocols, SourceClass};
use crate::priority::Priority;
use crate::select::stable_hash;

/// What one request asks for, put into its extensions. Whatever is not set follows the pool's configuration.
///
/// Timeouts that pass are [`ErrorKind::Timeout`](crate::ErrorKind::Timeout); `Duration::MAX` waits for ever.
///
/// ```
/// use pool_core::{Partition, RequestOptions};
///
/// let mut request = http::Request::get("https://example.com/").body(()).unwrap();
/// request.extensions_mut().insert(RequestOptions::new().partition(Partition::named("tenant-7")));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    pub(crate) partition: Partition,
    pub(crate) source: SourceClass,
    pub(crate) protocols: Option<Protocols>,
    pub(crate) acquire_timeout: Option<Duration>,
    pub(crate) response_head_timeout: Option<Duration>,
    pub(crate) body_idle_timeout: Option<Duration>,
    pub(crate) no_retry: bool,
    pub(crate) priority: Priority,
    pub(crate) affinity: Option<u64>,
}

impl RequestOptions {
    /// Asks for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses only connections of this partition.
    #[must_use]
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// Uses only connections from these local addresses.
    #[must_use]
    pub fn source(mut self, source: SourceClass) -> Self {
        self.source = source;
        self
    }

    /// Speaks only these HTTP versions.
    #[must_use]
    pub fn protocols(mut self, protocols: Protocols) -> Self {
        self.protocols = Some(protocols);
        self
    }

    /// Waits at most this long for a connection, in each try. Zero takes what is there and waits for nothing.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = Some(timeout);
        self
    }

    /// Waits at most this long for the head of the response.
    #[must_use]
    pub fn response_head_timeout(mut self, timeout: Duration) -> Self {
        self.response_head_timeout = Some(timeout);
        self
    }

    /// Waits at most this long for each piece of the response's body.
    #[must_use]
    pub fn body_idle_timeout(mut self, timeout: Duration) -> Self {
        self.body_idle_timeout = Some(timeout);
        self
    }

    /// Waits for a connection in this class.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Prefers the address that other requests with the same text go to, if the pool's selector is `sticky`: a session, a
    /// user, a cache key.
    #[must_use]
    pub fn affinity(mut self, affinity: &str) -> Self {
        self.affinity = Some(stable_hash(affinity.as_bytes()));
        self
    }

    /// Tries once on the wire, whatever happens.
    #[must_use]
    pub fn no_retry(mut self) -> Self {
        self.no_retry = true;
        self
    }
}
