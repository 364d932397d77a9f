//! An eviction policy in another pool: deadpool asks it in `recycle`, before it hands a connection out again.
//!
//! `cargo run -p pool-health --example deadpool` opens as many connections as ten checkouts take when each serves three.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Pool, RecycleError, RecycleResult};
use pool_health::{ConnStats, EvictionContext, EvictionPolicy, Lifetime, MaxUses, Verdict};

/// Any manager of deadpool's, with a policy that lets connections go.
#[derive(Debug)]
struct Evicting<M, P> {
    inner: M,
    policy: P,
    opened: AtomicU64,
}

impl<M, P> Evicting<M, P> {
    fn new(inner: M, policy: P) -> Self {
        Self {
            inner,
            policy,
            opened: AtomicU64::new(0),
        }
    }
}

/// A connection and the number that jitter is made of.
#[derive(Debug)]
struct Seeded<C> {
    conn: C,
    seed: u64,
}

impl<M, P> Manager for Evicting<M, P>
where
    M: Manager<Error: std::fmt::Display>,
    P: EvictionPolicy,
{
    type Type = Seeded<M::Type>;
    type Error = M::Error;

    async fn create(&self) -> Result<Self::Type, Self::Error> {
        let seed = self.opened.fetch_add(1, Ordering::Relaxed);
        let conn = self.inner.create().await?;
        Ok(Seeded { conn, seed })
    }

    async fn recycle(
        &self,
        seeded: &mut Self::Type,
        metrics: &Metrics,
    ) -> RecycleResult<Self::Error> {
        let mut stats = ConnStats::new(metrics.created);
        stats.seed = seeded.seed;
        stats.uses = metrics.recycle_count as u64 + 1;
        // deadpool knows when it last handed the connection out, not when it got it back.
        stats.last_used = metrics.recycled.unwrap_or(metrics.created);
        stats.idle_since = Some(stats.last_used);
        let now = metrics.created + metrics.age();
        if let Verdict::Evict(reason) = self.policy.judge(&EvictionContext::new(&stats, now)) {
            return Err(RecycleError::message(reason.as_str()));
        }
        self.inner.recycle(&mut seeded.conn, metrics).await
    }
}

/// Stands for whatever opens connections.
#[derive(Debug)]
struct Numbers;

impl Manager for Numbers {
    type Type = ();
    type Error = Infallible;

    async fn create(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn recycle(&self, (): &mut (), _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

/// Checks a connection out and in, again and again, and returns the number of the connection each time.
async fn checkouts(policy: impl EvictionPolicy + 'static, times: usize) -> Vec<u64> {
    let manager = Evicting::new(Numbers, policy);
    let pool = Pool::builder(manager).max_size(1).build();
    let pool: Pool<_> = pool.expect("a pool without timeouts needs no runtime");
    let mut served_by = Vec::new();
    for _ in 0..times {
        let conn = pool.get().await.expect("opening does not fail");
        served_by.push(conn.seed);
    }
    served_by
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let policy = MaxUses(3).or(Lifetime::new(Duration::from_secs(3600)));
    println!("served by {:?}", checkouts(policy, 10).await);
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_health::{IdleTimeout, NeverEvict};

    #[tokio::test]
    async fn a_connection_serves_as_often_as_its_policy_lets_it() {
        assert_eq!(
            checkouts(MaxUses(3), 10).await,
            [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
        );
    }

    #[tokio::test]
    async fn without_an_opinion_one_connection_serves_all() {
        assert_eq!(checkouts(NeverEvict, 5).await, [0; 5]);
        let young = Lifetime::new(Duration::from_secs(3600));
        assert_eq!(checkouts(young, 5).await, [0; 5]);
    }

    #[tokio::test]
    async fn what_must_not_be_idle_serves_once() {
        let never_idle = IdleTimeout(Duration::ZERO);
        assert_eq!(checkouts(never_idle, 3).await, [0, 1, 2]);
    }
}
