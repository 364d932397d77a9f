//! What there is, and what has happened: consistent for each host, summed over all.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Shared;
use super::host::Host;
use super::state::{ConnState, Counters, Standing};
use super::sync::{Arc, lock};
use crate::key::Key;
use crate::observe::Distribution;

/// The manager at one moment: each host is looked at under its lock, one after the other.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Sums over all hosts, forgotten ones included.
    pub totals: Totals,
    /// Each host.
    pub hosts: Vec<HostSnapshot>,
    /// How long steps waited for a host's lock, where it was not free at once; one wait in eight is timed, and counts for
    /// eight.
    pub lock_wait: Distribution,
    /// How long steps held a host's lock, of a sample of one in 64.
    pub lock_hold: Distribution,
}

/// Counts of what has happened, and of what there is.
///
/// At every quiescent point they conserve: `acquired = released + leased`, `opened = closed + open` (closed summed over
/// its reasons), `dials = dialled + dials_failed + dialling`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Totals {
    /// Leases granted, those for checks included.
    pub acquired: u64,
    /// Leases ended.
    pub released: u64,
    /// Leases out now.
    pub leased: u64,
    /// Leases granted to somebody who had waited.
    pub handed_off: u64,
    /// Times somebody joined a queue.
    pub queued: u64,
    /// Waiters now.
    pub waiting: usize,
    /// The longest queue there was at any host.
    pub longest_queue: usize,
    /// Times a full queue turned somebody away.
    pub turned_away: u64,
    /// Waiters that gave up.
    pub cancelled: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed, by reason.
    pub closed: BTreeMap<&'static str, u64>,
    /// Connections there are now, those that drain or close included.
    pub open: usize,
    /// Of these, without a lease.
    pub idle: usize,
    /// Dials started.
    pub dials: u64,
    /// Dials that brought a connection.
    pub dialled: u64,
    /// Dials that did not.
    pub dials_failed: u64,
    /// Of these, by the remote address's fault.
    pub dials_failed_there: u64,
    /// Of these, by this machine's fault: no source address, no file descriptor.
    pub dials_failed_here: u64,
    /// Of these, given up because nobody needed them any more.
    pub dials_abandoned: u64,
    /// Of these, gone with the runtime that drove them.
    pub dials_orphaned: u64,
    /// Idle connections given up for another host that had none.
    pub stolen: u64,
    /// Times that the HTTP/1.1 connections of a host were put out of reuse for a while, because bytes had arrived that
    /// belong to no response.
    pub quarantines: u64,
    /// Dials in flight.
    pub dialling: usize,
    /// Dials that wait for a limit over all hosts.
    pub dials_waiting: usize,
}

/// One host.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HostSnapshot {
    /// What its connections are for.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    pub key: Key,
    /// Its own counts.
    pub totals: Totals,
    /// Its remote addresses.
    pub endpoints: Vec<EndpointSnapshot>,
}

/// One remote address of one host.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EndpointSnapshot {
    /// The address.
    pub target: SocketAddr,
    /// Whether it is in rotation.
    pub active: bool,
    /// Connections that may be handed out, with a lease or without.
    pub ready: usize,
    /// Connections under a check.
    pub probing: usize,
    /// Connections that take no new lease.
    pub draining: usize,
    /// Connections told to close whose socket is still there.
    pub closing: usize,
    /// Leases in flight.
    pub leased: usize,
    /// Dials in flight or wanted.
    pub dialling: usize,
}

#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

pub(super) fn take<C: Send + Sync + 'static>(shared: &Shared<C>) -> Snapshot {
    let mut totals = Totals::default();
    totals.count(&lock(&shared.forgotten));
    let mut hosts = Vec::new();
    for host in shared.hosts() {
        let host = look(&host);
        totals.add(&host.totals);
        hosts.push(host);
    }
    hosts.sort_by_key(|host| host.key.to_string());
    Snapshot {
        totals,
        hosts,
        lock_wait: shared.lock_waits.snapshot(),
        lock_hold: shared.lock_holds.snapshot(),
    }
}

