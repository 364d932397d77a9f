//! Asking again for the addresses of the hosts in use.

use std::sync::Arc;

use tracing::debug;

use super::ended_bans::admit;
use super::follow::follow;
use crate::pool::Inner;

/// Looks every host in use up again, one after the other: new addresses join, missing ones drain. A failed lookup
/// keeps the last good answer. A host without connections is looked up when it is next asked for.
pub(super) async fn refresh(inner: &Arc<Inner>) {
    let live = inner.env.live();
    for host in inner.manager.hosts() {
        if host.forget_addresses() {
            continue;
        }
        match inner.env.plugins.resolve(host.key(), &live).await {
            Ok(found) => {
                admit(&inner.env, &host, &found.addrs);
                follow(&inner.env, &host, found.end);
            }
            Err(error) => debug!(%error, "lookup failed, the last answer stays"),
        }
    }
}
