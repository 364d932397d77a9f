//! The BoringSSL backend: first the tests that every backend has to pass, then the hellos that it alone can send.

#![expect(
    clippy::unwrap_used,
    reason = "helpers too: a test that cannot be set up has failed"
)]

use pool_tls::{BoringConnector as Connector, BoringConnectorBuilder as ConnectorBuilder};

#[path = "../backend/broken.rs"]
mod broken;
#[path = "../backend/certificates.rs"]
mod certificates;
#[path = "../backend/failures.rs"]
mod failures;
#[path = "../backend/sessions.rs"]
mod sessions;
#[path = "../backend/support.rs"]
mod support;

mod hellos;
mod process;
mod servers;
mod show;
mod tap;
