//! Placeholder.
mod clock;
pub mod config;
#[expect(
    dead_code,
    unused_imports,
    reason = "the pool that dials is not here yet"
)]
mod dial;
mod error;
#[allow(dead_code, unused_imports, reason = "called by the pool alone")]
mod http;
mod info;
mod key;
pub mod manager;
mod observe;
pub mod registry;
#[cfg(feature = "testing")]
pub mod testing;

pub use config::Config;
pub use dial::{
    Connect, ConnectContext, ConnectError, Connected, LiteralResolver, ParseResolveError,
    ResolveEntry, Resolver, StaticResolver, SystemResolver, TcpConnector,
};
pub use error::{BoxError, Error, ErrorKind, Phase};
pub use http::{Body, PoolBody};
pub use info::{ConnFacts, ConnId, ConnInfo, Protocol};
pub use key::{Key, Partition, Protocols, Scheme, SourceClass};
pub use observe::{Distribution, Histogram};
pub use registry::Registry;
