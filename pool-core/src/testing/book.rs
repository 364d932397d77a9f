//! The entries behind a ledger.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Method;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_rustls::rustls::{HandshakeKind, ServerConnection};

use crate::info::Protocol;

/// A moment in a [`Ledger`](super::Ledger), between two entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) u64);

/// One TCP connection that an origin accepted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnRecord {
    /// The number that answers carry as `x-conn`; unique in the fleet, counted from zero.
    pub id: u64,
    /// The index of the origin in the fleet.
    pub origin: usize,
    /// The origin's address.
    pub addr: SocketAddr,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// What is spoken; `None` until the handshake ended.
    pub protocol: Option<Protocol>,
    /// The server name that the client sent, if any.
    pub server_name: Option<String>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// The certificate that the client showed, in DER.
    pub client_certificate: Option<Vec<u8>>,
    /// Requests whose head arrived.
    pub requests: u64,
    /// Requests in progress now. A stream that the client reset counts until its task has noticed.
    pub concurrent: u64,
    /// The most requests that were ever in progress at the same time.
    pub max_concurrent: u64,
    /// When it was accepted.
    pub accepted_at: Instant,
    pub(super) accepted: Mark,
    pub(super) ready: Option<Mark>,
    pub(super) closed: Option<Mark>,
}

impl ConnRecord {
    /// Whether it is open as far as the origin knows.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// One request whose head arrived at an origin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The request's `x-request-id`, if it had one.
    pub id: Option<String>,
    /// Its `user-agent`, if it had one.
    pub user_agent: Option<String>,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The index of the origin in the fleet.
    pub origin: usize,
    /// The [`ConnRecord::id`] it came on.
    pub conn: u64,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// The status it was answered with; `None` if it was not, or not yet.
    pub status: Option<u16>,
    /// When its head arrived.
    pub at: Instant,
    arrived: Mark,
}

/// What the origins of one fleet enter, each entry under one short lock.
#[derive(Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    changed: Notify,
}

impl Book {
    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes at the next entry.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn enter_accepted(&self, origin: usize, addr: SocketAddr, peer: SocketAddr) -> u64 {
        self.enter(|pages, mark| {
            let id = pages.conns.len() as u64;
            pages.conns.push(ConnRecord {
                id,
                origin,
                addr,
                peer,
                protocol: None,
                server_name: None,
                resumed: false,
                client_certificate: None,
                requests: 0,
                concurrent: 0,
                max_concurrent: 0,
                accepted_at: now(),
                accepted: mark,
                ready: None,
                closed: None,
            });
            id
        })
    }

    pub(super) fn enter_ready(&self, conn: u64, handshake: Handshake) {
        self.enter(|pages, mark| {
            let conn = pages.conn_mut(conn);
            conn.protocol = Some(handshake.protocol);
            conn.resumed = handshake.resumed;
            conn.server_name = handshake.server_name;
            conn.client_certificate = handshake.client_certificate;
            conn.ready = Some(mark);
        });
    }

    /// Returns the request's place, for [`enter_answered`](Self::enter_answered).
    pub(super) fn enter_arrived(
        &self,
        conn: u64,
        id: Option<String>,
        user_agent: Option<String>,
        method: Method,
        path: String,
    ) -> usize {
        self.enter(|pages, mark| {
            let record = pages.conn_mut(conn);
            record.requests += 1;
            record.concurrent += 1;
            record.max_concurrent = record.max_concurrent.max(record.concurrent);
            let (origin, peer) = (record.origin, record.peer);
            pages.requests.push(RequestRecord {
                id,
                user_agent,
                method,
                path,
                origin,
                conn,
                peer,
                status: None,
                at: now(),
                arrived: mark,
            });
            pages.requests.len() - 1
        })
    }

    pub(super) fn enter_answered(&self, request: usize, status: u16) {
        self.enter(|pages, _| pages.requests[request].status = Some(status));
    }

    /// The request is over, answered or not.
    pub(super) fn enter_ended(&self, conn: u64) {
        self.enter(|pages, _| pages.conn_mut(conn).concurrent -= 1);
    }

    /// Again changes nothing.
    pub(super) fn enter_closed(&self, conn: u64) {
        self.enter(|pages, mark| {
            pages.conn_mut(conn).closed.get_or_insert(mark);
        });
    }

    fn enter<R>(&self, entry: impl FnOnce(&mut Pages, Mark) -> R) -> R {
        let mut pages = self.pages();
        let mark = pages.mark();
        pages.entries += 1;
        let result = entry(&mut pages, mark);
        drop(pages);
        self.changed.notify_waiters();
        result
    }
}

/// What a handshake settled.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) protocol: Protocol,
    pub(super) resumed: bool,
    pub(super) server_name: Option<String>,
    pub(super) client_certificate: Option<Vec<u8>>,
}

impl Handshake {
    pub(super) fn plain(protocol: Protocol) -> Self {
        Self {
            protocol,
            resumed: false,
            server_name: None,
            client_certificate: None,
        }
    }

    pub(super) fn tls(session: &ServerConnection) -> Self {
        let is_h2 = session.alpn_protocol() == Some(b"h2");
        let chain = session.peer_certificates();
        Self {
            protocol: if is_h2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            },
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            server_name: session.server_name().map(str::to_owned),
            client_certificate: chain.and_then(|chain| Some(chain.first()?.to_vec())),
        }
    }
}

#[derive(Default)]
pub(super) struct Pages {
    entries: u64,
    /// Indexed by connection id.
    conns: Vec<ConnRecord>,
    /// In the order of arrival.
    requests: Vec<RequestRecord>,
}

impl Pages {
    /// The next entry's.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.entries)
    }

    pub(super) fn conn(&self, id: u64) -> Option<&ConnRecord> {
        self.conns.get(usize::try_from(id).ok()?)
    }

    pub(super) fn conns_of(&self, origin: Option<usize>) -> impl Iterator<Item = &ConnRecord> {
        let conns = self.conns.iter();
        conns.filter(move |conn| origin.is_none_or(|index| index == conn.origin))
    }

    pub(super) fn requests_of(
        &self,
        origin: Option<usize>,
        since: Mark,
    ) -> impl Iterator<Item = &RequestRecord> {
        let first = self.requests.partition_point(|r| r.arrived < since);
        let requests = self.requests[first..].iter();
        requests.filter(move |request| origin.is_none_or(|index| index == request.origin))
    }

    fn conn_mut(&mut self, id: u64) -> &mut ConnRecord {
        let index = usize::try_from(id).expect("ids are indices of this vector");
        &mut self.conns[index]
    }
}

// The runtime's clock, so that paused time is seen here too.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
