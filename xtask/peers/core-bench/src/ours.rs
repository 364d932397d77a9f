//! The connection manager as the benchmark uses it: every call of its API is in this file.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pool_core::config::Limits;
use pool_core::manager::{ConnectionManager, HostHandle, Lease};
use pool_core::{Key, Scheme};

use crate::harness::Worker;
use crate::peers::{Setup, Stub};
use crate::waiters::Acquire;
use crate::walk::Walk;

/// The manager with its hosts, their keys and their handles, in the order of their numbers.
pub(crate) struct Ours {
    pub(crate) manager: ConnectionManager<Stub>,
    keys: Vec<Key>,
    handles: Vec<HostHandle<Stub>>,
}

impl Ours {
    /// As many hosts with as many idle connections as `setup` says.
    pub(crate) fn new(setup: &Setup) -> Arc<Self> {
        Self::spread(setup, 1)
    }

    /// As [`new`](Self::new), the connections of each host dealt out to so many remote addresses.
    pub(crate) fn spread(setup: &Setup, addrs: usize) -> Arc<Self> {
        let manager = ConnectionManager::new(&unlimited());
        let keys: Vec<Key> = (0..setup.hosts)
            .map(|host| Key::new(Scheme::Https, &setup.name(host), 443))
            .collect();
        for key in &keys {
            for conn in 0..setup.idle {
                add(&manager, key, target(conn % addrs), Stub(conn as u64));
            }
        }
        let handles = keys.iter().map(|key| manager.host(key)).collect();
        Arc::new(Self {
            manager,
            keys,
            handles,
        })
    }

    /// Claims by handle and gives back.
    pub(crate) fn by_handle(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            for _ in 0..ops {
                let lease = this.handles[walk.step()].try_acquire();
                drop(lease.expect("a connection is idle"));
            }
        })
    }

    /// As [`by_handle`](Self::by_handle), through the future that would wait if nothing were idle.
    pub(crate) fn by_handle_awaited(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..ops {
                let lease = pin!(this.handles[walk.step()].acquire());
                let Poll::Ready(lease) = lease.poll(&mut cx) else {
                    panic!("a connection is idle");
                };
                drop(lease.expect("the manager is open"));
            }
        })
    }

    /// Claims by key and gives back.
    pub(crate) fn by_key(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            for _ in 0..ops {
                let lease = this.manager.try_acquire(&this.keys[walk.step()]);
                drop(lease.expect("a connection is idle"));
            }
        })
    }
}

impl Ours {
    /// Acquires, takes one trip through the scheduler and gives back, so many times; of the host whose turn `task` is.
    pub(crate) async fn use_host(&self, task: usize, times: u64) {
        let host = &self.handles[task % self.handles.len()];
        for _ in 0..times {
            let lease = host.acquire().await;
            tokio::task::yield_now().await;
            drop(lease.expect("the manager is open"));
        }
    }
}

/// One host whose connections tasks wait for.
pub(crate) struct OneHost(Arc<Ours>);

impl OneHost {
    pub(crate) fn new(idle: usize) -> Self {
        Self(Ours::new(&Setup { hosts: 1, idle }))
    }
}

impl Acquire for OneHost {
    type Conn<'a> = Lease<Stub>;

    async fn acquire(&self) -> Lease<Stub> {
        let lease = self.0.handles[0].acquire().await;
        lease.expect("the manager is open")
    }
}

fn add(manager: &ConnectionManager<Stub>, key: &Key, target: SocketAddr, conn: Stub) {
    let added = manager.add(key, target, conn, 1, false);
    added.expect("nothing is limited");
}

fn target(number: usize) -> SocketAddr {
    let [.., high, low] = number.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 443))
}

fn unlimited() -> Limits {
    Limits {
        per_host: usize::MAX,
        total: usize::MAX,
        waiters_per_host: usize::MAX,
        waiters_total: usize::MAX,
        hosts: usize::MAX / 2,
        ..Limits::default()
    }
}
