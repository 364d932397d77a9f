//! Idle HTTP/1.1 connections of the inline engine: one task watches them all.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::config::Http1Engine;
use pool_core::{Config, Connect, ConnectContext, ConnectError, Connected, Pool, Warm};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Handle;

use crate::network::{Network, URL, addrs, get, pool, resolver, settle};

fn inline() -> Config {
    let mut config = Config::default();
    config.http1.engine = Http1Engine::Inline;
    config
}

async fn warm(pool: &Pool, per_addr: usize) {
    let plan = Warm::new(URL).per_cell(per_addr);
    let report = pool.warm(&plan).await.expect("a plan");
    assert_eq!(report.failed(), 0);
}

/// Tasks of this runtime that are not the network's, which has one for each connection.
fn tasks(network: &Network) -> usize {
    Handle::current().metrics().num_alive_tasks() - network.open()
}

#[tokio::test(start_paused = true)]
async fn any_number_of_idle_connections_is_one_task() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(4)), inline())
        .build()
        .unwrap();
    warm(&pool, 1).await;
    settle().await;
    let few = tasks(&network);
    warm(&pool, 4).await;
    settle().await;
    assert_eq!(network.open(), 16);
    assert_eq!(tasks(&network), few);
    get(&pool).await.unwrap();
    pool.close(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

/// Connects to a network that says nothing, with streams of which the first panics when it is read from while idle.
#[derive(Debug, Default)]
struct FirstPanics {
    connects: AtomicUsize,
}

struct Stream {
    io: DuplexStream,
    _peer: DuplexStream,
    panics: bool,
}

#[async_trait]
impl Connect for FirstPanics {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let (io, _peer) = duplex(64);
        let panics = self.connects.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(Connected::new(Box::new(Stream { io, _peer, panics }), None))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.panics, "expected by this test");
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_costs_no_other_connection() {
    let pool = Pool::builder()
        .config(inline())
        .resolver(resolver(addrs(1)))
        .connect(Arc::new(FirstPanics::default()))
        .build()
        .unwrap();
    warm(&pool, 3).await;
    settle().await;
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.opened, totals.open), (3, 2), "{totals:?}");
    assert_eq!(totals.closed["error"], 1);
    pool.close(Duration::from_secs(5)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
