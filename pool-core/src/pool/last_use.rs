//! The one request of a connection that is not to be reused.

use http::header::CONNECTION;
use http::{HeaderValue, Request};

use crate::http::{Body, HttpConn};
use crate::info::Protocol;
use crate::manager::{CloseReason, HostHandle, Lease};

/// A connection of HTTP/1.1 of a host in quarantine serves this request and then closes.
pub(super) struct LastUse {
    /// Whether the request says so to the peer, unlike the caller.
    said: bool,
}

impl LastUse {
    /// Takes the connection out of use after this lease, if it is not to be reused.
    ///
    /// Before anything is sent: what its peer says later cannot bring it back.
    pub(super) fn of(lease: &Lease<HttpConn>, host: &HostHandle<HttpConn>) -> Option<Self> {
        let is_last = host.is_quarantined() && lease.conn().protocol() == Protocol::Http1;
        is_last.then(|| {
            host.drain(lease.conn_ref(), CloseReason::Quarantined);
            Self { said: false }
        })
    }

    /// Says so to the peer, unless the caller has something else to say about the connection.
    pub(super) fn announce(mut self, request: &mut Request<Body>) -> Self {
        let headers = request.headers_mut();
        if !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            self.said = true;
        }
        self
    }

    /// Makes the request again what the caller gave: its next connection may be another matter.
    pub(super) fn take_back(&self, request: &mut Request<Body>) {
        if self.said {
            request.headers_mut().remove(CONNECTION);
        }
    }
}
