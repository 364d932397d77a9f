//! Placeholder.
mod error;
#[allow(dead_code, unused_imports, reason = "called by the pool alone")]
mod http;
mod info;
mod key;
pub mod manager;

pub use error::{BoxError, Error, ErrorKind, Phase};
pub use http::{Body, PoolBody};
pub use info::{ConnFacts, ConnId, ConnInfo, Protocol};
pub use key::{Key, Partition, Protocols, Scheme, SourceClass};
