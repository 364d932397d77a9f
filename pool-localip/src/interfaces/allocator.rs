//! The allocator of addresses found on interfaces.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::interfaces::{Filter, InterfacesError, Network};
use crate::{
    AddrSet, AllocContext, Exhausted, ExhaustedReason, Lease, Listeners, LocalAddrAllocator,
    Retired, SourceListener, Strategy,
};

/// Leases the addresses that a [`Filter`] takes of those on the interfaces, ascending, round robin or by another [`Strategy`].
///
/// [`watch`](Self::watch) reads them and follows the machine from then on. An address that disappears is not leased again, and
/// whoever [listens](LocalAddrAllocator::listen), as the pool does, is told to give up its connections; one that appears
/// takes part. Leases of an address that comes back count as before.
///
/// A wanted address that is not there, or not any more, is [`NotAllocated`](ExhaustedReason::NotAllocated). While there is no
/// address at all the answer is [`Empty`](ExhaustedReason::Empty): a dial fails then rather than wait for one.
#[derive(Debug)]
pub struct Interfaces {
    shared: Arc<Shared>,
    /// Ends the watching when it is dropped.
    #[cfg(target_os = "linux")]
    _watching: Option<super::watch::Watching>,
}

/// What leases and the watching thread hold too.
#[derive(Debug)]
pub(super) struct Shared {
    filter: Filter,
    strategy: Strategy,
    max_per_addr: Option<usize>,
    state: Mutex<State>,
    listeners: Listeners,
    failure: Mutex<Option<Arc<InterfacesError>>>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` while there is no address.
    set: Option<AddrSet>,
    /// The leases of addresses that are gone.
    departed: HashMap<IpAddr, usize>,
}

impl Interfaces {
    /// The name in a configuration.
    pub const NAME: &'static str = "interfaces";

    /// What this filter takes, once it is told what there is: by [`watch`](Self::watch), or [`update`](Self::update).
    pub fn new(filter: Filter) -> Self {
        Self {
            shared: Arc::new(Shared {
                filter,
                strategy: Strategy::default(),
                max_per_addr: None,
                state: Mutex::default(),
                listeners: Listeners::default(),
                failure: Mutex::default(),
            }),
            #[cfg(target_os = "linux")]
            _watching: None,
        }
    }

    /// Chooses by this strategy instead of round robin. [`Sticky`](Strategy::Sticky) ones keep their choice as long as the
    /// addresses are the same.
    ///
    /// # Panics
    ///
    /// If it watches already, or there are leases.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.unshared().strategy = strategy;
        self
    }

    /// Connections at a time per address; unlimited by default.
    ///
    /// # Panics
    ///
    /// If `connections` is zero, it watches already, or there are leases.
    #[must_use]
    pub fn max_per_addr(mut self, connections: usize) -> Self {
        assert!(connections > 0, "max_per_addr must be at least 1");
        self.unshared().max_per_addr = Some(connections);
        self
    }

    /// Reads the addresses, and follows them from then on, until it is dropped.
    ///
    /// A thread of its own waits for the kernel's word; no runtime is needed. It follows the network namespace that the
    /// calling thread is in.
    ///
    /// # Errors
    ///
    /// [`InterfacesError::Unsupported`] on other systems than Linux; [`InterfacesError::NoInterface`] if the filter names one
    /// that does not exist, which is more often a slip than one that is yet to come; [`InterfacesError::Netlink`] if the
    /// kernel cannot be asked.
    pub fn watch(self) -> Result<Self, InterfacesError> {
        #[cfg(target_os = "linux")]
        {
            let watching = super::watch::Watching::start(&self.shared)?;
            Ok(Self {
                _watching: Some(watching),
                ..self
            })
        }
        #[cfg(not(target_os = "linux"))]
        Err(InterfacesError::Unsupported)
    }

    /// Takes what the filter does of this network in place of what there was.
    ///
    /// [`watch`](Self::watch) does so by itself. Listeners are told on the calling thread.
    pub fn update(&self, network: &Network) {
        self.shared.update(network);
    }

    /// Why what is known may be out of date; `None` if it is not, or nothing watches.
    ///
    /// The watching goes on, and asks again about every second.
    pub fn failure(&self) -> Option<Arc<InterfacesError>> {
        self.shared.lock_failure().clone()
    }

    /// The leases that are held, over all addresses, those that are gone among them.
    pub fn in_use(&self) -> usize {
        let state = self.shared.lock();
        let present = state.set.as_ref().map_or(0, AddrSet::in_use);
        present + state.departed.values().sum::<usize>()
    }

    /// The addresses that are gone and still have leases, ascending.
    pub fn departed(&self) -> Vec<IpAddr> {
        let mut departed: Vec<IpAddr> = self.shared.lock().departed.keys().copied().collect();
        departed.sort_unstable();
        departed
    }

    fn unshared(&mut self) -> &mut Shared {
        Arc::get_mut(&mut self.shared).expect("it does not watch yet, and no lease is held")
    }
}

impl LocalAddrAllocator for Interfaces {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        let addr = self.shared.lock().take(cx)?;
        let shared = Arc::clone(&self.shared);
        Ok(Lease::new(addr, move |_| shared.lock().give_back(addr)))
    }

    fn sources(&self) -> Vec<IpAddr> {
        let state = self.shared.lock();
        state.set.as_ref().map(AddrSet::sources).unwrap_or_default()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.shared.listeners.add(listener);
    }
}

impl Shared {
    #[cfg(target_os = "linux")]
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn update(&self, network: &Network) {
        let wanted = self.filter.sources(network);
        let Change { joined, gone } = self.lock().change_to(&wanted, |set| {
            let set = set.strategy(self.strategy);
            match self.max_per_addr {
                Some(connections) => set.max_per_addr(connections),
                None => set,
            }
        });
        // Told outside the lock: who listens may ask for an address at once.
        self.listeners.retired(&gone, Retired::Gone);
        if joined {
            self.listeners.available();
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn set_failure(&self, failure: Option<InterfacesError>) {
        *self.lock_failure() = failure.map(Arc::new);
    }

    /// Only this crate's own arithmetic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_failure(&self) -> MutexGuard<'_, Option<Arc<InterfacesError>>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an update made of the addresses.
struct Change {
    /// Whether there are new ones.
    joined: bool,
    gone: Vec<IpAddr>,
}

impl State {
    fn take(&self, cx: &AllocContext<'_>) -> Result<IpAddr, Exhausted> {
        match (&self.set, cx.want) {
            (Some(set), _) => set.take_addr(cx),
            (None, Some(want)) => {
                cx.check_family(want)?;
                Err(Exhausted::new(ExhaustedReason::NotAllocated(want)))
            }
            (None, None) => Err(Exhausted::new(ExhaustedReason::Empty)),
        }
    }

    fn give_back(&mut self, addr: IpAddr) {
        match &self.set {
            Some(set) if set.contains(addr) => set.give_back(addr),
            _ => {
                let leases = self.departed.get_mut(&addr);
                let leases = leases.expect("what is leased is here or has departed");
                *leases -= 1;
                if *leases == 0 {
                    self.departed.remove(&addr);
                }
            }
        }
    }

    /// Puts a set of these addresses, shaped by `shape`, in the place of what there was.
    fn change_to(&mut self, wanted: &[IpAddr], shape: impl FnOnce(AddrSet) -> AddrSet) -> Change {
        let has = |set: &Option<AddrSet>, addr| set.as_ref().is_some_and(|set| set.contains(addr));
        let joined = wanted.iter().any(|&addr| !has(&self.set, addr));
        let stay = wanted.iter().filter(|&&addr| has(&self.set, addr)).count();
        let before = self.set.as_ref().map_or(0, AddrSet::size);
        if !joined && stay as u128 == before {
            let gone = Vec::new();
            return Change { joined, gone };
        }
        // The filter takes no address that cannot be one of a set.
        let new = AddrSet::new(wanted.iter().copied()).ok().map(shape);
        let old = std::mem::replace(&mut self.set, new);
        let mut gone = Vec::new();
        let mut leases = std::mem::take(&mut self.departed);
        if let Some(old) = old {
            gone = old.all();
            gone.retain(|&addr| !has(&self.set, addr));
            leases.extend(old.counts());
            if let Some(new) = &self.set {
                new.go_on_after(&old);
            }
        }
        for (addr, leases) in leases {
            match &self.set {
                Some(new) if new.contains(addr) => new.adopt(addr, leases),
                _ => {
                    self.departed.insert(addr, leases);
                }
            }
        }
        Change { joined, gone }
    }
}
