//! Addresses that are not to be used for now, though the allocator has them.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::gate::{Gate, Rule};
use crate::intervals::Intervals;
use crate::refusal::{Check, Refusal};
use crate::set::covered;
use crate::space::to_number;
use crate::{
    AllocContext, Exhausted, Lease, Listeners, LocalAddrAllocator, Released, SourceListener,
    SourceSpec,
};

/// Keeps addresses and prefixes of any allocator from being leased; which ones can change at any time.
///
/// Leases that are held stay. If nothing is left, the answer is [`Excluded`](crate::ExhaustedReason::Excluded), for good; a
/// wanted address that is excluded is [`NotAllocated`](crate::ExhaustedReason::NotAllocated). What the operating system would
/// choose may be excluded, and so is refused while anything is.
///
/// An ask looks at a limited number of excluded addresses in a row; what never changes, and large parts of a prefix above all, is better
/// taken out with [`AddrSet::without`](crate::AddrSet::without).
#[derive(Debug)]
pub struct Exclude {
    gate: Gate<Excluded>,
    listeners: Listeners,
}

#[derive(Debug, Default)]
struct Excluded {
    numbers: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    v4: Intervals,
    v6: Intervals,
}

impl Exclude {
    /// `inner` without these.
    pub fn new<S: Into<SourceSpec>>(
        inner: impl LocalAddrAllocator + 'static,
        excluded: impl IntoIterator<Item = S>,
    ) -> Self {
        let exclude = Self {
            gate: Gate::new(inner, Excluded::default()),
            listeners: Listeners::default(),
        };
        exclude.set(excluded);
        exclude
    }

    /// Excludes these and no others from now on.
    ///
    /// Connections that are open stay, and dials that wait ask again.
    pub fn set<S: Into<SourceSpec>>(&self, excluded: impl IntoIterator<Item = S>) {
        let excluded: Vec<SourceSpec> = excluded.into_iter().map(Into::into).collect();
        *self.gate.rule().lock() = Numbers {
            v4: covered(&excluded, true),
            v6: covered(&excluded, false),
        };
        self.listeners.available();
    }

    /// Whether `addr` is excluded.
    pub fn excludes(&self, addr: IpAddr) -> bool {
        self.gate.rule().lock().contains(addr)
    }
}

impl LocalAddrAllocator for Exclude {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.gate.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        let mut sources = self.gate.sources();
        sources.retain(|&addr| !self.excludes(addr));
        sources
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.listeners.add(listener.clone());
        self.gate.listen(listener);
    }
}

impl Excluded {
    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    fn of_family(&self, v4: bool) -> &Intervals {
        if v4 { &self.v4 } else { &self.v6 }
    }

    fn contains(&self, addr: IpAddr) -> bool {
        let number = to_number(addr);
        self.of_family(addr.is_ipv4()).first_outside(number) != Some(number)
    }
}

impl Check for Excluded {
    fn look(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal> {
        let numbers = self.lock();
        let excluded = match source {
            Some(addr) => numbers.contains(addr),
            None => *numbers.of_family(cx.target.is_ipv4()) != Intervals::default(),
        };
        if excluded {
            Err(Refusal::Never)
        } else {
            Ok(())
        }
    }
}

impl Rule for Excluded {
    type Entry = ();

    fn asked(&self, _: Instant) {}

    fn enter(&self, source: Option<IpAddr>, cx: &AllocContext<'_>) -> Result<(), Refusal> {
        self.look(source, cx)
    }

    fn leave(&self, (): (), _: Released) {}
}
