//! Seeing what the pool does.

mod event;
mod handshakes;
mod histogram;

pub use event::{Event, NoObserver, Observer};
pub(crate) use handshakes::Handshakes;
pub use histogram::{Distribution, Histogram};
