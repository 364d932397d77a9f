//! What an allocator tells beside its leases: that there is more to have, and what is to be given up.

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, Weak};

/// Hears what changes in an allocator without a lease being dropped. A pool is one: see
/// [`LocalAddrAllocator::listen`](crate::LocalAddrAllocator::listen).
pub trait SourceListener: fmt::Debug + Send + Sync {
    /// Something may be had that could not be had before: dials that wait ask again.
    fn available(&self);

    /// No connection from these addresses is wanted any more.
    fn retired(&self, addrs: &[IpAddr], why: Retired);
}

/// Why an address is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retired {
    /// Others are used now. Requests under way may finish.
    Unwanted,
    /// It left the machine: nothing sent from it arrives, and no answer comes back to it.
    Gone,
}

/// Those who listen to an allocator; what [`LocalAddrAllocator::listen`](crate::LocalAddrAllocator::listen) is made of.
///
/// A listener that is gone is forgotten, and a panic of one is contained.
#[derive(Debug, Default)]
pub struct Listeners {
    all: Mutex<Vec<Weak<dyn SourceListener>>>,
}

impl Listeners {
    /// Adds one. It is not kept alive.
    pub fn add(&self, listener: Weak<dyn SourceListener>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|listener| listener.strong_count() > 0);
        all.push(listener);
    }

    /// Tells all of them that something may be had. Call it without a lock of your own.
    pub fn available(&self) {
        self.tell(|listener| listener.available());
    }

    /// Tells all of them which addresses are given up; nothing if there are none. Call it without a lock of your own.
    pub fn retired(&self, addrs: &[IpAddr], why: Retired) {
        if addrs.is_empty() {
            return;
        }
        self.tell(|listener| listener.retired(addrs, why));
    }

    fn tell(&self, what: impl Fn(&dyn SourceListener)) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let living: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
        // None of them is called under the lock.
        drop(all);
        for listener in living {
            // The others are to hear of it too, and the thread may be one that goes on. The panic hook has reported it.
            drop(catch_unwind(AssertUnwindSafe(|| what(&*listener))));
        }
    }
}
