//! The TLS implementations, each behind a feature.

#[cfg(feature = "rustls")]
pub(crate) mod config;
#[cfg(feature = "rustls")]
mod lru;
#[cfg(feature = "rustls")]
pub(crate) mod rustls;