fn look<C: Send + Sync + 'static>(host: &Arc<Host<C>>) -> HostSnapshot {
    host.look(|core| {
        let state = &core.state;
        let mut endpoints: Vec<EndpointSnapshot> = state
            .endpoints()
            .map(|endpoint| EndpointSnapshot {
                target: endpoint.addr,
                active: endpoint.standing == Standing::Active,
                ready: 0,
                probing: 0,
                draining: 0,
                closing: 0,
                leased: 0,
                dialling: endpoint.dials,
            })
            .collect();
        let mut totals = Totals::default();
        totals.count(state.counters());
        totals.waiting = state.queue_len();
        totals.dialling = state.dials_len() - state.asked();
        totals.dials_waiting = state.asked();
        for (_, conn, target) in state.conns() {
            totals.open += 1;
            totals.idle += usize::from(conn.is_idle());
            let Some(endpoint) = endpoints
                .iter_mut()
                .find(|endpoint| endpoint.target == target)
            else {
                continue;
            };
            endpoint.leased += conn.in_flight;
            *match conn.state {
                ConnState::Ready => &mut endpoint.ready,
                ConnState::Probing => &mut endpoint.probing,
                ConnState::Draining(_) => &mut endpoint.draining,
                ConnState::Closing(_) => &mut endpoint.closing,
            } += 1;
        }
        endpoints.sort_by_key(|endpoint| endpoint.target);
        HostSnapshot {
            key: host.key.clone(),
            totals,
            endpoints,
        }
    })
}

impl Totals {
    fn count(&mut self, counters: &Counters) {
        self.acquired += counters.acquired;
        self.released += counters.released;
        self.leased += counters.acquired - counters.released;
        self.handed_off += counters.handed_off;
        self.queued += counters.queued;
        self.longest_queue = self.longest_queue.max(counters.longest_queue);
        self.turned_away += counters.turned_away;
        self.cancelled += counters.cancelled;
        self.opened += counters.opened;
        for (reason, count) in &counters.closed {
            *self.closed.entry(reason.code()).or_default() += count;
        }
        self.dials += counters.dials;
        self.dialled += counters.dialled;
        self.dials_failed += counters.dials_failed();
        self.dials_failed_there += counters.failed_there;
        self.dials_failed_here += counters.failed_here;
        self.dials_abandoned += counters.abandoned;
        self.dials_orphaned += counters.orphaned;
        self.stolen += counters.stolen;
        self.quarantines += counters.quarantines;
    }

    fn add(&mut self, host: &Self) {
        let Self {
            acquired,
            released,
            leased,
            handed_off,
            queued,
            waiting,
            longest_queue,
            turned_away,
            cancelled,
            opened,
            closed,
            open,
            idle,
            dials,
            dialled,
            dials_failed,
            dials_failed_there,
            dials_failed_here,
            dials_abandoned,
            dials_orphaned,
            stolen,
            quarantines,
            dialling,
            dials_waiting,
        } = host;
        self.acquired += acquired;
        self.released += released;
        self.leased += leased;
        self.handed_off += handed_off;
        self.queued += queued;
        self.waiting += waiting;
        self.longest_queue = self.longest_queue.max(*longest_queue);
        self.turned_away += turned_away;
        self.cancelled += cancelled;
        self.opened += opened;
        for (reason, count) in closed {
            *self.closed.entry(reason).or_default() += count;
        }
        self.open += open;
        self.idle += idle;
        self.dials += dials;
        self.dialled += dialled;
        self.dials_failed += dials_failed;
        self.dials_failed_there += dials_failed_there;
        self.dials_failed_here += dials_failed_here;
        self.dials_abandoned += dials_abandoned;
        self.dials_orphaned += dials_orphaned;
        self.stolen += stolen;
        self.quarantines += quarantines;
        self.dialling += dialling;
        self.dials_waiting += dials_waiting;
    }
}
