//! What makes two worlds the same: states, lists in their order, leases, queues, dials, timers; no names, no counts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::time::{Duration, Instant};

use super::world::World;
use crate::info::ConnId;
use crate::manager::state::load::Load;
use crate::manager::state::{ConnState, Standing};

impl World {
    /// The same for worlds in which the same can happen.
    pub(in crate::manager::state) fn shape(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        let state = &self.state;
        discriminant(&state.phase).hash(&mut hash);
        discriminant(&state.addresses).hash(&mut hash);
        let limits = &state.limits;
        (limits.conns, limits.streams, state.expected, state.turns).hash(&mut hash);
        for at in [
            state.readmit_at,
            state.pause_until,
            state.trust_again_at,
            state.wake_asked,
        ] {
            self.until(at).hash(&mut hash);
        }
        self.load_shape().hash(&mut hash);
        self.hash_endpoints(&mut hash);
        self.hash_conns(&mut hash);
        self.queues.shape(|conn| self.rank(conn)).hash(&mut hash);
        let mut leases: Vec<(usize, bool)> = Vec::new();
        let held = self.granted.iter().map(|(_, held)| held);
        for held in self.leases.iter().chain(held) {
            leases.push((self.rank(held.conn.id), held.within));
        }
        leases.sort_unstable();
        leases.hash(&mut hash);
        let mut dials: Vec<_> = self
            .dials
            .iter()
            .map(|(dial, to)| (*to, self.until(state.silent_at(*dial))))
            .collect();
        dials.sort_unstable();
        dials.hash(&mut hash);
        let mut timers: Vec<_> = self.timers.iter().map(|at| self.until(Some(*at))).collect();
        timers.sort_unstable();
        timers.dedup();
        timers.hash(&mut hash);
        hash.finish()
    }

    fn hash_endpoints(&self, hash: &mut DefaultHasher) {
        let state = &self.state;
        let mut endpoints: Vec<_> = state.endpoints().collect();
        endpoints.sort_by_key(|endpoint| endpoint.addr);
        let latest = endpoints.iter().map(|endpoint| endpoint.last_dial).max();
        for endpoint in endpoints {
            endpoint.addr.hash(hash);
            discriminant(&endpoint.standing).hash(hash);
            if let Standing::Ejected(at) = endpoint.standing {
                self.until(at).hash(hash);
            }
            self.until(endpoint.backoff_until).hash(hash);
            self.until(endpoint.doubted_until).hash(hash);
            (endpoint.doubts, endpoint.failed_dials, endpoint.dials).hash(hash);
            (Some(endpoint.last_dial) == latest).hash(hash);
            for (in_flight, slot) in endpoint.free(&state.conns) {
                (in_flight, self.rank(state.conns[slot].id)).hash(hash);
            }
        }
        for list in [&state.ready, &state.doubtful] {
            let addrs = list.iter(&state.endpoints);
            let addrs: Vec<_> = addrs.map(|at| state.endpoints[at].addr).collect();
            addrs.hash(hash);
        }
    }

    fn hash_conns(&self, hash: &mut DefaultHasher) {
        let state = &self.state;
        for known in &self.conns {
            let slot = state.find(known.conn).expect("it is there");
            let conn = &state.conns[slot];
            state.endpoints[conn.endpoint].addr.hash(hash);
            discriminant(&conn.state).hash(hash);
            if let ConnState::Draining(why) | ConnState::Closing(why) = conn.state {
                why.hash(hash);
            }
            (conn.limit, conn.peer_limit, conn.multiplexed).hash(hash);
            (conn.in_flight, conn.returning).hash(hash);
        }
        let idle = state.idle.iter(&state.conns);
        let idle: Vec<usize> = idle.map(|slot| self.rank(state.conns[slot].id)).collect();
        idle.hash(hash);
    }

    /// Which of the connections it is, in the order they came; those that are gone are all one.
    fn rank(&self, id: ConnId) -> usize {
        let mut ids = self.conns.iter().map(|known| known.conn.id);
        ids.position(|known| known == id).unwrap_or(usize::MAX)
    }

    /// Whether the host is under load, how much of it is on record, and whether one more connection is asked for.
    fn load_shape(&self) -> (Option<bool>, Duration, bool) {
        let most = self.state.limits.spread_after;
        let (heavy, held) = match self.state.load {
            Load::None => (None, Duration::ZERO),
            Load::Heavy { since, before } => (Some(true), before + (self.now - since)),
            Load::Light { since, before } => (Some(false), before.saturating_sub(self.now - since)),
        };
        (heavy, held.min(most), self.spreads)
    }

    fn until(&self, at: Option<Instant>) -> Option<Duration> {
        at.map(|at| at.saturating_duration_since(self.now))
    }
}
