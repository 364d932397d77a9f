//! Addresses whose ban is over: they are tried before they serve.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};
use pool_health::{AccessAction, AccessContext, AccessList, AccessRule, PrefixList};
use tracing::debug;

use super::follow::follow;
use crate::clock;
use crate::http::HttpConn;
use crate::manager::HostHandle;
use crate::observe::Event;
use crate::pool::{Env, Inner};

/// The bans that have ended and that not every host has been looked up for yet.
#[derive(Debug, Default)]
pub(crate) struct EndedBans {
    /// They deny here what they denied there. Those of one round are a source.
    bans: PrefixList,
    round: Mutex<u64>,
}

impl EndedBans {
    fn add(&self, bans: impl Iterator<Item = AccessRule>) {
        let round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let source = round.to_string();
        for ban in bans {
            self.bans.insert(&source, AccessRule::deny(ban.prefix));
        }
    }

    /// Those that have come by now, by name; what comes from now on is the next round's.
    fn take_turn(&self) -> Vec<Arc<str>> {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        *round += 1;
        let sources = self.bans.sources().into_iter();
        sources.map(|(source, _)| source).collect()
    }

    fn forget(&self, sources: &[Arc<str>]) {
        for source in sources {
            self.bans.replace(source, []);
        }
    }

    fn cover(&self, cx: &AccessContext<'_>) -> bool {
        !self.bans.check(cx).is_allowed()
    }
}

/// Has the lists forget what has expired, and looks every host that has addresses up again if a denial was among it.
///
/// A host all of whose addresses were denied is not among these: who asks for it next has it looked up, and tries them.
pub(super) async fn round(inner: &Arc<Inner>) {
    collect(&inner.env);
    let ended = inner.env.ended_bans.take_turn();
    if ended.is_empty() {
        return;
    }
    let hosts = inner.manager.hosts().into_iter();
    let hosts: Vec<_> = hosts.filter(|host| !host.addresses().is_empty()).collect();
    let live = inner.env.live();
    let lookups = hosts.into_iter().map(|host| {
        let live = &live;
        async move {
            match inner.env.plugins.resolve(host.key(), live).await {
                Ok(found) => {
                    admit(&inner.env, &host, &found.addrs);
                    follow(&inner.env, &host, found.end);
                }
                Err(error) => debug!(%error, "lookup failed, the last answer stays"),
            }
        }
    });
    let at_once = live.config.upkeep.health_concurrency.max(1);
    stream::iter(lookups)
        .buffer_unordered(at_once)
        .collect::<()>()
        .await;
    inner.env.ended_bans.forget(&ended);
}

/// Gives a host the answer to its lookup. Where there are health checks, addresses that are new to it and were banned until lately
/// stay out of rotation until one succeeds.
pub(super) fn admit(env: &Env, host: &HostHandle<HttpConn>, addrs: &[SocketAddr]) {
    // After the lookup: a ban that ended while it was asked counts.
    collect(env);
    let (name, now) = (host.key().host(), clock::now());
    let was_banned = |&addr: &SocketAddr| {
        let cx = AccessContext::new(addr, name, now);
        env.ended_bans.cover(&cx)
    };
    let checked = !env.live().health.is_empty();
    let candidates = addrs.iter().copied().filter(|_| checked);
    let banned: HashSet<SocketAddr> = candidates.filter(was_banned).collect();
    for target in host.set_addresses_with_trials(addrs, &banned) {
        debug!(key = %host.key(), peer.addr = %target, "a ban has ended, a check decides");
        env.plugins.tell(&Event::Ejected {
            key: host.key(),
            target,
            duration: None,
            policy: None,
        });
    }
}

fn collect(env: &Env) {
    let now = clock::now();
    for list in &env.live().access {
        let expired = env.plugins.contain(|| list.expire(now));
        let expired = expired.into_iter().flatten();
        let bans = expired.filter(|rule| rule.action == AccessAction::Deny);
        env.ended_bans.add(bans);
    }
}
