//! Addresses that an access list denies although the pool has them.

use std::net::SocketAddr;

use crate::pool::Inner;

/// Takes denied addresses out of their hosts: idle connections to them close, busy ones drain. Returns how many addresses
/// it took out. The lists are asked outside every lock.
pub(crate) fn enforce_access(inner: &Inner) -> usize {
    if inner.env.live().access.is_empty() {
        return 0;
    }
    let of_host = |host: crate::manager::HostHandle<crate::http::HttpConn>| {
        let denied: Vec<SocketAddr> = host
            .addresses()
            .into_iter()
            .filter(|&target| inner.env.denies(host.key(), target).is_some())
            .collect();
        if denied.is_empty() {
            return 0;
        }
        host.forbid(&denied)
    };
    inner.manager.hosts().into_iter().map(of_host).sum()
}
