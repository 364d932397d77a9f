//! Placeholder.
pub mod config;
mod error;
mod info;
mod key;
pub mod manager;
pub mod registry;

pub use config::Config;
pub use error::{BoxError, Error, ErrorKind, Phase};
pub use info::{ConnFacts, ConnId, ConnInfo, Protocol};
pub use key::{Key, Partition, Protocols, Scheme, SourceClass};
pub use registry::Registry;
