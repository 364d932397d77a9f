//! The rustls backend against real TLS servers, in memory.

#![expect(
    clippy::unwrap_used,
    reason = "helpers too: a test that cannot be set up has failed"
)]

use pool_tls::{RustlsConnector as Connector, RustlsConnectorBuilder as ConnectorBuilder};

#[path = "../backend/broken.rs"]
mod broken;
#[path = "../backend/certificates.rs"]
mod certificates;
#[path = "../backend/failures.rs"]
mod failures;
#[cfg(feature = "profiles")]
mod profiles;
#[path = "../backend/sessions.rs"]
mod sessions;
#[path = "../backend/support.rs"]
mod support;
