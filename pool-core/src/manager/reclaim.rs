//! Connections given up: idle ones for hosts that starve, and those beyond limits that were lowered.

use std::collections::HashMap;
use std::time::Duration;

use super::host::Host;
use super::site::Site;
use super::sync::{Arc, Ordering, lock, now};
use super::{HostHandle, Shared, read};

/// Hosts looked at in one scan for an idle connection to reclaim.
const SCAN: usize = 32;

/// Every host is looked at for one no more often than this.
const SCAN_EVERY: Duration = Duration::from_millis(100);

impl<C: Send + Sync + 'static> Shared<C> {
    /// `host` starves for a connection permit: closes an idle connection of its own that nobody may claim, or another
    /// host's old one, the oldest of a sample.
    pub(super) fn reclaim_for(&self, host: &Arc<Host<C>>) {
        if !Host::event(host, |state, at, out| state.give_up_useless(at, out)) {
            let min_idle = lock(&self.limits).min_reclaim_idle;
            let at_site = self.budget.is_full(&host.site);
            let looked_at = if at_site {
                // Their connections are those that count, besides its own.
                self.siblings(host)
            } else if self.scan_is_due(min_idle) {
                self.hosts()
            } else {
                self.sample()
            };
            let oldest = looked_at
                .iter()
                .filter(|other| !Arc::ptr_eq(other, host))
                .filter_map(|other| Some((other.look(|core| core.state.oldest_idle())?, other)))
                .min_by_key(|(since, _)| *since);
            if let Some((_, victim)) = oldest {
                Host::event(victim, |state, at, out| state.reclaim(min_idle, at, out));
            }
        }
        // Another host may be before this one in the ring and get what was reclaimed: look again then.
        self.scan_later(host);
    }

    /// Asks for a tick of a starving host by which another's idle connection is old enough to reclaim.
    pub(super) fn scan_later(&self, host: &Arc<Host<C>>) {
        let min_idle = lock(&self.limits).min_reclaim_idle;
        if host.claim_scan()
            && let Some(at) = now().checked_add(min_idle.max(Duration::from_millis(1)))
        {
            self.driver.wake_at(HostHandle(host.clone()), at);
        }
    }

    /// Whether it is time to look at every host, which few idle ones among many would otherwise escape.
    fn scan_is_due(&self, min_idle: Duration) -> bool {
        let at = now();
        let mut next = lock(&self.next_scan);
        let due = next.is_none_or(|next| next <= at);
        if due {
            *next = at.checked_add(min_idle.max(SCAN_EVERY));
        }
        due
    }

    /// The other hosts of the same site.
    fn siblings(&self, host: &Host<C>) -> Vec<Arc<Host<C>>> {
        let classes = host.site.other_classes().into_iter();
        let sibling = |class| self.find(&host.key.clone().source(class));
        classes.filter_map(sibling).collect()
    }

    /// Some hosts, others each time.
    fn sample(&self) -> Vec<Arc<Host<C>>> {
        let mut sample: Vec<Arc<Host<C>>> = Vec::new();
        let from = self.scan_from.fetch_add(1, Ordering::Relaxed);
        for at in 0..self.shards.len() {
            let shard = read(&self.shards[(from + at) % self.shards.len()]);
            sample.extend(shard.values().take(SCAN - sample.len()).cloned());
            if sample.len() == SCAN {
                break;
            }
        }
        sample
    }

    /// Takes out what is beyond the limits over all hosts, after these were lowered: what is idle closes, and if that is
    /// not enough, what is in use drains. Dials in flight are not given up.
    pub(super) fn shed_surplus(&self, hosts: &[Arc<Host<C>>]) {
        let idle = self.budget.surplus_idle();
        in_turn(hosts, idle, |host| {
            Host::event(host, |state, at, out| state.shed_idle(at, out))
        });
        self.shed_surplus_of_sites(hosts);
        let open = self.budget.surplus_conns();
        if open == 0 {
            return;
        }
        let leaving = hosts
            .iter()
            .map(|host| host.look(|core| core.state.leaving_len()));
        let wanted = open.saturating_sub(leaving.sum());
        let left = in_turn(hosts, wanted, |host| {
            Host::event(host, |state, at, out| state.shed_idle(at, out))
        });
        in_turn(hosts, left, |host| {
            Host::event(host, |state, at, out| state.shed_busy(at, out))
        });
    }

    /// The same for each site of several hosts.
    fn shed_surplus_of_sites(&self, hosts: &[Arc<Host<C>>]) {
        let mut sites: HashMap<*const Site, Vec<Arc<Host<C>>>> = HashMap::new();
        for host in hosts.iter().filter(|host| host.site.is_shared()) {
            sites
                .entry(&raw const *host.site)
                .or_default()
                .push(host.clone());
        }
        for hosts in sites.into_values() {
            let surplus = self.budget.surplus_at(&hosts[0].site);
            let leaving = hosts
                .iter()
                .map(|host| host.look(|core| core.state.leaving_len()));
            let wanted = surplus.saturating_sub(leaving.sum());
            let left = in_turn(&hosts, wanted, |host| {
                Host::event(host, |state, at, out| state.shed_idle(at, out))
            });
            in_turn(&hosts, left, |host| {
                Host::event(host, |state, at, out| state.shed_busy(at, out))
            });
        }
    }
}

/// Has each host give one, again and again, until `wanted` were given or nobody has more. Returns how many are missing.
fn in_turn<C: Send + Sync + 'static>(
    hosts: &[Arc<Host<C>>],
    wanted: usize,
    give: impl Fn(&Arc<Host<C>>) -> bool,
) -> usize {
    let mut missing = wanted;
    let mut givers: Vec<&Arc<Host<C>>> = hosts.iter().collect();
    while missing > 0 && !givers.is_empty() {
        givers.retain(|host| {
            let gives = missing > 0 && give(host);
            missing -= usize::from(gives);
            gives
        });
    }
    missing
}
