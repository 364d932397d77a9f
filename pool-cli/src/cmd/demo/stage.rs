//! The origins of the demo, their parts, and clients for them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pool_core::config::PolicyConfig;
use pool_core::testing::Fleet;
use pool_core::{Config, Pool, StaticResolver};
use pool_localip::{AddrSet, LocalAddrAllocator, OsAssigned, SourceSpec};
use pool_tls::{Roots, RustlsConnector};
use serde::Serialize;

use crate::exit::{Failure, chain};

/// One name on eight addresses, and who is to be what.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    pub(super) seed: u64,
    pub(super) roles: Roles,
    /// Where clients come from; empty where only the operating system can choose.
    pub(super) sources: Vec<IpAddr>,
    tls: Arc<RustlsConnector>,
    tls_without_tickets: Arc<RustlsConnector>,
}

/// Indices of origins, all different.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Roles {
    /// Refuses connections.
    pub(super) dead: usize,
    /// Answers 403.
    pub(super) forbidding: usize,
    /// Turns slow half-way through every row.
    pub(super) slow: usize,
    /// Dies half-way through the last row.
    pub(super) killed: usize,
}

/// Addresses of the name: 127.0.1.1 and up.
const TARGETS: u8 = 8;

/// Local addresses: 127.0.2.1 and up.
const SOURCES: u8 = 32;

/// What every origin simulates.
pub(super) const RTT: Duration = Duration::from_millis(40);

/// Requests at a time on one connection: few, so that a pool that warms nothing needs several connections too.
const STREAMS: u32 = 4;

/// What the slow origin adds to each answer.
const SLOW: Duration = Duration::from_millis(160);

impl Stage {
    /// Starts the fleet and gives out the parts. `ports_stand_in` does with one loopback address, as systems must that
    /// have no more.
    pub(super) async fn set(seed: u64, ports_stand_in: bool) -> Result<Self, Failure> {
        let targets = (1..=TARGETS).map(|i| IpAddr::from([127, 0, 1, i]));
        let fleet = Fleet::builder()
            .name("shop.demo.test")
            .origins(targets)
            .rtt(RTT)
            .max_streams(STREAMS)
            .ports_stand_in(ports_stand_in)
            .start()
            .await
            .map_err(|error| {
                Failure::environment(
                    format!("cannot start the origins: {error}"),
                    "the demo listens on loopback addresses only; see what forbids that",
                )
            })?;
        let roles = Roles::by(seed);
        fleet
            .origin(roles.dead)
            .script(|script| script.refuse = true);
        fleet
            .origin(roles.forbidding)
            .script(|script| script.status = 403);
        let sources = if fleet.ports_stand_in() {
            Vec::new()
        } else {
            (1..=SOURCES)
                .map(|i| IpAddr::from([127, 0, 2, i]))
                .collect()
        };
        let connector = |tickets| {
            let builder = RustlsConnector::builder()
                .roots(Roots::None)
                .tickets_per_server(tickets)
                .add_ca_der(fleet.ca_der());
            let built = builder.and_then(|builder| builder.build());
            built
                .map(Arc::new)
                .map_err(|error| broken("speak TLS", &chain(&error)))
        };
        let (tls, tls_without_tickets) = (connector(8)?, connector(0)?);
        Ok(Self {
            fleet,
            seed,
            roles,
            sources,
            tls,
            tls_without_tickets,
        })
    }

    /// A pool for all addresses from all sources, with these health checks.
    pub(super) fn pool(&self, health: &[PolicyConfig]) -> Result<Pool, Failure> {
        let mut config = Config {
            health: health.to_vec(),
            ..Config::default()
        };
        config.limits.per_host = usize::from(TARGETS) * usize::from(SOURCES);
        config.limits.dials_per_host = config.limits.dials_total;
        let addrs: Arc<dyn LocalAddrAllocator> = match self.sources.as_slice() {
            [] => Arc::new(OsAssigned),
            sources => Arc::new(from(sources)?),
        };
        let builder = Pool::builder().config(config).tls(self.tls.clone());
        let builder = builder
            .local_addrs(addrs)
            .resolver(self.resolver(self.fleet.addrs()));
        builder
            .build()
            .map_err(|error| broken("make a pool", &chain(&error)))
    }

