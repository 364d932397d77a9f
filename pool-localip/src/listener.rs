//! What an allocator tells beside its leases: that there is more to have, and what is to be given up.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
/// A listener that is gone is forgotten.
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
        for listener in self.living() {
            listener.available();
        }
    }

    /// Tells all of them which addresses are given up; nothing if there are none. Call it without a lock of your own.
    pub fn retired(&self, addrs: &[IpAddr], why: Retired) {
        if addrs.is_empty() {
            return;
        }
        for listener in self.living() {
            listener.retired(addrs, why);
        }
    }

    /// A copy: none of them is called under the lock.
    fn living(&self) -> Vec<Arc<dyn SourceListener>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }
}
