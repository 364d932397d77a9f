//! What happens to connections and addresses, told to their host.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pool_health::{Change, ConnStats, EndpointStats, HostEndpoints, HostStats, Outcome, Threshold};

use super::host::{Granted, Hint, Host};
use super::lease::Lease;
use super::reason::CloseReason;
use super::state::{ConnRef, Standing};
use super::sync::{Arc, StdArc, now};
use super::ticket::Registered;
use super::{Endpoints, Entry, HostHandle};

impl<C: Send + Sync + 'static> Registered<C> {
    /// The peer allows this many leases at a time from now on.
    pub fn set_stream_limit(&self, limit: usize) {
        Host::event(&self.host.0, |state, at, out| {
            state.set_peer_limit(self.conn, limit, at, out)
        });
    }

    /// No new lease; the connection closes with its last one.
    pub fn drain(&self, reason: CloseReason) {
        Host::event(&self.host.0, |state, at, out| {
            state.drain(self.conn, reason, at, out)
        });
    }

    /// The socket is gone. Returns why the books say it closed.
    pub fn closed(&self, reason: CloseReason) -> CloseReason {
        let reason = Host::closed(&self.host.0, self.conn, reason).unwrap_or(reason);
        // If it was told to close, it has been out of the books since.
        self.entry.status.close();
        reason
    }
}

/// A connection as an upkeep round sees it.
#[derive(Debug)]
pub(crate) struct ConnView {
    pub(crate) conn: ConnRef,
    pub(crate) stats: ConnStats,
    pub(crate) endpoint: EndpointStats,
    /// 0 has been idle longest; `None` in use.
    pub(crate) idle_rank: Option<usize>,
}

/// What happened on an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    /// How long the response took, if one came and somebody wants to know.
    pub(crate) latency: Option<Duration>,
    /// For how long the response asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// What became of an ejection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ejection {
    /// The address is out.
    Done,
    /// Somebody was faster.
    OutAlready,
    /// Meanwhile others went or came back: these there are now.
    JudgeAgain(HostEndpoints),
}

impl From<Outcome> for Seen {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            latency: None,
            retry_after: None,
        }
    }
}

