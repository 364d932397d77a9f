//! The rustls backend against real TLS servers, in memory.

#![expect(
    clippy::unwrap_used,
    reason = "helpers too: a test that cannot be set up has failed"
)]

mod broken;
mod certificates;
mod failures;
#[cfg(feature = "profiles")]
mod profiles;
mod sessions;
mod support;
