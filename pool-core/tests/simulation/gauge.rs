//! Counts the pool's sockets and dials from outside, and sees every limit that is exceeded.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use pool_core::config::Limits;

use crate::history::History;
use crate::plan::Plan;

#[derive(Debug)]
pub(crate) struct Gauge {
    history: Arc<History>,
    limits: Limits,
    per_source: usize,
    hosts: BTreeMap<SocketAddr, usize>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Sockets and dials, by host, by address and by source.
    by_host: BTreeMap<usize, usize>,
    by_addr: BTreeMap<SocketAddr, usize>,
    by_source: BTreeMap<IpAddr, usize>,
    dials_by_host: BTreeMap<usize, usize>,
    dials: usize,
    all: usize,
}

/// One dial, and then one socket. Counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    gauge: Arc<Gauge>,
    addr: SocketAddr,
    source: Option<IpAddr>,
    dialling: bool,
}

impl Gauge {
    pub(crate) fn new(history: Arc<History>, plan: &Plan) -> Self {
        let addrs = |(host, planned): (usize, &crate::plan::HostPlan)| {
            let addrs = planned.addrs.clone();
            addrs.into_iter().map(move |addr| (addr, host))
        };
        Self {
            history,
            limits: plan.config.limits.clone(),
            per_source: plan.per_source,
            hosts: plan.hosts.iter().enumerate().flat_map(addrs).collect(),
            counts: Mutex::default(),
        }
    }

    /// A dial begins. I1: no limit is exceeded at any time; a place is free only once its socket is gone.
    pub(crate) fn enter(gauge: &Arc<Self>, addr: SocketAddr, source: Option<IpAddr>) -> Held {
        let host = gauge.hosts[&addr];
        let limits = &gauge.limits;
        let checks = {
            let mut counts = gauge.counts.lock().expect(INTACT);
            [
                ("total", add(&mut counts.all), limits.total),
                (
                    "per_host",
                    add(counts.by_host.entry(host).or_default()),
                    limits.per_host,
                ),
                (
                    "per_endpoint",
                    add(counts.by_addr.entry(addr).or_default()),
                    limits.per_endpoint,
                ),
                ("dials_total", add(&mut counts.dials), limits.dials_total),
                (
                    "dials_per_host",
                    add(counts.dials_by_host.entry(host).or_default()),
                    limits.dials_per_host,
                ),
                (
                    "sources",
                    source.map_or(0, |source| add(counts.by_source.entry(source).or_default())),
                    gauge.per_source,
                ),
            ]
        };
        for (limit, count, most) in checks {
            if count > most {
                let what = format!("I1: {count} at {addr} where `{limit}` is {most}");
                gauge.history.broken(what);
            }
        }
        Held {
            gauge: gauge.clone(),
            addr,
            source,
            dialling: true,
        }
    }

    /// Sockets, and dials that have none yet.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let counts = self.counts.lock().expect(INTACT);
        (counts.all - counts.dials, counts.dials)
    }
}

impl Held {
    /// The dial has brought a socket.
    pub(crate) fn connected(mut self) -> Self {
        self.end_dial();
        self
    }

    fn end_dial(&mut self) {
        if std::mem::take(&mut self.dialling) {
            let mut counts = self.gauge.counts.lock().expect(INTACT);
            counts.dials -= 1;
            let host = self.gauge.hosts[&self.addr];
            *counts.dials_by_host.entry(host).or_default() -= 1;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end_dial();
        let mut counts = self.gauge.counts.lock().expect(INTACT);
        counts.all -= 1;
        let host = self.gauge.hosts[&self.addr];
        *counts.by_host.entry(host).or_default() -= 1;
        *counts.by_addr.entry(self.addr).or_default() -= 1;
        if let Some(source) = self.source {
            *counts.by_source.entry(source).or_default() -= 1;
        }
    }
}

fn add(count: &mut usize) -> usize {
    *count += 1;
    *count
}

const INTACT: &str = "nothing panics under this lock";
