//! The network between the pool and the servers: addresses, names, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use h2::Reason;
use http::Method;
use pool_core::{BoxError, Connect, ConnectContext, ConnectError, Connected, Resolver};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc};

use crate::caps::{Caps, Slipped};
use crate::clock::pass;
use crate::dice::Dice;
use crate::frames::Frames;
use crate::gauge::{Gauge, Held};
use crate::history::{Executed, History};
use crate::plan::{HostPlan, Plan, Speaks};
use crate::wire::{End, Link, wire};
use crate::{h1, h2 as http2};

/// How an address answers a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Refuses.
    Shut,
    /// Accepts, and then neither reads nor writes.
    Stalled,
}

/// What a server is told from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Takes no new request, finishes those it has; HTTP/1.1 hangs up if idle.
    Retire,
    /// Says GOAWAY with this reason and ends everything; HTTP/1.1 hangs up.
    Away(Reason),
}

/// One address.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) host: usize,
    pub(crate) door: Door,
    /// Nothing passes, neither connects nor bytes.
    pub(crate) cut_off: bool,
    pub(crate) latency: Duration,
    /// Requests in a hundred that its server treats badly.
    sick: Arc<AtomicUsize>,
    pub(crate) live: Vec<Live>,
}

/// An open connection, as the network sees it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) link: Link,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    /// What its HTTP/2 server allows.
    pub(crate) caps: Caps,
    /// Never carries anything again: a router on the way has forgotten it.
    pub(crate) lost: bool,
}

/// How a name is answered.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) addrs: Vec<SocketAddr>,
    pub(crate) manner: Lookup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Answers,
    Fails,
    Hangs,
}

/// The world outside of the pool.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) history: Arc<History>,
    pub(crate) hosts: Vec<HostPlan>,
    gauge: Arc<Gauge>,
    streams: usize,
    state: Mutex<State>,
    /// Told when an address is within reach again.
    healed: Notify,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    sites: BTreeMap<SocketAddr, Site>,
    names: BTreeMap<String, Name>,
    wires: u64,
}

impl Network {
    pub(crate) fn new(history: &Arc<History>, plan: &Plan, dice: Dice) -> Arc<Self> {
        let mut sites = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (host, planned) in plan.hosts.iter().enumerate() {
            for (&addr, &latency) in planned.addrs.iter().zip(&planned.latencies) {
                let site = Site {
                    host,
                    door: Door::Open,
                    cut_off: false,
                    latency,
                    sick: Arc::default(),
                    live: Vec::new(),
                };
                sites.insert(addr, site);
            }
            let name = Name {
                addrs: planned.addrs.clone(),
                manner: Lookup::Answers,
            };
            names.insert(planned.name.clone(), name);
        }
        Arc::new(Self {
            history: history.clone(),
            hosts: plan.hosts.clone(),
            gauge: Arc::new(Gauge::new(history.clone(), plan)),
            streams: plan.config.limits.streams_per_conn,
            state: Mutex::new(State {
                dice,
                sites,
                names,
                wires: 0,
            }),
            healed: Notify::new(),
        })
    }

    /// Does something to an address.
    pub(crate) fn at<T>(&self, addr: SocketAddr, change: impl FnOnce(&mut Site) -> T) -> T {
        let mut state = self.lock();
        let site = state.sites.get_mut(&addr).expect("a planned address");
        site.live.retain(|live| !live.link.is_gone());
        let out = change(site);
        drop(state);
        self.healed.notify_waiters();
        out
    }

    /// Does something to a name.
    pub(crate) fn name(&self, host: usize, change: impl FnOnce(&mut Name)) {
        let name = &self.hosts[host].name;
        change(self.lock().names.get_mut(name).expect("a planned name"));
        self.healed.notify_waiters();
    }

