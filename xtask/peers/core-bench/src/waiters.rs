//! What tasks wait for in line: the pools behind one trait.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::peers::{Bb8, Deadpool, Stub};

/// A pool that makes its users wait when all connections are out.
pub(crate) trait Acquire: Send + Sync + 'static {
    /// Gives the connection back when it drops.
    type Conn<'a>: Send;

    fn acquire(&self) -> impl Future<Output = Self::Conn<'_>> + Send;
}

/// tokio's fair semaphore with a stack beside it: the least that a fair pool can do.
pub(crate) struct SemaphoreVec {
    permits: Semaphore,
    idle: Mutex<Vec<Stub>>,
}

impl SemaphoreVec {
    pub(crate) fn new(conns: usize) -> Self {
        Self {
            permits: Semaphore::new(conns),
            idle: Mutex::new((0..conns as u64).map(Stub).collect()),
        }
    }
}

/// A connection of [`SemaphoreVec`]: put back first, then the permit.
pub(crate) struct Permitted<'a> {
    idle: &'a Mutex<Vec<Stub>>,
    conn: Option<Stub>,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Permitted<'_> {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.conn.take());
    }
}

impl Acquire for SemaphoreVec {
    type Conn<'a> = Permitted<'a>;

    async fn acquire(&self) -> Permitted<'_> {
        let permit = self.permits.acquire().await;
        let conn = self.idle.lock().expect("nothing panics under it").pop();
        Permitted {
            idle: &self.idle,
            conn,
            _permit: permit.expect("it is never closed"),
        }
    }
}

impl Acquire for Deadpool {
    type Conn<'a> = deadpool::managed::Object<crate::peers::Maker>;

    async fn acquire(&self) -> Self::Conn<'_> {
        self.get().await.expect("a stub can always be had")
    }
}

impl Acquire for Bb8 {
    type Conn<'a> = bb8::PooledConnection<'a, crate::peers::Maker>;

    async fn acquire(&self) -> Self::Conn<'_> {
        self.get().await.expect("a stub can always be had")
    }
}
