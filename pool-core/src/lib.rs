#![cfg_attr(feature = "testing", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "testing"),
    doc = "Hot connection pools: outbound HTTP connections that are already open when a request wants one."
)]
#![forbid(unsafe_code)]

mod authority;
pub mod capacity;
mod clock;
pub mod config;
mod dial;
mod error;
mod http;
mod info;
mod key;
pub mod manager;
mod observe;
mod pool;
mod priority;
pub mod registry;
pub mod select;
#[cfg(feature = "testing")]
pub mod testing;
mod upkeep;
mod wait;

/// For the fuzzer of this repository, and not part of the interface.
#[cfg(any(test, pool_fuzzing))]
#[cfg(not(pool_loom))]
#[doc(hidden)]
pub use http::fuzzing;

pub use config::Config;
pub use dial::{
    Answer, Connect, ConnectContext, ConnectError, Connected, Lingering, LiteralResolver, Merged,
    ParseResolveError, ResolveEntry, Resolver, StaticResolver, SystemResolver, TcpConnector,
};
#[cfg(feature = "hickory")]
pub use dial::{DnsResolver, DnsResolverBuilder};
pub use error::{BoxError, Error, ErrorKind, Phase};
pub use http::{Body, HeaderSpelling, PoolBody, Upgraded};
pub use info::{ConnFacts, ConnId, ConnInfo, Protocol};
pub use key::{Key, Partition, Protocols, Scheme, SourceClass};
pub use observe::{
    Distribution, Event, Histogram, NoObserver, Observer, SourceCounts, SourceSnapshot,
    SourcesSnapshot,
};
pub use pool::{
    BuildError, Closed, ConnectorIo, Pool, PoolBuilder, PoolClient, PoolConnector, PoolSnapshot,
    PooledLease, ReconfigureError, RequestOptions,
};
pub use priority::Priority;
pub use registry::Registry;
pub use upkeep::{Warm, WarmCell, WarmOutcome, WarmProgress, WarmReport};
