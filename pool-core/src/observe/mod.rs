//! Seeing what the pool does.

mod event;
mod handshakes;
mod histogram;
mod sources;

pub use event::{Event, NoObserver, Observer};
pub(crate) use handshakes::Handshakes;
pub use histogram::{Distribution, Histogram};
pub(crate) use sources::SourceBook;
pub use sources::{SourceCounts, SourceSnapshot, SourcesSnapshot};
