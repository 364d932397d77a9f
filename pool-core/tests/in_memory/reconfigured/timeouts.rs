//! How long each phase may take.

use std::net::SocketAddr;

use async_trait::async_trait;
use pool_core::config::Timeouts;
use pool_core::{BoxError, Resolver, Warm, WarmOutcome};

use super::*;
use crate::network::Manner;

one_case_each!(Timeouts {
    acquire,
    resolve,
    connect,
    handshake,
    response_head,
    body_idle,
    drain,
});

fn endless(config: &mut Config) {
    config.timeouts = Timeouts {
        acquire: NEVER,
        resolve: NEVER,
        connect: NEVER,
        handshake: NEVER,
        response_head: NEVER,
        body_idle: NEVER,
        drain: NEVER,
    };
}

/// A pool without a time limit, on an address of this manner.
fn pool_on(manner: Manner) -> Pool {
    let (network, pool) = pool_with(1, endless);
    network.set(addrs(1)[0], manner);
    pool
}

async fn acquire() {
    let (_, pool) = pool_with(1, |config| {
        endless(config);
        config.limits.per_host = 1;
    });
    let _held = pool.acquire(URL).await.unwrap();
    assert_eq!(outcome(get(&pool)).await, "never");
    change(&pool, |config| config.timeouts.acquire = SECOND);
    assert_eq!(outcome(get(&pool)).await, "acquire_timeout");
}

#[derive(Debug)]
struct Hangs;

#[async_trait]
impl Resolver for Hangs {
    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        std::future::pending().await
    }
}

async fn resolve() {
    let pool = pool(&Network::new(), Arc::new(Hangs), quiet(endless));
    let pool = pool.build().unwrap();
    change(&pool, |config| config.timeouts.resolve = SECOND);
    assert_eq!(outcome(get(&pool)).await, "resolve_timeout");
    change(&pool, |config| config.timeouts.resolve = NEVER);
    assert_eq!(outcome(get(&pool)).await, "never");
}

async fn connect() {
    let pool = pool_on(Manner::Silent);
    change(&pool, |config| config.timeouts.connect = SECOND);
    assert_eq!(outcome(get(&pool)).await, "connect_timeout");
    change(&pool, |config| config.timeouts.connect = NEVER);
    assert_eq!(outcome(get(&pool)).await, "never");
}

async fn handshake() {
    let pool = pool_on(Manner::Mute);
    let plan = Warm::new(URL).options(h2());
    let warmed = || async {
        let report = tokio::time::timeout(HOUR, pool.warm(&plan)).await;
        let Ok(report) = report else { return "never" };
        match &report.unwrap().cells[0].outcome {
            WarmOutcome::Failed(error) => error.kind().code(),
            _ => "ok",
        }
    };
    assert_eq!(warmed().await, "never");
    change(&pool, |config| config.timeouts.handshake = SECOND);
    assert_eq!(warmed().await, "handshake_timeout");
}

async fn response_head() {
    let pool = pool_on(Manner::Mute);
    assert_eq!(outcome(get(&pool)).await, "never");
    change(&pool, |config| config.timeouts.response_head = SECOND);
    assert_eq!(outcome(get(&pool)).await, "response_head_timeout");
}

async fn body_idle() {
    let pool = pool_on(Manner::Half);
    assert_eq!(outcome(get(&pool)).await, "never");
    change(&pool, |config| config.timeouts.body_idle = SECOND);
    assert_eq!(outcome(get(&pool)).await, "body_idle_timeout");
}

/// A pool does not close by itself: this one is for whoever closes it, who reads it from the configuration in force.
async fn drain() {
    let pool = pool_on(Manner::Answers);
    change(&pool, |config| config.timeouts.drain = SECOND);
    let held = pool.acquire(URL).await.unwrap();
    let closed = pool.close(pool.config().timeouts.drain).await;
    assert_eq!(closed.aborted, 1);
    drop(held);
}
