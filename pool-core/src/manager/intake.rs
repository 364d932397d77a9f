//! Taking in connections that were opened elsewhere.

use std::net::SocketAddr;

use super::budget::{Budget, ConnPermit};
use super::host::{Core, Host};
use super::state::Full;
use super::sync::{Arc, Ordering, now};
use super::{ConnectionManager, Entry, Shared};
use crate::info::ConnId;
use crate::key::Key;

/// A connection that was opened elsewhere, to be taken in by [`ConnectionManager::add`].
#[derive(Debug)]
pub struct NewConn<C> {
    target: SocketAddr,
    value: C,
    /// `None`: one lease at a time.
    streams: Option<usize>,
}

impl<C> NewConn<C> {
    /// One that serves one lease at a time, as HTTP/1.1 does.
    pub fn exclusive(target: SocketAddr, value: C) -> Self {
        Self {
            target,
            value,
            streams: None,
        }
    }

    /// One that serves `streams` leases at a time, as HTTP/2 does; at most as many as the limits allow on a connection.
    #[doc(alias = "h2ClientConn")]
    pub fn multiplexed(target: SocketAddr, value: C, streams: usize) -> Self {
        Self {
            target,
            value,
            streams: Some(streams),
        }
    }

    /// Its remote address.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// What was opened.
    pub fn into_value(self) -> C {
        self.value
    }
}

/// How a connection was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it names the connection, and the one that went for it"]
pub enum Added {
    /// It joined the others.
    New(ConnId),
    /// A limit was reached, and it took the place of one to the same address that was idle, which was closed.
    Replaced {
        /// The newcomer.
        id: ConnId,
        /// The one that went.
        old: ConnId,
    },
}

impl Added {
    /// The id of the connection that was added.
    pub fn id(self) -> ConnId {
        match self {
            Self::New(id) | Self::Replaced { id, .. } => id,
        }
    }
}

/// A connection that was not taken in. Whoever drops this closes it; nothing is leaked.
#[derive(Debug)]
pub struct Rejected<C> {
    /// Why.
    pub reason: RejectReason,
    /// What was to be added.
    pub conn: NewConn<C>,
}

/// Why a connection was not taken in; a limit comes with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// So many connections to the host are allowed.
    PerHost(usize),
    /// So many connections to the address are allowed.
    PerEndpoint(usize),
    /// So many connections are allowed in all.
    Total(usize),
    /// The manager is closed.
    Closed,
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PerHost(limit) => write!(f, "limits.per_host = {limit} is reached"),
            Self::PerEndpoint(limit) => write!(f, "limits.per_endpoint = {limit} is reached"),
            Self::Total(limit) => write!(f, "limits.total = {limit} is reached"),
            Self::Closed => f.write_str("the manager is closed"),
        }
    }
}

impl<C> std::fmt::Display for Rejected<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "connection to {} not added: {}",
            self.conn.target, self.reason
        )
    }
}

impl<C: std::fmt::Debug> std::error::Error for Rejected<C> {}

impl<C: Send + Sync + 'static> ConnectionManager<C> {
    /// Adds a connection opened elsewhere. Whoever waits longest gets it.
    ///
    /// Any number of connections may lead to one address, within the limits. If one is reached and a connection of this
    /// host to the same address is idle, that one closes and the newcomer takes its place. With a driver that closes
    /// [later](super::Closing::Later) there is no place yet: the newcomer is rejected then, and may be added again.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the connection, if a limit forbids it or the manager is closed.
    #[doc(alias = "AddConnection")]
    pub fn add(&self, key: &Key, conn: NewConn<C>) -> Result<Added, Rejected<C>> {
        let rejected = match Shared::add(&self.shared, key, conn) {
            Ok(id) => return Ok(Added::New(id)),
            Err(rejected) => rejected,
        };
        if rejected.reason == RejectReason::Closed {
            return Err(rejected);
        }
        // Its socket counts until it has closed: only where that is at once is there a place now.
        let Some(old) = self.shared.make_way(key, rejected.conn.target) else {
            return Err(rejected);
        };
        let id = Shared::add(&self.shared, key, rejected.conn)?;
        Ok(Added::Replaced { id, old })
    }

    /// Adds connections to one host with its lock taken once. Returns an id for each that was taken in, in order, and
    /// those that were not; none of them replaces another.
    #[doc(alias = "PreWarmConnections")]
    pub fn add_many(
        &self,
        key: &Key,
        conns: impl IntoIterator<Item = NewConn<C>>,
    ) -> (Vec<ConnId>, Vec<Rejected<C>>) {
        Shared::add_many(&self.shared, key, conns.into_iter().collect())
    }
}

