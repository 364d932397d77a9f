//! Other pools, each as its own documentation says to use it, with nothing to check and nothing to time out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tower_service::Service;

use crate::harness::Worker;
use crate::rows::cleanup::{Cleaned, MAX_IDLE};
use crate::walk::Walk;

/// What a case starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) hosts: usize,
    /// Idle connections of each host.
    pub(crate) idle: usize,
}

impl Setup {
    pub(crate) fn name(&self, host: usize) -> String {
        format!("host-{host:05}.example.com")
    }
}

/// A connection without a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stub(pub(crate) u64);

/// A stack of connections under std's mutex, its host known: the least that a pool can do.
pub(crate) struct Stacks(Vec<Mutex<Vec<Stub>>>);

impl Stacks {
    pub(crate) fn new(setup: &Setup) -> Arc<Self> {
        let stack = || Mutex::new((0..setup.idle as u64).map(Stub).collect());
        Arc::new(Self((0..setup.hosts).map(|_| stack()).collect()))
    }

    pub(crate) fn worker(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            for _ in 0..ops {
                let stack = &this.0[walk.step()];
                let conn = stack.lock().expect("nothing panics under it").pop();
                let conn = conn.expect("a connection is idle");
                std::hint::black_box(conn.0);
                stack.lock().expect("nothing panics under it").push(conn);
            }
        })
    }
}

/// Makes connections out of nothing, for hyper-util's cache, deadpool and bb8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maker;

impl Service<()> for Maker {
    type Response = Stub;
    type Error = Infallible;
    type Future = Ready<Result<Stub, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(Stub(0)))
    }
}

impl deadpool::managed::Manager for Maker {
    type Type = Stub;
    type Error = Infallible;

    async fn create(&self) -> Result<Stub, Infallible> {
        Ok(Stub(0))
    }

    async fn recycle(
        &self,
        _: &mut Stub,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Maker {
    type Connection = Stub;
    type Error = Infallible;

    async fn connect(&self) -> Result<Stub, Infallible> {
        Ok(Stub(0))
    }

    async fn is_valid(&self, _: &mut Stub) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Stub) -> bool {
        false
    }
}

/// What a future says that must be ready at once.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a connection is idle"),
    }
}

/// hyper-util's cache, one for each host, its host known. It has no name for its type: the workers are made with it.
pub(crate) fn caches(setup: &Setup, walks: Vec<Walk>) -> Vec<Worker> {
    let caches: Vec<_> = (0..setup.hosts)
        .map(|_| hyper_util::client::pool::cache::builder().build::<_, ()>(Maker))
        .collect();
    for cache in &caches {
        let mut cache = cache.clone();
        let made: Vec<_> = (0..setup.idle).map(|_| at_once(cache.call(()))).collect();
        drop(made);
    }
    let worker = |mut walk: Walk| -> Worker {
        // Checking out takes `&mut`: every thread has handles of its own.
        let mut caches = caches.clone();
        Box::new(move |ops| {
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..ops {
                let cache = &mut caches[walk.step()];
                assert!(cache.poll_ready(&mut cx).is_ready());
                let conn = at_once(cache.call(()));
                drop(conn.expect("a stub can always be had"));
            }
        })
    };
    walks.into_iter().map(worker).collect()
}

/// A pool for each host, in the map that their documentation leaves to the user.
pub(crate) struct PoolMap<P> {
    pools: RwLock<HashMap<String, P>>,
    names: Vec<String>,
}

impl<P: Clone> PoolMap<P> {
    fn new(setup: &Setup, pool: impl Fn() -> P) -> Arc<Self> {
        let names: Vec<String> = (0..setup.hosts).map(|host| setup.name(host)).collect();
        let pools = names.iter().map(|name| (name.clone(), pool())).collect();
        Arc::new(Self {
            pools: RwLock::new(pools),
            names,
        })
    }

    #[inline]
    fn find(&self, host: usize) -> P {
        let pools = self.pools.read().expect("nothing panics under it");
        pools[&self.names[host]].clone()
    }
}

/// deadpool's managed pools.
pub(crate) type Deadpool = deadpool::managed::Pool<Maker>;

/// bb8's pools.
pub(crate) type Bb8 = bb8::Pool<Maker>;

/// One of deadpool's pools with so many idle connections, and as many as its limit.
pub(crate) fn deadpool(idle: usize) -> Deadpool {
    let pool = Deadpool::builder(Maker).max_size(idle).build();
    let pool = pool.expect("without timeouts it needs no runtime");
    let made: Vec<_> = (0..idle).map(|_| at_once(pool.get())).collect();
    drop(made);
    pool
}

/// As [`deadpool`], and the connection used last is used next, so that the others are idle.
pub(crate) fn lifo_deadpool(idle: usize) -> Deadpool {
    let pool = Deadpool::builder(Maker)
        .max_size(idle)
        .queue_mode(deadpool::managed::QueueMode::Lifo)
        .build();
    let pool = pool.expect("without timeouts it needs no runtime");
    let made: Vec<_> = (0..idle).map(|_| at_once(pool.get())).collect();
    drop(made);
    pool
}

impl Cleaned for Deadpool {
    fn use_once(&self) {
        drop(at_once(self.get()).expect("a stub can always be had"));
    }

    fn clean(&self) -> usize {
        let kept = self.retain(|_, metrics| metrics.last_used() < MAX_IDLE);
        kept.removed.len()
    }
}

/// One of bb8's pools with so many idle connections, and as many as its limit. It is told not to check connections
/// and not to reap them, and to be patient.
pub(crate) fn bb8(idle: usize) -> Bb8 {
    let pool = bb8::Pool::builder()
        .max_size(u32::try_from(idle).expect("connections are counted in thousands"))
        .test_on_check_out(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .connection_timeout(Duration::from_secs(3600))
        .build_unchecked(Maker);
    for conn in 0..idle as u64 {
        pool.add(Stub(conn)).expect("there is room");
    }
    pool
}

pub(crate) fn deadpools(setup: &Setup) -> Arc<PoolMap<Deadpool>> {
    PoolMap::new(setup, || deadpool(setup.idle))
}

pub(crate) fn bb8s(setup: &Setup) -> Arc<PoolMap<Bb8>> {
    PoolMap::new(setup, || bb8(setup.idle))
}

impl PoolMap<Deadpool> {
    pub(crate) fn worker(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            for _ in 0..ops {
                let pool = this.find(walk.step());
                drop(at_once(pool.get()).expect("a stub can always be had"));
            }
        })
    }
}

impl PoolMap<Bb8> {
    pub(crate) fn worker(self: &Arc<Self>, mut walk: Walk) -> Worker {
        let this = self.clone();
        Box::new(move |ops| {
            for _ in 0..ops {
                let pool = this.find(walk.step());
                drop(at_once(pool.get()).expect("a stub can always be had"));
            }
        })
    }
}
