//! How many connections an address carries, in all and to one target.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::gate::{Gate, Rule};
use crate::refusal::{Check, Refusal};
use crate::{AllocContext, Exhausted, Lease, LocalAddrAllocator, Released, SourceListener};

/// Bounds the connections per address, and per address and target, of any allocator; unlimited until told.
///
/// One per target, so that a target never sees an address twice at a time, is [`per_target(1)`](Self::per_target).
///
/// Where all addresses carry as many as they may, the answer is [`AllBusy`](crate::ExhaustedReason::AllBusy) without a time: the next drop
/// of a lease makes room. An address that the operating system chooses is not known; all of them count as one.
///
/// Memory grows with the connections, not with the addresses.
#[derive(Debug)]
pub struct Caps {
    gate: Gate<Limits>,
}

#[derive(Debug, Default)]
struct Limits {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    max_per_addr: Option<usize>,
    max_per_target: Option<usize>,
    by_addr: HashMap<Option<IpAddr>, usize>,
    by_target: HashMap<Pair, usize>,
}

type Pair = (Option<IpAddr>, SocketAddr);

impl Caps {
    /// No limits yet around `inner`.
    pub fn new(inner: impl LocalAddrAllocator + 'static) -> Self {
        Self {
            gate: Gate::new(inner, Limits::default()),
        }
    }

    /// Connections at a time per address.
    ///
    /// # Panics
    ///
    /// If `connections` is zero.
    #[must_use]
    pub fn per_addr(self, connections: usize) -> Self {
        assert!(connections > 0, "per_addr must be at least 1");
        self.lock().max_per_addr = Some(connections);
        self
    }

    /// Connections at a time per address and target; a target is an address with a port.
    ///
    /// # Panics
    ///
    /// If `connections` is zero.
    #[must_use]
    pub fn per_target(self, connections: usize) -> Self {
        assert!(connections > 0, "per_target must be at least 1");
        self.lock().max_per_target = Some(connections);
        self
    }

    /// The leases that are held of one address.
    pub fn in_use_of(&self, addr: IpAddr) -> usize {
        self.lock().by_addr.get(&Some(addr)).copied().unwrap_or(0)
    }

    /// The leases that are held, over all addresses.
    pub fn in_use(&self) -> usize {
        self.lock().by_addr.values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.gate.rule().lock()
    }
}

impl LocalAddrAllocator for Caps {
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

impl Limits {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&self, pair: Pair) -> Result<(), Refusal> {
        let full = |count: Option<&usize>, max: Option<usize>| {
            max.is_some_and(|max| count.is_some_and(|&count| count >= max))
        };
        if full(self.by_addr.get(&pair.0), self.max_per_addr)
            || full(self.by_target.get(&pair), self.max_per_target)
        {
            return Err(Refusal::Busy);
        }
        Ok(())
    }
}

impl Check for Limits {
    fn look(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal> {
        self.lock().look((source, cx.target))
    }
}

impl Rule for Limits {
    type Entry = Pair;

    fn asked(&self, _: Instant) {}

    fn enter(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<Pair, Refusal> {
        let pair = (source, cx.target);
        let mut state = self.lock();
        state.look(pair)?;
        *state.by_addr.entry(pair.0).or_default() += 1;
        *state.by_target.entry(pair).or_default() += 1;
        Ok(pair)
    }

    fn leave(&self, pair: Pair, _: Released) {
        let mut state = self.lock();
        count_down(&mut state.by_addr, pair.0);
        count_down(&mut state.by_target, pair);
    }
}

/// Counts one less, and forgets what is at zero.
pub(crate) fn count_down<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    let count = counts.get_mut(&key).expect("what leaves has entered");
    *count -= 1;
    if *count == 0 {
        counts.remove(&key);
    }
}
