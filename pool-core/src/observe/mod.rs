//! Seeing what the pool does.

mod histogram;

pub use histogram::{Distribution, Histogram};
