//! Placeholder.
pub mod lease;
pub use lease::Lease;
