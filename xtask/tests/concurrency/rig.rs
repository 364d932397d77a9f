//! A pool that knows a fleet: its names, its certificate authority.

use std::net::IpAddr;
use std::sync::Arc;

use pool_core::testing::Fleet;
use pool_core::{Config, Pool, PoolBuilder, StaticResolver};
use pool_tls::{Roots, RustlsConnector};

/// `127.0.1.1` to `127.0.1.n`.
pub(crate) fn origins(n: u8) -> Vec<IpAddr> {
    (1..=n).map(|i| IpAddr::from([127, 0, 1, i])).collect()
}

/// A builder for a pool that finds the fleet by its name and trusts it.
pub(crate) fn pool_of(fleet: &Fleet, config: Config) -> PoolBuilder {
    let tls = RustlsConnector::builder()
        .roots(Roots::None)
        .add_ca_pem(fleet.ca_pem().as_bytes())
        .expect("the fleet's certificate authority is well-formed")
        .build()
        .expect("a connector with one root");
    Pool::builder()
        .config(config)
        .tls(Arc::new(tls))
        .resolver(resolver_of(fleet))
}

/// A resolver that knows the fleet and nothing else.
pub(crate) fn resolver_of(fleet: &Fleet) -> Arc<StaticResolver> {
    let resolver = StaticResolver::default();
    resolver.set(fleet.name(), fleet.port(), fleet.addrs());
    Arc::new(resolver)
}