    /// What a client without a pool is: it knows one connection, opens it for the `n`th request and forgets it. Like
    /// everybody without a memory it takes the next address and the next source in turn, tries once, and resumes no TLS
    /// session.
    pub(super) fn plain_client(&self, n: u32) -> Result<Pool, Failure> {
        let mut config = Config::default();
        config.retry.max_attempts = 1;
        let n = n as usize;
        let addrs = self.fleet.addrs();
        let target = addrs[n % addrs.len()];
        // Past a whole round of addresses the next source is due, so that each address is reached from each.
        let builder = Pool::builder()
            .config(config)
            .tls(self.tls_without_tickets.clone())
            .resolver(self.resolver(vec![target]));
        let builder = match self.sources.as_slice() {
            [] => builder,
            sources => {
                let source = sources[(n + n / addrs.len()) % sources.len()];
                builder.local_addrs(Arc::new(from(&[source])?))
            }
        };
        builder
            .build()
            .map_err(|error| broken("make a client", &chain(&error)))
    }

    /// Makes the slow origin slow, or as quick as the others.
    pub(super) fn slow_down(&self, slow: bool) {
        let delay = if slow { SLOW } else { Duration::ZERO };
        let origin = self.fleet.origin(self.roles.slow);
        origin.script(|script| script.response_delay = delay);
    }

    /// Connections to open for each address and source: the matrix is as large where there is one source only.
    pub(super) fn per_cell(&self) -> usize {
        usize::from(SOURCES) / self.sources_expected()
    }

    /// How many sources the origins must see if all carry traffic.
    pub(super) fn sources_expected(&self) -> usize {
        self.sources.len().max(1)
    }

    fn resolver(&self, addrs: Vec<SocketAddr>) -> Arc<StaticResolver> {
        let resolver = StaticResolver::default();
        resolver.set(self.fleet.name(), self.fleet.port(), addrs);
        Arc::new(resolver)
    }
}

/// The check that keeps a forbidding address out of rotation.
pub(super) fn check() -> PolicyConfig {
    PolicyConfig::new("http").option("accept", "200")
}

/// The demo cannot do its part.
pub(super) fn broken(what: &str, why: &str) -> Failure {
    Failure::environment(
        format!("cannot {what}: {why}"),
        "POOL_LOG=pool_core=debug shows what happened on stderr",
    )
}

fn from(sources: &[IpAddr]) -> Result<AddrSet, Failure> {
    let specs = sources.iter().copied().map(SourceSpec::from);
    AddrSet::new(specs).map_err(|error| broken("use the sources", &chain(&error)))
}

impl Roles {
    /// Four different origins, chosen by the seed alone.
    fn by(seed: u64) -> Self {
        let mut order: Vec<usize> = (0..TARGETS.into()).collect();
        let mut state = seed;
        let mut take = || {
            // SplitMix64: small, and every seed gives another order.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let left = order.len() as u64;
            let at = usize::try_from((z ^ (z >> 31)) % left).expect("less than eight");
            order.swap_remove(at)
        };
        Self {
            dead: take(),
            forbidding: take(),
            slow: take(),
            killed: take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_four_different_origins_and_the_seeds_alone() {
        for seed in 0..200 {
            let of = |roles: Roles| [roles.dead, roles.forbidding, roles.slow, roles.killed];
            let mut roles = of(Roles::by(seed));
            assert_eq!(roles, of(Roles::by(seed)));
            roles.sort_unstable();
            assert!(
                roles.windows(2).all(|pair| pair[0] < pair[1]) && roles[3] < 8,
                "{roles:?}"
            );
        }
    }
}
