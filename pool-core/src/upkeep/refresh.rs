//! Asking again for the addresses of the hosts in use.

use std::sync::Arc;

use tracing::debug;

use crate::dial;
use crate::pool::Inner;

/// Looks every host in use up again, one after the other: new addresses join, missing ones drain. A failed lookup
/// keeps the last good answer.
pub(super) async fn refresh(inner: &Arc<Inner>) {
    let config = &inner.env.config;
    for host in inner.manager.hosts() {
        if !host.has_work() {
            continue;
        }
        let resolver = inner.env.plugins.resolver.as_ref();
        let most = config.dial.max_addresses;
        match dial::resolve(resolver, host.key(), most, config.timeouts.resolve).await {
            Ok(addrs) => host.set_addresses(&addrs),
            Err(error) => debug!(%error, "lookup failed, the last answer stays"),
        }
    }
}