impl<C: Send + Sync + 'static> HostHandle<C> {
    /// Claims at once or not at all, where the hint says if that will do.
    pub(crate) fn try_acquire_hinted(&self, hint: &Hint, at: Instant) -> Option<Lease<C>> {
        let granted = Host::try_claim(&self.0, Some(hint), at)?;
        Some(Lease::new(granted))
    }

    /// No new lease on this connection; it closes with its last one, which may be now.
    pub(crate) fn drain(&self, conn: ConnRef, reason: CloseReason) -> bool {
        Host::event(&self.0, |state, at, out| state.drain(conn, reason, at, out))
    }

    /// Counts what happened on an address, and returns what policies judge by if one is to; `None` if the address is not in rotation.
    pub(crate) fn observe(
        &self,
        target: SocketAddr,
        seen: Seen,
        judged: bool,
    ) -> Option<(EndpointStats, HostEndpoints)> {
        Host::event(&self.0, |state, at, _| {
            let endpoint = state.observe(target, seen.outcome, seen.latency, at)?;
            judged.then(|| state.judged_by(endpoint, at))
        })
    }

    /// Takes an address out of rotation until then, if it is in rotation and as many are out as policies `knew`: they judge unlocked, and
    /// several at once must not take out more than each of them would allow.
    pub(crate) fn eject(
        &self,
        target: SocketAddr,
        until: Instant,
        knew: &HostEndpoints,
    ) -> Ejection {
        Host::event(&self.0, |state, at, out| {
            let known = state.host_endpoints();
            if !state.is_in_rotation(target) {
                Ejection::OutAlready
            } else if (known.total, known.ejected) != (knew.total, knew.ejected) {
                Ejection::JudgeAgain(known)
            } else {
                let standing = Standing::Ejected(Some(until));
                state.judge_endpoint(target, standing, at, out);
                Ejection::Done
            }
        })
    }

    /// Takes an address out of rotation, or back in.
    pub(crate) fn judge(&self, target: SocketAddr, standing: Standing) {
        Host::event(&self.0, |state, at, out| {
            state.judge_endpoint(target, standing, at, out)
        });
    }

    /// A check of the address got an answer: does it go out of rotation by that, or come back?
    pub(crate) fn observe_check(
        &self,
        target: SocketAddr,
        ok: bool,
        threshold: Threshold,
    ) -> Option<Change> {
        Host::event(&self.0, |state, _, _| {
            state.observe_check(target, ok, threshold)
        })
    }

    /// The addresses as a selector sees them; empty unless there is one that looks.
    pub(crate) fn endpoints(&self) -> StdArc<Endpoints> {
        self.0.look(|core| core.endpoints())
    }

    /// Whether a host has an address in rotation besides this one.
    pub(crate) fn has_another_address(&self, target: SocketAddr) -> bool {
        self.0.look(|core| {
            let mut others = core
                .state
                .endpoints()
                .filter(|endpoint| endpoint.addr != target);
            others.any(|endpoint| endpoint.standing == Standing::Active)
        })
    }

    /// Every address of the host, in rotation or not.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.look(|core| {
            let endpoints = core.state.endpoints();
            let here = endpoints.filter(|endpoint| endpoint.standing != Standing::Gone);
            here.map(|endpoint| endpoint.addr).collect()
        })
    }

    /// A lookup's answer, of which those `on_trial` that are new stay out of rotation until a check succeeds. Returns which these are.
    pub(crate) fn set_addresses_with_trials(
        &self,
        addrs: &[SocketAddr],
        on_trial: &HashSet<SocketAddr>,
    ) -> Vec<SocketAddr> {
        Host::event(&self.0, |state, at, out| {
            state.set_addresses_with_trials(addrs, on_trial, at, out)
        })
    }

    /// Takes addresses away that must not be used any more. Returns how many of them the host had.
    pub(crate) fn forbid(&self, addrs: &[SocketAddr]) -> usize {
        Host::event(&self.0, |state, at, out| state.forbid(addrs, at, out))
    }

    /// The addresses that are out of rotation until a check succeeds.
    pub(crate) fn condemned(&self) -> Vec<SocketAddr> {
        self.0.look(|core| core.state.condemned())
    }

    /// Every connection that may be handed out, to be judged outside the lock.
    pub(crate) fn views(&self) -> (Vec<ConnView>, HostStats) {
        let idle_limit = Host::event(&self.0, |state, at, _| state.idle_limit(at));
        self.0.look(|core| {
            let state = &core.state;
            let ranks: std::collections::HashMap<usize, usize> = state
                .idle()
                .enumerate()
                .map(|(rank, conn)| (conn.slot, rank))
                .collect();
            let views: Vec<ConnView> = state
                .conns()
                .filter(|(_, conn, _)| conn.is_ready())
                .map(|(conn, found, target)| ConnView {
                    conn,
                    stats: found.stats(),
                    endpoint: state
                        .endpoint(target)
                        .map(|endpoint| endpoint.stats)
                        .unwrap_or_default(),
                    idle_rank: ranks.get(&conn.slot).copied(),
                })
                .collect();
            let mut host = HostStats::new(state.conns().count(), ranks.len(), 0);
            host.idle_limit = idle_limit;
            (views, host)
        })
    }

    /// Takes out a connection that a policy judged: one judged idle closes if it still is, one judged in use drains.
    /// `false` if it was leased meanwhile, is gone, or is on its way out.
    pub(crate) fn evict(&self, judged: &ConnView, reason: CloseReason) -> bool {
        Host::event(&self.0, |state, at, out| {
            if judged.idle_rank.is_some() {
                state.evict_idle(judged.conn, reason, at, out)
            } else {
                state.drain(judged.conn, reason, at, out)
            }
        })
    }

    /// Claims an idle connection for a check.
    pub(crate) fn claim_for_check(&self, conn: ConnRef) -> Option<Lease<C>> {
        let granted = Host::step(&self.0, |core| {
            let claim = core.state.claim_for_check(conn, now())?;
            Some(core.granted(claim))
        })?;
        Some(Lease::new(granted))
    }

    /// What is held for a connection, without a claim: for an HTTP/2 PING, which disturbs nobody.
    pub(crate) fn entry(&self, conn: ConnRef) -> Option<Arc<Entry<C>>> {
        self.0.look(|core| core.entry(conn).cloned())
    }

    /// What is held for the connections that are handed out, now or after their check.
    pub(crate) fn staying(&self) -> Vec<Arc<Entry<C>>> {
        self.0.look(|core| {
            let conns = core.state.conns();
            let staying = conns.filter(|(_, conn, _)| !conn.is_leaving());
            staying
                .filter_map(|(conn, _, _)| core.entry(conn).cloned())
                .collect()
        })
    }

    /// Everything that is held, for an abort.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry<C>>> {
        self.0.look(|core| core.entries().cloned().collect())
    }

    /// A host that holds nothing forgets which addresses it had: its next acquire looks them up. `false` if it is in
    /// use.
    pub(crate) fn forget_addresses(&self) -> bool {
        Host::event(&self.0, |state, _, _| state.forget_addresses())
    }
}

impl<C: Send + Sync + 'static> Lease<C> {
    /// A second lease on a connection under a check, for an exchange of the check.
    pub(crate) fn within_check(&self) -> Option<Self> {
        let host = self.host();
        let granted: Granted<C> = Host::step(&host.0, |core| {
            let claim = core.state.claim_within_check(self.conn_ref(), now())?;
            Some(core.granted(claim))
        })?;
        Some(Self::new(granted))
    }
}
