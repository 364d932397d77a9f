//! One address: its door, its way, the connections that are open to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::caps::Caps;
use crate::peer::Order;
use crate::wire::Link;

/// One address.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) host: usize,
    pub(crate) door: Door,
    /// Nothing passes, neither connects nor bytes.
    pub(crate) cut_off: bool,
    pub(crate) latency: Duration,
    /// Requests in a hundred that its server treats badly.
    pub(crate) sick: Arc<AtomicUsize>,
    pub(crate) live: Vec<Live>,
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

/// How an address answers a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Refuses.
    Shut,
    /// Accepts, and then neither reads nor writes.
    Stalled,
}
