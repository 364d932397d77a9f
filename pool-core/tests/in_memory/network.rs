//! A network in memory: every address does as it is told, and what reaches it is counted there.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{Config, Connect, ConnectContext, ConnectError, Connected, Pool, PoolBuilder};
use pool_core::{RequestOptions, Resolver, StaticResolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use crate::frames;

/// What an address does with a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers every request with 200; over HTTP/1.1 with its own address as the body.
    #[default]
    Answers,
    Refuses,
    /// Never answers a connect.
    Silent,
    /// Takes a connection after so long, and then answers.
    Takes(Duration),
    /// Reads each request and answers it this much later.
    Slow(Duration),
    /// Reads a request and hangs up.
    HangsUp,
    /// Reads whatever comes and says nothing.
    Mute,
    /// Answers with half a body.
    Half,
    /// Answers with so many more fields in the head, of 200 bytes each.
    Fields(usize),
    /// Says the length of the body twice.
    SaysLengthTwice,
    /// Closes a connection on which no request has come for so long.
    ClosesIdle(Duration),
    /// Answers with 429 and asks to be left alone for so many seconds.
    AsksForPause(u64),
    /// Answers with 503.
    Unwell,
}

/// The addresses, by their manner; unknown ones answer. It is looked up anew for each request.
#[derive(Debug, Default)]
pub(crate) struct Network(Arc<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    manners: Mutex<HashMap<SocketAddr, Manner>>,
    connects: Mutex<Vec<SocketAddr>>,
    buffers: Mutex<Vec<(u32, u32)>>,
    requests: Mutex<Vec<SocketAddr>>,
    heads: Mutex<Vec<String>>,
    open: Mutex<Vec<SocketAddr>>,
    h2: frames::Seen,
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }
}

impl std::ops::Deref for Network {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl State {
    pub(crate) fn set(&self, addr: SocketAddr, manner: Manner) {
        self.manners.lock().expect(INTACT).insert(addr, manner);
    }

    /// Every address that was connected to, in that order.
    pub(crate) fn connects(&self) -> Vec<SocketAddr> {
        self.connects.lock().expect(INTACT).clone()
    }

    /// The sizes of the kernel's buffers that each connect was to have, to send and to receive; 0 for the system's own.
    pub(crate) fn buffers(&self) -> Vec<(u32, u32)> {
        self.buffers.lock().expect(INTACT).clone()
    }

    /// Every address that a request reached, in that order.
    pub(crate) fn requests(&self) -> Vec<SocketAddr> {
        self.requests.lock().expect(INTACT).clone()
    }

    /// The head of every request over HTTP/1.1, in that order.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect(INTACT).clone()
    }

    /// How many requests reached this address.
    pub(crate) fn requests_at(&self, addr: SocketAddr) -> usize {
        self.requests().iter().filter(|&&at| at == addr).count()
    }

    /// How many connections are open, as the servers see it.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().expect(INTACT).len()
    }

    /// How many of them to this address.
    pub(crate) fn open_at(&self, addr: SocketAddr) -> usize {
        let open = self.open.lock().expect(INTACT);
        open.iter().filter(|&&at| at == addr).count()
    }

    /// What was seen on HTTP/2 connections.
    pub(crate) fn h2(&self) -> &frames::Seen {
        &self.h2
    }

    pub(crate) fn manner(&self, addr: SocketAddr) -> Manner {
        let manners = self.manners.lock().expect(INTACT);
        manners.get(&addr).copied().unwrap_or_default()
    }

    pub(crate) fn note_request(&self, addr: SocketAddr) {
        self.requests.lock().expect(INTACT).push(addr);
    }

    async fn serve(self: Arc<Self>, mut io: DuplexStream, addr: SocketAddr) {
        self.open.lock().expect(INTACT).push(addr);
        self.serve_until_it_ends(&mut io, addr).await;
        drop(io);
        let mut open = self.open.lock().expect(INTACT);
        let at = open.iter().position(|&at| at == addr);
        open.swap_remove(at.expect("it was added"));
    }

    async fn serve_until_it_ends(self: &Arc<Self>, io: &mut DuplexStream, addr: SocketAddr) {
        let mut head = Vec::new();
        loop {
            let byte = match self.manner(addr) {
                Manner::ClosesIdle(limit) => timeout(limit, io.read_u8()).await,
                _ => Ok(io.read_u8().await),
            };
            let Ok(Ok(byte)) = byte else { return };
            head.push(byte);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            if head.starts_with(b"PRI * HTTP/2.0") {
                return frames::serve(self, io, addr).await;
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            self.heads.lock().expect(INTACT).push(text);
            head.clear();
            self.note_request(addr);
            if !self.answer(io, addr).await {
                return;
            }
        }
    }

    /// Answers one request. `false` ends the connection.
    async fn answer(&self, io: &mut DuplexStream, addr: SocketAddr) -> bool {
        let mut fields = String::new();
        let mut length = addr.to_string().len();
        let mut status = "200 OK";
        match self.manner(addr) {
            Manner::Answers | Manner::Refuses | Manner::Silent => {}
            Manner::Takes(_) | Manner::ClosesIdle(_) => {}
            Manner::Slow(delay) => pass(delay).await,
            Manner::HangsUp => return false,
            Manner::Mute => return true,
            Manner::Half => length *= 2,
            Manner::SaysLengthTwice => fields += &format!("content-length: {length}\r\n"),
            Manner::AsksForPause(secs) => {
                status = "429 Too Many Requests";
                fields += &format!("retry-after: {secs}\r\n");
            }
            Manner::Unwell => status = "503 Service Unavailable",
            Manner::Fields(count) => {
                for i in 0..count {
                    fields += &format!("x-{i}: {}\r\n", "v".repeat(200));
                }
            }
        }
        let answer = format!("HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n{addr}");
        io.write_all(answer.as_bytes()).await.is_ok()
    }
}

#[async_trait]
impl Connect for Network {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let network = &self.0;
        network.connects.lock().expect(INTACT).push(cx.target);
        let buffers =
            [cx.send_buffer, cx.receive_buffer].map(|size| size.map_or(0, NonZeroU32::get));
        network.buffers.lock().expect(INTACT).push(buffers.into());
        match network.manner(cx.target) {
            Manner::Silent => std::future::pending().await,
            Manner::Takes(after) => pass(after).await,
            Manner::Refuses => return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
            _ => {}
        }
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(network.clone().serve(far, cx.target));
        Ok(Connected::new(Box::new(near), None))
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

/// Sends a GET with these options and reads the address that answered.
pub(crate) async fn get_with(
    pool: &Pool,
    options: RequestOptions,
) -> Result<String, pool_core::Error> {
    let mut request = http::Request::get(URL).body(()).expect("a request");
    request.extensions_mut().insert(options);
    let body = pool.request(request).await?.into_body().bytes().await?;
    Ok(String::from_utf8(body.to_vec()).expect("an address"))
}

/// Runs something in a task that has begun to wait, or has ended, when this returns.
pub(crate) async fn begun<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let task = tokio::spawn(future);
    settle().await;
    task
}

/// Lets every task run until each of them waits for time to pass.
pub(crate) async fn settle() {
    pass(Duration::from_millis(1)).await;
}

/// Lets paused time pass, and whatever is due in it happen.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // fault: time itself, which is paused
}
