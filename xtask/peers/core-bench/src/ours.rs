//! The connection manager as the benchmark uses it: every call of its API is in this file.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::config::Limits;
use pool_core::manager::{ConnHandle, ConnectionManager, HostHandle, Lease, NewConn};
use pool_core::{ConnId, Key, Scheme};

use crate::clock;
use crate::harness::Worker;
use crate::peers::{Setup, Stub};
use crate::rows::cleanup::{Cleaned, MAX_IDLE};
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

    /// As [`by_handle`](Self::by_handle), for a caller that knows the time: the clock is not read.
    pub(crate) fn by_handle_no_clock(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            let now = clock::now();
            for _ in 0..ops {
                let lease = this.handles[walk.step()].try_acquire_at(now);
                lease.expect("a connection is idle").release_at(now);
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
    /// Acquires, takes one trip through the scheduler and gives back, so many times: at first of host `from`, then of the
    /// one `stride` further each time.
    pub(crate) async fn use_hosts(&self, from: usize, stride: usize, times: u64) {
        let mut at = from;
        for _ in 0..times {
            let lease = self.handles[at % self.handles.len()].acquire().await;
            tokio::task::yield_now().await;
            drop(lease.expect("the manager is open"));
            at += stride;
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

/// One host that connections are added to and removed from.
pub(crate) struct Depot {
    manager: ConnectionManager<Stub>,
    key: Key,
    host: HostHandle<Stub>,
    added: Vec<ConnId>,
}

impl Depot {
    pub(crate) fn new() -> Self {
        let manager = ConnectionManager::new(&unlimited());
        let key = Key::new(Scheme::Https, "depot.example.com", 443);
        let host = manager.host(&key);
        Self {
            manager,
            key,
            host,
            added: Vec::new(),
        }
    }

    /// With so many idle connections.
    pub(crate) fn with(conns: usize) -> Self {
        let mut this = Self::new();
        this.add_many(conns);
        this
    }

    pub(crate) fn add_each(&mut self, conns: usize) {
        self.added.reserve(conns);
        for conn in fresh(conns) {
            let added = self.manager.add(&self.key, conn);
            self.added.push(added.expect("nothing is limited").id());
        }
    }

    pub(crate) fn add_many(&mut self, conns: usize) {
        let (added, rejected) = self.manager.add_many(&self.key, fresh(conns));
        assert!(rejected.is_empty(), "nothing is limited");
        self.added = added;
    }

    pub(crate) fn remove_each(&mut self) {
        for id in self.added.drain(..) {
            assert!(self.host.remove(id), "it is there");
        }
    }

    pub(crate) fn remove_many(&mut self) {
        let removed = self.host.remove_many(&self.added);
        assert_eq!(removed, self.added.len(), "all are there");
        self.added.clear();
    }
}

fn fresh(conns: usize) -> impl Iterator<Item = NewConn<Stub>> {
    (0..conns).map(|conn| NewConn::exclusive(target(0), Stub(conn as u64)))
}

impl Cleaned for Depot {
    fn use_once(&self) {
        drop(
            self.host
                .try_acquire()
                .expect("one is in use again and again"),
        );
    }

    fn clean(&self) -> usize {
        self.host.evict_idle(MAX_IDLE)
    }
}

/// One host that is read, changed and waited for.
pub(crate) struct Books {
    manager: ConnectionManager<Stub>,
    key: Key,
    host: HostHandle<Stub>,
    conns: Vec<ConnHandle<Stub>>,
    addrs: usize,
}

impl Books {
    pub(crate) fn new(conns: usize, addrs: usize) -> Self {
        let manager = ConnectionManager::new(&unlimited());
        let key = Key::new(Scheme::Https, "books.example.com", 443);
        for conn in 0..conns {
            add(&manager, &key, target(conn % addrs), Stub(conn as u64));
        }
        let host = manager.host(&key);
        let conns = host.connections();
        Self {
            manager,
            key,
            host,
            conns,
            addrs,
        }
    }

    /// The connections of the host, or those to one of its addresses.
    pub(crate) fn read(&self, number: usize) {
        if number.is_multiple_of(2) {
            std::hint::black_box(self.host.connections());
        } else {
            let target = target(number / 2 % self.addrs);
            std::hint::black_box(self.host.by_target(target));
        }
    }

    /// Adds a connection and removes it.
    pub(crate) fn write(&self, number: usize) {
        let conn = NewConn::exclusive(target(number % self.addrs), Stub(0));
        let added = self.manager.add(&self.key, conn);
        // In use already, if somebody waited for it: it goes with its lease.
        let removed = self.host.remove(added.expect("nothing is limited").id());
        assert!(removed, "nobody else removes it");
    }

    /// Reads the state of a connection.
    pub(crate) fn check(&self, number: usize) {
        let status = self.conns[number % self.conns.len()].status();
        std::hint::black_box(status);
    }

    /// Waits for a connection, holds it for one trip through the scheduler and gives it back.
    pub(crate) async fn wait(&self) {
        let lease = self.host.acquire().await;
        tokio::task::yield_now().await;
        drop(lease.expect("the manager is open"));
    }

    /// How long all threads have waited for hosts' locks so far.
    pub(crate) fn lock_wait(&self) -> Duration {
        self.manager.snapshot().lock_wait.sum
    }
}

fn add(manager: &ConnectionManager<Stub>, key: &Key, target: SocketAddr, conn: Stub) {
    let added = manager.add(key, NewConn::exclusive(target, conn));
    assert!(added.is_ok(), "nothing is limited");
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
