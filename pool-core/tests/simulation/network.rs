//! The network between the pool and the servers: addresses, names, and what is wrong with them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{BoxError, Connect, ConnectContext, ConnectError, Connected, Resolver};
use tokio::sync::{Notify, mpsc};

use crate::caps::{Caps, Slipped};
use crate::clock::pass;
use crate::dice::Dice;
use crate::frames::Frames;
use crate::gauge::{Gauge, Held};
use crate::history::History;
use crate::peer::Peer;
use crate::plan::{HostPlan, Plan, Speaks};
use crate::site::{Door, Live, Site};
use crate::socket::Socket;
use crate::wire::{End, wire};
use crate::{h1, h2 as http2};

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
    /// Within this time a silent HTTP/2 peer is found out.
    pub(crate) patience: Duration,
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
        let (http2, timeouts) = (&plan.config.http2, &plan.config.timeouts);
        let ping = http2.ping_interval + http2.ping_timeout;
        Arc::new(Self {
            patience: ping.max(timeouts.handshake) + Duration::from_secs(1),
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
