//! Seeing what the pool does.

mod event;
mod histogram;

pub use event::{Event, NoObserver, Observer};
pub use histogram::{Distribution, Histogram};