impl<C: Send + Sync + 'static> Shared<C> {
    fn add(shared: &Arc<Self>, key: &Key, conn: NewConn<C>) -> Result<ConnId, Rejected<C>> {
        let (ids, rejected) = Self::add_many(shared, key, vec![conn]);
        match rejected.into_iter().next() {
            Some(rejected) => Err(rejected),
            None => Ok(*ids.first().expect("what was not rejected was added")),
        }
    }

    fn add_many(
        shared: &Arc<Self>,
        key: &Key,
        conns: Vec<NewConn<C>>,
    ) -> (Vec<ConnId>, Vec<Rejected<C>>) {
        let mut host = Shared::host(shared, key);
        let mut permits = Budget::try_take_conns(shared, &host, conns.len());
        let mut conns = conns.into_iter();
        let mut ids = Vec::with_capacity(permits.len());
        let mut rejected = Vec::new();
        while !permits.is_empty() {
            let retired = Host::step(&host, |core| {
                while let Some(permit) = permits.pop() {
                    let Some(conn) = conns.next() else { break };
                    match take_in(&host, core, permit, conn) {
                        Ok(id) => ids.push(id),
                        Err((Full::Retired, conn, permit)) => {
                            permits.push(permit);
                            return Some(conn);
                        }
                        Err((full, conn, permit)) => {
                            // A permit is returned after the lock.
                            rejected.push((full.into(), conn, Some(permit)));
                        }
                    }
                }
                None
            });
            if let Some(conn) = retired {
                // The host was forgotten meanwhile: look it up again.
                host = Shared::host(shared, key);
                conns = std::iter::once(conn)
                    .chain(conns)
                    .collect::<Vec<_>>()
                    .into_iter();
            }
        }
        // Of a closed one the connections in use still count, and no limit is what forbids another.
        let reason = if shared.closed.load(Ordering::SeqCst) {
            RejectReason::Closed
        } else {
            let (total, site) = shared.budget.max_conns();
            if shared.budget.is_full(&host.site) {
                RejectReason::PerHost(site)
            } else {
                RejectReason::Total(total)
            }
        };
        rejected.extend(conns.map(|conn| (reason, conn, None)));
        let rejected = rejected
            .into_iter()
            .map(|(reason, conn, _permit)| Rejected { reason, conn });
        (ids, rejected.collect())
    }

    /// Closes the connection of this host to this address that has been idle longest.
    fn make_way(&self, key: &Key, target: SocketAddr) -> Option<ConnId> {
        let host = self.find(key)?;
        let gone = Host::event(&host, |state, now, out| state.give_way(target, now, out));
        gone.map(|conn| conn.id)
    }
}

/// One connection into the books of its host.
fn take_in<C: Send + Sync + 'static>(
    host: &Arc<Host<C>>,
    core: &mut Core<C>,
    permit: ConnPermit<C>,
    new: NewConn<C>,
) -> Result<ConnId, (Full, NewConn<C>, ConnPermit<C>)> {
    let (limit, multiplexed) = (new.streams.unwrap_or(1), new.streams.is_some());
    let (id, at) = (host.shared.next_id(), now());
    let (state, actions) = core.actions();
    match state.add(id, new.target, limit, multiplexed, at, actions) {
        Ok(conn) => {
            let entry = Entry::new(host.clone(), id, new.target, at, new.value, Some(permit));
            core.put_entry(conn.slot, Arc::new(entry));
            Ok(id)
        }
        Err(full) => Err((full, new, permit)),
    }
}

impl From<Full> for RejectReason {
    fn from(full: Full) -> Self {
        match full {
            Full::Host(limit) => Self::PerHost(limit),
            Full::Endpoint(limit) => Self::PerEndpoint(limit),
            Full::Closed | Full::Retired => Self::Closed,
        }
    }
}
