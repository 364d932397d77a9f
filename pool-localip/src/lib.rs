#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod allocator;
mod caps;
mod cidr;
mod classes;
pub mod conformance;
mod cooldown;
mod exclude;
mod exhausted;
mod gate;
#[cfg(feature = "interfaces")]
pub mod interfaces;
mod intervals;
mod lease;
mod list;
mod listener;
mod mix;
mod occupancy;
mod options;
mod os_assigned;
mod permutation;
mod ports;
mod prefix;
mod refusal;
mod set;
mod sources;
mod space;
mod spec;
mod strategy;
mod weighted;
mod working_set;

pub use allocator::{AllocContext, LocalAddrAllocator, MAX_SOURCES};
pub use caps::Caps;
pub use cidr::Cidr;
pub use classes::Classes;
pub use cooldown::{Cooldown, RestScope};
pub use exclude::Exclude;
pub use exhausted::{Exhausted, ExhaustedReason};
pub use lease::{Lease, Outcome, Released};
pub use list::AddrList;
pub use listener::{Listeners, Retired, SourceListener};
pub use options::{OptionDoc, OptionsError};
pub use os_assigned::OsAssigned;
pub use ports::PortBudget;
pub use prefix::Prefix;
pub use set::AddrSet;
pub use sources::Sources;
pub use spec::{SourceError, SourceProblem, SourceSpec};
pub use strategy::{StickyBy, Strategy, WhenBusy};
pub use weighted::Weighted;
pub use working_set::{WorkingSet, WorkingSetHandle};