    /// Sockets and dials of the pool that there are now.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        self.gauge.in_use()
    }

    /// Ends every connection that there is still.
    pub(crate) fn reset_all(&self) {
        for site in self.lock().sites.values() {
            site.live.iter().for_each(|live| live.link.reset());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }

    async fn reach(&self, addr: SocketAddr) {
        loop {
            let healed = self.healed.notified();
            if !self.at_quietly(addr, |site| site.cut_off) {
                return;
            }
            healed.await;
        }
    }

    fn at_quietly<T>(&self, addr: SocketAddr, look: impl FnOnce(&Site) -> T) -> T {
        look(self.lock().sites.get(&addr).expect("a planned address"))
    }

    fn open(&self, addr: SocketAddr, held: Held) -> Socket {
        let mut state = self.lock();
        state.wires += 1;
        let id = state.wires;
        let dice = state.dice.fork();
        let site = state.sites.get_mut(&addr).expect("a planned address");
        let (near, far, link) = wire(site.latency);
        let (orders, inbox) = mpsc::unbounded_channel();
        let caps = Caps::new(link.clone());
        site.live.push(Live {
            link,
            orders,
            caps: caps.clone(),
            lost: false,
        });
        let (host, sick) = (site.host, site.sick.clone());
        let stalled = site.door == Door::Stalled;
        drop(state);
        self.history
            .note(format_args!("wire {id} open to h{host} at {addr}"));
        let peer = Peer {
            history: self.history.clone(),
            id,
            addr,
            host,
            dice,
            sick,
        };
        let speaks = self.hosts[host].speaks;
        let frames = match speaks {
            Speaks::Http1 => None,
            Speaks::Http2 { .. } => Some(Frames::new(self.history.clone(), id, self.streams)),
        };
        match (stalled, speaks) {
            (true, _) => drop(tokio::spawn(stall(far))),
            (false, Speaks::Http1) => drop(tokio::spawn(h1::serve(far, peer, inbox))),
            (false, Speaks::Http2 { cap }) => {
                drop(tokio::spawn(http2::serve(
                    Slipped::new(far, caps),
                    peer,
                    cap,
                    inbox,
                )));
            }
        }
        Socket {
            end: near,
            frames,
            id,
            history: self.history.clone(),
            _held: held,
        }
    }
}

/// Keeps the socket until the other side is gone.
async fn stall(far: End) {
    while !far.is_abandoned() {
        pass(Duration::from_secs(1)).await;
    }
}

/// What a server knows of one of its connections.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) history: Arc<History>,
    pub(crate) id: u64,
    pub(crate) addr: SocketAddr,
    pub(crate) host: usize,
    pub(crate) dice: Dice,
    sick: Arc<AtomicUsize>,
}

impl Peer {
    pub(crate) fn note(&self, what: impl fmt::Display) {
        let (addr, id) = (self.addr, self.id);
        self.history
            .note(format_args!("{addr} on wire {id} {what}"));
    }

    /// Requests in a hundred to treat badly.
    pub(crate) fn sick(&self) -> usize {
        self.sick.load(Ordering::Relaxed)
    }

    /// Writes a whole request into the ledger.
    pub(crate) fn execute(&self, id: usize, method: &Method, intact: bool) {
        let done = Executed {
            id,
            method: method.clone(),
            addr: self.addr,
            intact,
        };
        self.history.execute(done, self.id);
    }
}

impl Site {
    /// From now on bytes and connects take this long, one way.
    pub(crate) fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
        for live in &self.live {
            live.link.set_latency(latency);
        }
    }

    /// Every HTTP/2 server of the address allows so many streams.
    pub(crate) fn announce(&self, cap: u32) {
        for live in &self.live {
            live.caps.announce(cap);
        }
    }

    /// Tells every server of the address.
    pub(crate) fn order(&self, order: Order) {
        for live in &self.live {
            // One that does not listen any more is ending.
            let _ended = live.orders.send(order);
        }
    }

    /// From now on its server treats so many requests in a hundred badly.
    pub(crate) fn set_sick(&self, percent: usize) {
        self.sick.store(percent, Ordering::Relaxed);
    }
}

#[async_trait]
impl Connect for Network {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let addr = cx.target;
        let held = Gauge::enter(&self.gauge, addr, cx.source);
        // Half of the round trip before the door is seen, half of it after.
        self.reach(addr).await;
        pass(self.at_quietly(addr, |site| site.latency)).await;
        self.reach(addr).await;
        let door = self.at_quietly(addr, |site| site.door);
        pass(self.at_quietly(addr, |site| site.latency)).await;
        if door == Door::Shut {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        }
        let local = cx.source.map(|source| SocketAddr::new(source, 1));
        let socket = self.open(addr, held.connected());
        Ok(Connected::new(Box::new(socket), local))
    }
}

#[async_trait]
impl Resolver for Network {
    async fn resolve(&self, host: &str, _: u16) -> Result<Vec<SocketAddr>, BoxError> {
        let name = self.lock().names.get(host).cloned();
        let name = name.ok_or("no such name")?;
        pass(Duration::from_millis(5)).await;
        match name.manner {
            Lookup::Answers => Ok(name.addrs),
            Lookup::Fails => Err("the resolver fails".into()),
            Lookup::Hangs => std::future::pending().await,
        }
    }
}

/// The pool's end of a wire, counted while it is open.
struct Socket {
    end: End,
    /// Counts HTTP/2 streams as they pass.
    frames: Option<Frames>,
    id: u64,
    history: Arc<History>,
    _held: Held,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.id)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.history
            .note(format_args!("wire {} closed by the pool", self.id));
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.end).poll_read(cx, buf);
        if let Some(frames) = &mut self.frames {
            frames.received(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.end).poll_write(cx, bytes);
        match (&mut self.frames, &polled) {
            (Some(frames), Poll::Ready(Ok(taken))) => frames.sent(&bytes[..*taken]),
            (Some(frames), Poll::Pending) => frames.hold(),
            _ => {}
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}
