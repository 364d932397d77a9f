//! Taking connections out: by id, by address, by host, by what is true of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::host::Host;
use super::reason::CloseReason;
use super::state::ConnRef;
use super::status::ConnStatus;
use super::{ConnectionManager, HostHandle};
use crate::info::ConnId;
use crate::key::Key;

/// Connections taken out with one lock. Whoever acquires meanwhile waits for no more than these.
const BATCH: usize = 64;

// In all of these: what carries no lease closes now, after the lock; what is in use takes no new lease and closes with
// its last one. What is on its way out already is not counted again.

impl<C: Send + Sync + 'static> ConnectionManager<C> {
    /// Takes out the connection with this id. `false` if it is gone or on its way out.
    #[doc(alias = "RemoveConnection")]
    pub fn remove(&self, id: ConnId) -> bool {
        self.hosts().iter().any(|host| host.remove(id))
    }

    /// Takes out every connection to this remote address, over all hosts. Returns how many.
    #[doc(alias = "RemoveConnection")]
    pub fn remove_target(&self, target: SocketAddr) -> usize {
        let hosts = self.hosts();
        hosts.iter().map(|host| host.remove_target(target)).sum()
    }

    /// Takes out every connection of this host. Returns how many.
    pub fn remove_host(&self, key: &Key) -> usize {
        let host = self.shared.find(key).map(HostHandle);
        host.map_or(0, |host| host.remove_all())
    }

    /// Takes out every connection that `keep` does not want. Returns how many.
    ///
    /// `keep` runs outside every lock, on a copy. An idle connection that was leased since is left alone.
    pub fn retain(&self, mut keep: impl FnMut(&Key, &ConnStatus) -> bool) -> usize {
        let mut removed = 0;
        for host in self.hosts() {
            removed += host.retain(|conn| keep(host.key(), conn));
        }
        removed
    }

    /// Closes connections that have been idle for longer than `max_idle`. Returns how many.
    #[doc(alias = "CleanupIdleConnections")]
    pub fn evict_idle(&self, max_idle: Duration) -> usize {
        let hosts = self.hosts();
        hosts.iter().map(|host| host.evict_idle(max_idle)).sum()
    }

    /// Takes out connections that have lived for longer than `max_lifetime`. Returns how many.
    #[doc(alias = "CleanupExpiredConnections")]
    pub fn evict_expired(&self, max_lifetime: Duration) -> usize {
        let hosts = self.hosts();
        let expired = |host: &HostHandle<C>| host.evict_expired(max_lifetime);
        hosts.iter().map(expired).sum()
    }
}

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// Takes out the connection with this id. `false` if it is gone or on its way out.
    pub fn remove(&self, id: ConnId) -> bool {
        self.remove_many(&[id]) == 1
    }

    /// Takes out the connections with these ids, as far as they are there. Returns how many.
    pub fn remove_many(&self, ids: &[ConnId]) -> usize {
        self.drain_many(ids, CloseReason::Removed)
    }

    /// Takes out every connection to this remote address. Returns how many.
    pub fn remove_target(&self, target: SocketAddr) -> usize {
        let conns = self.by_target(target);
        let ids: Vec<ConnId> = conns.iter().map(|conn| conn.id()).collect();
        self.remove_many(&ids)
    }

    /// Takes out every connection. Returns how many.
    pub fn remove_all(&self) -> usize {
        let conns = self.connections();
        let ids: Vec<ConnId> = conns.iter().map(|conn| conn.id()).collect();
        self.remove_many(&ids)
    }

    /// Takes out every connection that `keep` does not want. Returns how many.
    ///
    /// `keep` runs outside the lock, on a copy. An idle connection that was leased since is left alone.
    pub fn retain(&self, mut keep: impl FnMut(&ConnStatus) -> bool) -> usize {
        let mut idle = Vec::new();
        let mut busy = Vec::new();
        for conn in self.connections() {
            let status = conn.status();
            if !keep(&status) {
                let list = if status.is_idle() {
                    &mut idle
                } else {
                    &mut busy
                };
                list.push(conn.id());
            }
        }
        let mut removed = self.drain_many(&busy, CloseReason::Removed);
        for ids in idle.chunks(BATCH) {
            removed += Host::event(&self.0, |state, at, out| {
                let conns: Vec<ConnRef> = ids.iter().filter_map(|&id| state.named(id)).collect();
                let evict = |conn| state.evict_idle(conn, CloseReason::Removed, at, out);
                conns.into_iter().map(evict).filter(|&gone| gone).count()
            });
        }
        removed
    }

    /// Closes connections that have been idle for longer than `max_idle`, longest first. Returns how many.
    #[doc(alias = "CleanupIdleConnections")]
    pub fn evict_idle(&self, max_idle: Duration) -> usize {
        let mut evicted = 0;
        loop {
            let batch = Host::event(&self.0, |state, at, out| {
                state.evict_idle_for(max_idle, BATCH, at, out)
            });
            evicted += batch;
            if batch < BATCH {
                return evicted;
            }
        }
    }

    /// Takes out connections that have lived for longer than `max_lifetime`. Returns how many.
    #[doc(alias = "CleanupExpiredConnections")]
    pub fn evict_expired(&self, max_lifetime: Duration) -> usize {
        let now = super::sync::now();
        let expired = self.connections().into_iter().filter(|conn| {
            let created = conn.status.created();
            now.saturating_duration_since(created) > max_lifetime
        });
        let ids: Vec<ConnId> = expired.map(|conn| conn.id()).collect();
        self.drain_many(&ids, CloseReason::Lifetime)
    }

    pub(crate) fn drain_many(&self, ids: &[ConnId], reason: CloseReason) -> usize {
        let mut drained = 0;
        for ids in ids.chunks(BATCH) {
            drained += Host::event(&self.0, |state, at, out| {
                let conns: Vec<ConnRef> = ids.iter().filter_map(|&id| state.named(id)).collect();
                let drain = |conn| state.drain(conn, reason, at, out);
                conns.into_iter().map(drain).filter(|&gone| gone).count()
            });
        }
        drained
    }
}
