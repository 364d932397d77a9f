//! What the origins saw: connections, requests, sources, repetitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Method;
use tokio::sync::Notify;

use crate::info::Protocol;

/// A view of what origins saw: of a whole fleet or of one origin, from the start or since a [`Mark`].
///
/// It is live: each question looks at the present. A clone is the same view. An answer's status is entered before its
/// head is sent, so a client that holds an answer finds it here; the end of a handshake or of a connection may be
/// entered a moment after the client knows of it, which is what [`wait_until`](Self::wait_until) is for.
#[derive(Clone)]
pub struct Ledger {
    book: Arc<Book>,
    origin: Option<usize>,
    since: Mark,
}

/// A moment in a [`Ledger`], between two entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

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
    /// Requests whose head arrived.
    pub requests: u64,
    /// Requests in progress now. A stream that the client reset counts until its task has noticed.
    pub concurrent: u64,
    /// The most requests that were ever in progress at the same time.
    pub max_concurrent: u64,
    /// When it was accepted.
    pub accepted_at: Instant,
    accepted: Mark,
    ready: Option<Mark>,
    closed: Option<Mark>,
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

impl Ledger {
    /// This moment, for [`since`](Self::since).
    pub fn mark(&self) -> Mark {
        Mark(self.book.pages().entries)
    }

    /// The same view without what was entered before `mark`: connections accepted, handshakes ended and requests
    /// arrived since.
    pub fn since(&self, mark: &Mark) -> Ledger {
        Self {
            since: self.since.max(*mark),
            ..self.clone()
        }
    }

    /// TCP connections accepted.
    pub fn accepted(&self) -> usize {
        self.count_conns(|conn| conn.accepted >= self.since)
    }

    /// TLS handshakes completed; without TLS, connections that were told apart from noise by their first bytes.
    pub fn handshakes(&self) -> usize {
        self.count_conns(|conn| conn.ready >= Some(self.since))
    }

    /// TLS handshakes completed by resumption.
    pub fn resumed(&self) -> usize {
        self.count_conns(|conn| conn.resumed && conn.ready >= Some(self.since))
    }

    /// Connections open now, whenever they were accepted.
    pub fn open_connections(&self) -> usize {
        self.count_conns(ConnRecord::is_open)
    }

    /// The most connections that were open at the same time, those from before the mark included.
    pub fn peak_open(&self) -> usize {
        let mut steps = Vec::new();
        for conn in self.all_conns() {
            if conn.closed.is_some_and(|closed| closed < self.since) {
                continue;
            }
            steps.push((conn.accepted, 1));
            steps.extend(conn.closed.map(|closed| (closed, -1)));
        }
        steps.sort_unstable();
        let mut open = 0_isize;
        let mut peak = 0;
        for (_, step) in steps {
            open += step;
            peak = peak.max(open);
        }
        peak.unsigned_abs()
    }

    /// The most requests that were ever in progress at the same time on one connection.
    pub fn max_concurrent(&self) -> u64 {
        let conns = self.conns();
        let most = conns.iter().map(|conn| conn.max_concurrent).max();
        most.unwrap_or(0)
    }

    /// Requests answered, whatever the status.
    pub fn served(&self) -> usize {
        self.statuses().values().sum()
    }

    /// How often each status was answered.
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        self.tally(|request| request.status)
    }

    /// The client addresses from which at least one request came.
    pub fn sources(&self) -> BTreeSet<IpAddr> {
        let requests = self.tally(|request| Some(request.peer.ip()));
        requests.into_keys().collect()
    }

    /// The `x-request-id`s that arrived more than once, each with how often.
    pub fn duplicates(&self) -> Vec<(String, usize)> {
        let ids = self.tally(|request| request.id.clone());
        ids.into_iter().filter(|(_, times)| *times > 1).collect()
    }

    /// The most requests that arrived on one connection.
    pub fn max_requests_on_a_connection(&self) -> usize {
        let conns = self.tally(|request| Some(request.conn));
        conns.into_values().max().unwrap_or(0)
    }

    /// The connections accepted, in that order.
    pub fn conns(&self) -> Vec<ConnRecord> {
        let mut conns = self.all_conns();
        conns.retain(|conn| conn.accepted >= self.since);
        conns
    }

    /// One connection by its `x-conn`, of any origin, whenever it was accepted.
    pub fn conn(&self, id: u64) -> Option<ConnRecord> {
        let pages = self.book.pages();
        pages.conns.get(usize::try_from(id).ok()?).cloned()
    }

    /// The requests that arrived, in that order.
    pub fn requests(&self) -> Vec<RequestRecord> {
        let pages = self.book.pages();
        pages.requests_of(self).cloned().collect()
    }

    /// Waits until `holds` says so; it is asked at once and after every entry.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Ledger) -> bool) {
        loop {
            let mut changed = pin!(self.book.changed.notified());
            // Enlisted before looking: an entry made after the look wakes it.
            changed.as_mut().enable();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }

    fn count_conns(&self, which: impl Fn(&ConnRecord) -> bool) -> usize {
        let pages = self.book.pages();
        pages.conns_of(self).filter(|conn| which(conn)).count()
    }

    fn all_conns(&self) -> Vec<ConnRecord> {
        let pages = self.book.pages();
        pages.conns_of(self).cloned().collect()
    }

    fn tally<K: Ord>(&self, by: impl Fn(&RequestRecord) -> Option<K>) -> BTreeMap<K, usize> {
        let pages = self.book.pages();
        let mut tally = BTreeMap::new();
        for key in pages.requests_of(self).filter_map(by) {
            *tally.entry(key).or_default() += 1;
        }
        tally
    }
}

