#![cfg_attr(all(feature = "rustls", feature = "profiles"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "rustls", feature = "profiles")),
    doc = "TLS connectors, and fingerprints and their selection, for outbound connections."
)]
// BoringSSL cannot be called without; `backend/boring/ffi.rs` is where.
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "boring"), forbid(unsafe_code))]

mod backend;
pub mod client_hello;
pub mod conformance;
mod connector;
mod error;
pub mod fidelity;
/// For the fuzzer of this repository, and not part of the interface.
#[cfg(all(any(test, pool_fuzzing), feature = "profiles"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http2_opening;
mod id;
pub mod ja;
pub mod names;
#[cfg(feature = "profiles")]
mod near;
mod nearest;
mod plan;
mod self_check;
mod source;
pub mod spec;
mod wire;

#[cfg(feature = "boring")]
pub use backend::boring::{BoringConnector, BoringConnectorBuilder};
#[cfg(any(feature = "rustls", feature = "boring"))]
pub use backend::config::{Roots, TlsConfigError, TlsConfigErrorKind};
#[cfg(feature = "rustls")]
pub use backend::rustls::{RustlsConnector, RustlsConnectorBuilder};
pub use connector::{BoxedIo, Io, NoTls, TlsConnector, TlsContext, TlsSession, TlsVersion};
pub use error::{CertificateProblem, TlsError, TlsErrorKind};
pub use id::{ProfileId, TlsConfigId};
pub use nearest::Nearest;
pub use plan::Plan;
pub use self_check::self_check;
pub use source::{
    FingerprintContext, FingerprintSource, Fixed, Native, Per, Weighted, WeightsError,
};
