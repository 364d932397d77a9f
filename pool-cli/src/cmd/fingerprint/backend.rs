//! The TLS backends of this build, as far as their hellos go.

use std::sync::Arc;

use pool_core::Registry;
use pool_core::config::{Config, PolicyConfig};
use pool_tls::TlsConnector;

use crate::exit::{Failure, chain};

/// The default backend. It trusts nobody that matters: nothing but hellos is sent through it.
pub(super) fn connector() -> Result<Arc<dyn TlsConnector>, Failure> {
    let name = Config::default().tls.use_;
    let policy = PolicyConfig::new(name).option("roots", "webpki");
    Registry::builtin()
        .build_tls(&policy)
        .map_err(|error| Failure::environment(chain(&error), "this is a fault of this program"))
}