/// Making entries, and the views of one origin.
impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            book: Arc::default(),
            origin: None,
            since: Mark(0),
        }
    }

    pub(super) fn of_origin(&self, origin: usize) -> Self {
        Self {
            origin: Some(origin),
            ..self.clone()
        }
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

    pub(super) fn enter_ready(
        &self,
        conn: u64,
        protocol: Protocol,
        resumed: bool,
        server_name: Option<String>,
    ) {
        self.enter(|pages, mark| {
            let conn = pages.conn(conn);
            conn.protocol = Some(protocol);
            conn.resumed = resumed;
            conn.server_name = server_name;
            conn.ready = Some(mark);
        });
    }

    /// Returns the request's place, for [`enter_answered`](Self::enter_answered).
    pub(super) fn enter_arrived(
        &self,
        conn: u64,
        id: Option<String>,
        method: Method,
        path: String,
    ) -> usize {
        self.enter(|pages, mark| {
            let record = pages.conn(conn);
            record.requests += 1;
            record.concurrent += 1;
            record.max_concurrent = record.max_concurrent.max(record.concurrent);
            let (origin, peer) = (record.origin, record.peer);
            pages.requests.push(RequestRecord {
                id,
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
        self.enter(|pages, _| pages.conn(conn).concurrent -= 1);
    }

    /// Again changes nothing.
    pub(super) fn enter_closed(&self, conn: u64) {
        self.enter(|pages, mark| {
            pages.conn(conn).closed.get_or_insert(mark);
        });
    }

    fn enter<R>(&self, entry: impl FnOnce(&mut Pages, Mark) -> R) -> R {
        let mut pages = self.book.pages();
        let mark = Mark(pages.entries);
        pages.entries += 1;
        let result = entry(&mut pages, mark);
        drop(pages);
        self.book.changed.notify_waiters();
        result
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("accepted", &self.accepted())
            .field("handshakes", &self.handshakes())
            .field("open", &self.open_connections())
            .field("statuses", &self.statuses())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Book {
    pages: Mutex<Pages>,
    changed: Notify,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Pages {
    /// How many entries were made: the next one's mark.
    entries: u64,
    /// Indexed by connection id.
    conns: Vec<ConnRecord>,
    requests: Vec<RequestRecord>,
}

impl Pages {
    fn conn(&mut self, id: u64) -> &mut ConnRecord {
        let index = usize::try_from(id).expect("ids are indices of this vector");
        &mut self.conns[index]
    }

    fn conns_of(&self, view: &Ledger) -> impl Iterator<Item = &ConnRecord> {
        let origin = view.origin;
        let of_origin = move |conn: &&ConnRecord| origin.is_none_or(|index| index == conn.origin);
        self.conns.iter().filter(of_origin)
    }

    fn requests_of(&self, view: &Ledger) -> impl Iterator<Item = &RequestRecord> {
        let origin = view.origin;
        // Sorted by arrival: a late mark skips the past without looking at it.
        let first = self.requests.partition_point(|r| r.arrived < view.since);
        let of_origin = move |r: &&RequestRecord| origin.is_none_or(|index| index == r.origin);
        self.requests[first..].iter().filter(of_origin)
    }
}

// The runtime's clock, so that paused time is seen here too.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
