//! The TLS implementations, each behind a feature.

#[cfg(feature = "rustls")]
pub(crate) mod rustls;
