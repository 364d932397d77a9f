//! The right to open one connection from a local address, given back on drop.

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// The right to have one connection open from a local address; dropping it gives the right back, exactly once.
///
/// The holder keeps it beside the socket, in a field that is dropped after it. Were it dropped earlier, another connection
/// could take the same address and port while the first one still has them.
///
/// An allocator that wraps another one adds to its leases with [`and_then`](Self::and_then).
#[doc(alias("ReleaseIP", "MarkIPUnused"))]
pub struct Lease {
    addr: Option<IpAddr>,
    outcome: Mutex<Option<Outcome>>,
    release: Option<Release>,
}

type Release = Box<dyn FnOnce(Released) + Send + Sync>;

/// What became of the attempt to connect from a leased address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The connection was established.
    Connected,
    /// The address has no free port for this target, or left the machine (`EADDRINUSE`, `EADDRNOTAVAIL`).
    AddrInUse,
    /// The address could not be bound for another reason, such as a missing right.
    Unbindable,
    /// The target refused, reset or did not answer; the source is not to blame.
    TargetFailed,
}

/// What an allocator learns when a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Released {
    /// The address that was leased; `None` if the operating system chose.
    pub addr: Option<IpAddr>,
    /// The last outcome reported; `None` if the dial was given up before it had one.
    pub outcome: Option<Outcome>,
}

impl Lease {
    /// A lease of `addr` that runs `release` when it is dropped; `None` leaves the address to the operating system.
    ///
    /// `release` runs once, from the drop of the transport, after its socket has closed, on any thread, possibly outside a
    /// runtime or while that thread unwinds. It must not block, spawn or panic: it runs where a connection closes, and
    /// whatever it waits for, that close waits for too. A panic in it is contained and its work is lost. The pool holds
    /// no lock around it, and it should hold none of its own around code that it does not know.
    pub fn new(
        addr: impl Into<Option<IpAddr>>,
        release: impl FnOnce(Released) + Send + Sync + 'static,
    ) -> Self {
        Self {
            addr: addr.into(),
            outcome: Mutex::new(None),
            release: Some(Box::new(release)),
        }
    }

    /// A lease that leaves the address to the operating system and counts nothing.
    pub fn os_assigned() -> Self {
        Self {
            addr: None,
            outcome: Mutex::new(None),
            release: None,
        }
    }

    /// This lease, with `ended` to run after its own release; for an allocator that wraps another one.
    ///
    /// The report is handed to both. What is said of `release` in [`new`](Self::new) holds for `ended` too.
    ///
    /// ```
    /// # use pool_localip::{AllocContext, Exhausted, Lease, LocalAddrAllocator};
    /// # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// fn counted(
    ///     inner: &dyn LocalAddrAllocator,
    ///     cx: &AllocContext<'_>,
    ///     open: &Arc<AtomicUsize>,
    /// ) -> Result<Lease, Exhausted> {
    ///     let lease = inner.allocate(cx)?;
    ///     open.fetch_add(1, Ordering::Relaxed);
    ///     let open = Arc::clone(open);
    ///     Ok(lease.and_then(move |_| {
    ///         open.fetch_sub(1, Ordering::Relaxed);
    ///     }))
    /// }
    /// ```
    #[must_use]
    pub fn and_then(self, ended: impl FnOnce(Released) + Send + Sync + 'static) -> Self {
        Self::new(self.addr, move |released| {
            if let Some(outcome) = released.outcome {
                self.report(outcome);
            }
            drop(self);
            ended(released);
        })
    }

    /// The address to bind to; `None`: bind to nothing, the operating system chooses on connect.
    pub fn addr(&self) -> Option<IpAddr> {
        self.addr
    }

    /// Tells what became of the dial; the allocator learns it with the release.
    ///
    /// The pool calls it at most once per dial, from the dialling task. Of several reports the last one counts.
    pub fn report(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    fn reported(&self) -> Option<Outcome> {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(release) = self.release.take() else {
            return;
        };
        let released = Released {
            addr: self.addr,
            outcome: self.reported(),
        };
        // Drops run while a connection closes, sometimes during unwinding, where a second panic would abort the process.
        // The panic hook has already reported it; there is nobody here to hand the payload to.
        drop(catch_unwind(AssertUnwindSafe(|| release(released))));
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("addr", &self.addr)
            .field("outcome", &self.reported())
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn travels<T: Send + Sync + 'static>() {}
    travels::<Lease>();
};

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;

    use super::*;

    const ADDR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 2, 1));

    #[test]
    fn dropping_releases_exactly_once_with_the_last_report() {
        let (tx, rx) = mpsc::channel();
        let lease = Lease::new(ADDR, move |released| tx.send(released).unwrap());
        lease.report(Outcome::AddrInUse);
        lease.report(Outcome::Connected);
        assert!(rx.try_recv().is_err(), "released before the drop");
        drop(lease);
        let released: Vec<_> = rx.iter().collect();
        assert_eq!(
            released,
            [Released {
                addr: Some(ADDR),
                outcome: Some(Outcome::Connected)
            }]
        );
    }

    #[test]
    fn a_panicking_release_is_contained() {
        let lease = Lease::new(ADDR, |_| panic!("expected by this test"));
        drop(lease);
    }

    #[test]
    fn a_panicking_release_does_not_abort_an_unwinding_thread() {
        let ended = std::thread::spawn(|| {
            let _lease = Lease::new(ADDR, |_| panic!("expected by this test, second"));
            panic!("expected by this test, first");
        })
        .join();
        assert!(ended.is_err());
    }

    #[test]
    fn a_wrapping_lease_hands_the_report_to_the_inner_one_and_drops_it() {
        let (tx, rx) = mpsc::channel();
        let tell = |who| {
            let tx = tx.clone();
            move |released: Released| tx.send((who, released.outcome)).unwrap()
        };
        let lease = Lease::new(ADDR, tell("inner")).and_then(tell("outer"));
        lease.report(Outcome::TargetFailed);
        drop(lease);
        let told: Vec<_> = rx.try_iter().collect();
        let failed = Some(Outcome::TargetFailed);
        assert_eq!(told, [("inner", failed), ("outer", failed)]);
    }
}
