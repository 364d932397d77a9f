//! Taking connections out of the pool on policy.

use pool_health::EvictionContext;

use crate::clock;
use crate::pool::Inner;

/// Judges every connection by the policies whose name `chosen` accepts. Returns how many were taken out: idle ones
/// close, busy ones drain.
///
/// Judged on a copy, outside every lock, and applied by id: an idle connection leased meanwhile is left alone, one
/// that is gone stays gone, and one that took its place is not touched.
pub(crate) fn evict(inner: &Inner, chosen: impl Fn(&str) -> bool) -> usize {
    let plugins = &inner.env.plugins;
    let live = inner.env.live();
    let policies: Vec<_> = live
        .eviction
        .iter()
        .filter(|policy| plugins.contain(|| policy.name()).is_some_and(&chosen))
        .collect();
    if policies.is_empty() {
        return 0;
    }
    let now = clock::now();
    let mut evicted = 0;
    for host in inner.manager.hosts() {
        let (views, mut stats) = host.views();
        // Ranks of idle ones that went in this round, ascending: those after them have moved up.
        let mut gone: Vec<usize> = Vec::new();
        for mut view in views {
            // Below the floor nothing is evicted: it would only be opened again.
            if stats.open <= stats.floor {
                break;
            }
            if let Some(entry) = host.entry(view.conn) {
                view.stats.bytes = entry.value().bytes();
                view.stats.certificate_ends = entry.value().certificate_ends();
            }
            let slept = inner.env.suspend.slept_since(view.stats.last_used, now);
            let for_the_peer = now.checked_add(slept).unwrap_or(now);
            let cx = EvictionContext::new(&view.stats, for_the_peer)
                .endpoint(&view.endpoint)
                .host(&stats)
                .idle_rank(view.idle_rank.map(|rank| rank - before(&gone, rank)));
            let reason = policies
                .iter()
                .find_map(|policy| plugins.evicted_by(policy.as_ref(), &cx));
            if let Some(reason) = reason
                && host.evict(&view, reason)
            {
                evicted += 1;
                stats.open -= 1;
                if let Some(rank) = view.idle_rank {
                    gone.insert(before(&gone, rank), rank);
                    stats.idle -= 1;
                }
            }
        }
    }
    evicted
}

/// How many of these ascending ranks come before `rank`.
fn before(ranks: &[usize], rank: usize) -> usize {
    ranks.partition_point(|&other| other < rank)
}
