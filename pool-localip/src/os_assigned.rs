//! The null allocator: the operating system chooses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::options::Options;
use crate::{
    AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, OptionDoc, OptionsError,
};

/// Leaves the local address to the operating system; the null allocator.
///
/// A request that wants exactly one address gets a lease of it, whatever it is: whether this machine has the address is
/// found out by binding it. There are no limits, so nothing is counted, and no sets, so every class is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsAssigned;

impl OsAssigned {
    /// The name in a configuration.
    pub const NAME: &'static str = "os";

    /// The options that [`from_options`](Self::from_options) knows: none.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Makes the allocator that a configuration describes.
    ///
    /// # Errors
    ///
    /// [`OptionsError::Unknown`] for any option.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        Options::new(options, Self::OPTIONS).map(|_| Self)
    }
}

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
