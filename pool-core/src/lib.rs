//! Placeholder.
mod error;
mod info;
mod key;
pub mod manager;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{BoxError, Error, ErrorKind, Phase};
pub use info::{ConnFacts, ConnId, ConnInfo, Protocol};
pub use key::{Key, Partition, Protocols, Scheme, SourceClass};
