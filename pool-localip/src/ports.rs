//! How many ports of an address are in use towards one destination.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::gate::{Gate, Rule};
use crate::refusal::{Check, Refusal};
use crate::{
    AllocContext, Exhausted, Lease, LocalAddrAllocator, Outcome, Released, SourceListener,
};

/// Keeps each pair of source and destination within its ephemeral ports, around any allocator.
///
/// A connection needs a port of its source that no other one to the same address and port uses. Of these there are
/// as many as `net.ipv4.ip_local_port_range` says, and one stays taken for a minute after its connection was closed (TIME_WAIT).
/// Counted here, an address that is out of them is passed over, instead of failing when it is bound or connected.
///
/// Where every address is out of them, the answer is [`Resting`](crate::ExhaustedReason::Resting) with the time at which a port
/// comes back, or [`AllBusy`](crate::ExhaustedReason::AllBusy) while all of them are those of open connections.
///
/// A lease says how it ended, not when; so the minute begins with the first [`allocate`](LocalAddrAllocator::allocate) after
/// the drop. Only connections that were established linger. Other programs' connections are not seen: leave them some.
///
/// Memory grows with the connections that are open or linger.
#[derive(Debug)]
pub struct PortBudget {
    gate: Gate<Ports>,
}

#[derive(Debug)]
struct Ports {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ports: usize,
    linger: Duration,
    used: HashMap<Pair, Used>,
    /// Closed since the last ask, which has the time; they still count as open.
    closed: Vec<Pair>,
    /// When some port of a pair comes back, ascending by time.
    due: BTreeSet<(Instant, Pair)>,
}

#[derive(Debug, Default)]
struct Used {
    open: usize,
    /// How many come back when.
    lingering: BTreeMap<Instant, usize>,
}

type Pair = (Option<IpAddr>, SocketAddr);

impl PortBudget {
    /// The ports that Linux hands out unless told otherwise: 32768 to 60999 (`Documentation/networking/ip-sysctl.rst`,
    /// `ip_local_port_range`).
    pub const LINUX_DEFAULT: usize = 28_232;

    /// `inner` with at most so many `ports` in use per source and destination.
    ///
    /// # Panics
    ///
    /// If `ports` is zero.
    pub fn new(inner: impl LocalAddrAllocator + 'static, ports: usize) -> Self {
        assert!(ports > 0, "a budget is at least 1 port");
        let state = Mutex::new(State {
            ports,
            linger: TIME_WAIT,
            used: HashMap::new(),
            closed: Vec::new(),
            due: BTreeSet::new(),
        });
        Self {
            gate: Gate::new(inner, Ports { state }),
        }
    }

    /// How long a port stays taken after its connection; 60 s by default, zero where the peer always closes first.
    ///
    /// Above an hour counts as an hour.
    #[must_use]
    pub fn linger(self, time: Duration) -> Self {
        self.lock().linger = time.min(MAX_LINGER);
        self
    }

    /// The ports of `source` that connections to `target` use or keep at `now`.
    pub fn in_use_of(&self, source: IpAddr, target: SocketAddr, now: Instant) -> usize {
        let mut state = self.lock();
        state.settle(now);
        let used = state.used.get(&(Some(source), target));
        used.map_or(0, Used::total)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.gate.rule().lock()
    }
}

impl LocalAddrAllocator for PortBudget {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.gate.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.gate.sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.gate.listen(listener);
    }
}

impl Ports {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn total(&self) -> usize {
        self.open + self.lingering.values().sum::<usize>()
    }
}

impl State {
    /// Starts the lingering of what was closed, and ends that which is over.
    fn settle(&mut self, now: Instant) {
        for pair in std::mem::take(&mut self.closed) {
            match now.checked_add(self.linger) {
                Some(until) => {
                    let used = self.used.get_mut(&pair).expect(KNOWN);
                    used.open -= 1;
                    *used.lingering.entry(until).or_default() += 1;
                    self.due.insert((until, pair));
                }
                // Past the end of the clock there is no dial either.
                None => self.close(pair),
            }
        }
        while let Some(&(until, pair)) = self.due.first()
            && until <= now
        {
            self.due.pop_first();
            self.used
                .get_mut(&pair)
                .expect(KNOWN)
                .lingering
                .remove(&until);
            self.forget_unused(pair);
        }
    }

    fn close(&mut self, pair: Pair) {
        self.used.get_mut(&pair).expect(KNOWN).open -= 1;
        self.forget_unused(pair);
    }

    fn forget_unused(&mut self, pair: Pair) {
        if self.used[&pair].total() == 0 {
            self.used.remove(&pair);
        }
    }

    fn look(&mut self, pair: Pair, now: Instant) -> Result<(), Refusal> {
        self.settle(now);
        match self.used.get(&pair) {
            Some(used) if used.total() >= self.ports => Err(match used.lingering.keys().next() {
                Some(&until) => Refusal::Until(until),
                None => Refusal::Busy,
            }),
            _ => Ok(()),
        }
    }
}

impl Check for Ports {
    fn look(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal> {
        self.lock().look((source, cx.target), cx.now)
    }
}

impl Rule for Ports {
    type Entry = Pair;

    fn asked(&self, now: Instant) {
        self.lock().settle(now);
    }

    fn enter(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<Pair, Refusal> {
        let pair = (source, cx.target);
        let mut state = self.lock();
        state.look(pair, cx.now)?;
        state.used.entry(pair).or_default().open += 1;
        Ok(pair)
    }

    fn leave(&self, pair: Pair, released: Released) {
        let mut state = self.lock();
        if released.outcome == Some(Outcome::Connected) && !state.linger.is_zero() {
            state.closed.push(pair);
        } else {
            state.close(pair);
        }
    }
}

const KNOWN: &str = "a pair is known while it has ports";

/// Linux, `include/net/tcp.h`, `TCP_TIMEWAIT_LEN`.
const TIME_WAIT: Duration = Duration::from_secs(60);

const MAX_LINGER: Duration = Duration::from_secs(60 * 60);
