//! What the origins saw: connections, requests, sources, repetitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use super::book::{Book, ConnRecord, Mark, RequestRecord};

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

impl Ledger {
    /// This moment, for [`since`](Self::since).
    pub fn mark(&self) -> Mark {
        self.book.pages().mark()
    }

    /// The same view without what was entered before `mark`: connections accepted, handshakes ended and requests
    /// arrived since.
    #[must_use]
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

    /// TLS handshakes completed; without TLS, connections whose protocol is known.
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

    /// Requests whose head arrived.
    pub fn arrived(&self) -> usize {
        let pages = self.book.pages();
        pages.requests_of(self.origin, self.since).count()
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
        self.book.pages().conn(id).cloned()
    }

    /// The requests that arrived, in that order.
    pub fn requests(&self) -> Vec<RequestRecord> {
        let pages = self.book.pages();
        let requests = pages.requests_of(self.origin, self.since);
        requests.cloned().collect()
    }

    /// Waits until `holds` says so; it is asked at once and after every entry.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Ledger) -> bool) {
        loop {
            let mut changed = pin!(self.book.changed());
            // Enlisted before looking: an entry made after the look wakes it.
            changed.as_mut().enable();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }
}

/// The whole book or the pages of one origin.
impl Ledger {
    pub(super) fn new(book: Arc<Book>, origin: Option<usize>) -> Self {
        Self {
            book,
            origin,
            since: Mark(0),
        }
    }

    fn count_conns(&self, which: impl Fn(&ConnRecord) -> bool) -> usize {
        let pages = self.book.pages();
        let conns = pages.conns_of(self.origin);
        conns.filter(|conn| which(conn)).count()
    }

    fn all_conns(&self) -> Vec<ConnRecord> {
        let pages = self.book.pages();
        pages.conns_of(self.origin).cloned().collect()
    }

    fn tally<K: Ord>(&self, by: impl Fn(&RequestRecord) -> Option<K>) -> BTreeMap<K, usize> {
        let pages = self.book.pages();
        let mut tally = BTreeMap::new();
        let requests = pages.requests_of(self.origin, self.since);
        for key in requests.filter_map(by) {
            *tally.entry(key).or_default() += 1;
        }
        tally
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
