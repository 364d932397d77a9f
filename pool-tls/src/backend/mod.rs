//! The TLS implementations, each behind a feature.

#[cfg(feature = "boring")]
pub(crate) mod boring;
#[cfg(any(feature = "rustls", feature = "boring"))]
pub(crate) mod config;
#[cfg(any(feature = "rustls", feature = "boring"))]
mod lru;
#[cfg(feature = "rustls")]
pub(crate) mod rustls;
#[cfg(any(feature = "rustls", feature = "boring"))]
mod validity;
