//! Who is there: the same books by host, by address and by id, so that the three cannot disagree.

use std::net::SocketAddr;

use super::conn_handle::ConnHandle;
use super::host::{Core, Host};
use super::state::{ConnRef, ConnState};
use super::status::ConnStatus;
use super::sync::Arc;
use super::{ConnectionManager, HostHandle};
use crate::info::ConnId;

/// How many connections there are, by where they are in their life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StateCounts {
    /// Dials in flight or wanted.
    pub dialling: usize,
    /// May be leased, and carry no lease.
    pub idle: usize,
    /// May be leased, and carry at least one lease.
    pub in_use: usize,
    /// Under a check.
    pub probing: usize,
    /// Take no new lease.
    pub draining: usize,
    /// Told to close; the socket is still there.
    pub closing: usize,
}

impl StateCounts {
    /// Connections of any state, dials not counted.
    pub fn open(&self) -> usize {
        self.idle + self.in_use + self.probing + self.draining + self.closing
    }

    fn add(&mut self, other: Self) {
        let Self {
            dialling,
            idle,
            in_use,
            probing,
            draining,
            closing,
        } = other;
        self.dialling += dialling;
        self.idle += idle;
        self.in_use += in_use;
        self.probing += probing;
        self.draining += draining;
        self.closing += closing;
    }
}

impl<C: Send + Sync + 'static> ConnectionManager<C> {
    /// The hosts there are.
    #[doc(alias("hostMapping", "GetHostMapping"))]
    pub fn hosts(&self) -> Vec<HostHandle<C>> {
        self.shared.hosts().into_iter().map(HostHandle).collect()
    }

    /// The hosts of this name, whatever their port, fingerprint, source or partition.
    pub fn hosts_named(&self, name: &str) -> Vec<HostHandle<C>> {
        let named = |host: &HostHandle<C>| host.key().host().eq_ignore_ascii_case(name);
        self.hosts().into_iter().filter(named).collect()
    }

    /// Every connection to this remote address, over all hosts. Looks at every host; a host's own
    /// [`by_target`](HostHandle::by_target) looks at one.
    #[doc(alias = "GetConnection")]
    pub fn by_target(&self, target: SocketAddr) -> Vec<ConnHandle<C>> {
        let hosts = self.hosts().into_iter();
        hosts.flat_map(|host| host.by_target(target)).collect()
    }

    /// The connection with this id, unless it is gone. Looks at every host until it is found.
    pub fn by_id(&self, id: ConnId) -> Option<ConnHandle<C>> {
        self.hosts().into_iter().find_map(|host| host.by_id(id))
    }

    /// How many connections there are, by state.
    #[doc(alias = "GetConnectionCount")]
    pub fn counts(&self) -> StateCounts {
        let mut sum = StateCounts::default();
        for host in self.hosts() {
            sum.add(host.counts());
        }
        sum
    }
}

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// Every connection of the host, on its way out or not.
    #[doc(alias = "GetConnectionsForHost")]
    pub fn connections(&self) -> Vec<ConnHandle<C>> {
        self.0.look(|core| {
            let conns = core.state.conns().map(|(conn, _, _)| conn);
            conns
                .filter_map(|conn| self.handle_of(core, conn))
                .collect()
        })
    }

    /// Its connections to this remote address. Takes as long as there are such connections.
    #[doc(alias = "GetConnection")]
    pub fn by_target(&self, target: SocketAddr) -> Vec<ConnHandle<C>> {
        self.0.look(|core| {
            let conns = core.state.conns_at(target).into_iter();
            conns
                .filter_map(|conn| self.handle_of(core, conn))
                .collect()
        })
    }

    /// Its connection with this id, unless it is gone.
    pub fn by_id(&self, id: ConnId) -> Option<ConnHandle<C>> {
        self.0
            .look(|core| self.handle_of(core, core.state.named(id)?))
    }

    /// What is true of each connection now. The list is taken under the host's lock; to read it again, keep the
    /// [`connections`](Self::connections) and ask those, which takes no lock.
    pub fn statuses(&self) -> Vec<ConnStatus> {
        let conns = self.connections();
        conns.iter().map(ConnHandle::status).collect()
    }

    /// How many connections there are, by state.
    pub fn counts(&self) -> StateCounts {
        self.0.look(|core| {
            let mut counts = StateCounts {
                dialling: core.state.dials_len(),
                ..StateCounts::default()
            };
            for (_, conn, _) in core.state.conns() {
                *match conn.state {
                    ConnState::Ready if conn.in_flight == 0 => &mut counts.idle,
                    ConnState::Ready => &mut counts.in_use,
                    ConnState::Probing => &mut counts.probing,
                    ConnState::Draining(_) => &mut counts.draining,
                    ConnState::Closing(_) => &mut counts.closing,
                } += 1;
            }
            counts
        })
    }

    /// `None` for one whose value is out of the books already: it is closing.
    fn handle_of(&self, core: &Core<C>, conn: ConnRef) -> Option<ConnHandle<C>> {
        let entry = core.entry(conn)?;
        Some(ConnHandle {
            host: Arc::<Host<C>>::clone(&self.0),
            conn,
            status: entry.status.clone(),
        })
    }
}
