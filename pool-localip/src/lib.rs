#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod allocator;
mod cidr;
pub mod conformance;
mod exhausted;
mod intervals;
mod lease;
mod list;
mod occupancy;
mod options;
mod os_assigned;
mod prefix;
mod set;
mod space;
mod spec;

pub use allocator::{AllocContext, LocalAddrAllocator, MAX_SOURCES};
pub use cidr::Ipv4Cidr;
pub use exhausted::{Exhausted, ExhaustedReason};
pub use lease::{Lease, Outcome, Released};
pub use list::AddrList;
pub use options::{OptionDoc, OptionsError};
pub use os_assigned::OsAssigned;
pub use prefix::Ipv4Prefix;
pub use set::AddrSet;
pub use spec::{SourceError, SourceProblem, SourceSpec};
