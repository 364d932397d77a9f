//! A network in memory: every address answers, refuses or stays silent as it is told, and every connect is counted.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{Config, Connect, ConnectContext, ConnectError, Connected, Pool, PoolBuilder};
use pool_core::{Resolver, StaticResolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// What an address does with a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers every HTTP/1.1 request with 200 and its own address.
    #[default]
    Answers,
    Refuses,
    /// Never answers a connect.
    Silent,
}

/// The addresses, by their manner; unknown ones answer.
#[derive(Debug, Default)]
pub(crate) struct Network {
    manners: Mutex<HashMap<SocketAddr, Manner>>,
    connects: Mutex<Vec<SocketAddr>>,
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn set(&self, addr: SocketAddr, manner: Manner) {
        self.manners.lock().expect(INTACT).insert(addr, manner);
    }

    /// Every address that was connected to, in that order.
    pub(crate) fn connects(&self) -> Vec<SocketAddr> {
        self.connects.lock().expect(INTACT).clone()
    }

    fn manner(&self, addr: SocketAddr) -> Manner {
        let manners = self.manners.lock().expect(INTACT);
        manners.get(&addr).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Connect for Network {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        self.connects.lock().expect(INTACT).push(cx.target);
        match self.manner(cx.target) {
            Manner::Answers => {}
            Manner::Silent => std::future::pending().await,
            Manner::Refuses => return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
        }
        let (near, far) = duplex(16 * 1024);
        tokio::spawn(serve(far, cx.target));
        Ok(Connected::new(Box::new(near), None))
    }
}

async fn serve(mut io: DuplexStream, addr: SocketAddr) {
    let body = addr.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut head = Vec::new();
    while let Ok(byte) = io.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if io.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// `10.0.0.1:80`, `10.0.0.2:80` and so on.
pub(crate) fn addrs(n: u8) -> Vec<SocketAddr> {
    (1..=n)
        .map(|i| SocketAddr::from(([10, 0, 0, i], 80)))
        .collect()
}

/// A resolver for `a.test` on port 80.
pub(crate) fn resolver(addrs: Vec<SocketAddr>) -> Arc<StaticResolver> {
    let resolver = StaticResolver::default();
    resolver.set("a.test", 80, addrs);
    Arc::new(resolver)
}

/// A builder for a pool on this network; plain HTTP/1.1.
pub(crate) fn pool(
    network: &Arc<Network>,
    resolver: Arc<dyn Resolver>,
    config: Config,
) -> PoolBuilder {
    let connect: Arc<dyn Connect> = network.clone();
    Pool::builder()
        .config(config)
        .resolver(resolver)
        .connect(connect)
}

/// Sends a GET and reads the address that answered.
pub(crate) async fn get(pool: &Pool) -> Result<String, pool_core::Error> {
    let response = pool.get(URL).await?;
    let body = response.into_body().bytes().await?;
    Ok(String::from_utf8(body.to_vec()).expect("an address"))
}

const INTACT: &str = "nothing panics under this lock";

pub(crate) const URL: &str = "http://a.test/";

/// Lets paused time pass, and whatever is due in it happen.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // fault: time itself, which is paused
}
