//! What captured clients sent, and what this crate says of it.

mod captures;
mod names;
#[cfg(feature = "profiles")]
mod profiles;
#[cfg(feature = "profiles")]
mod refusals;
mod spec;
