//! The null allocator: the operating system chooses.

use std::net::IpAddr;

use crate::{AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator};

/// Leaves the local address to the operating system; the null allocator.
///
/// A request that wants exactly one address gets a lease of it, whatever it is: whether this machine has the address is
/// found out by binding it. There are no limits, so nothing is counted, and no sets, so every class is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsAssigned;

impl LocalAddrAllocator for OsAssigned {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        if cx.class.is_some() {
            return Err(Exhausted::new(ExhaustedReason::UnknownClass));
        }
        let Some(want) = cx.want else {
            return Ok(Lease::os_assigned());
        };
        // Binding the unspecified address would be a choice of the operating system in disguise.
        if want.is_unspecified() {
            return Err(Exhausted::new(ExhaustedReason::NotAllocated(want)));
        }
        cx.check_family(want)?;
        Ok(Lease::new(want, |_| {}))
    }

    fn sources(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}
