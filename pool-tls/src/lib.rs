//! Placeholder.

mod connector;
mod id;

pub use connector::{BoxedIo, Io};
pub use id::{ProfileId, TlsConfigId};
