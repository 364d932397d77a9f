//! Addresses found on the machine's interfaces, and an allocator that follows them. Feature `interfaces`.
//!
//! [`Network`] is what the machine has, read by netlink; [`Filter`] says which of its addresses are sources, and of the others why
//! not; [`Interfaces`] leases them, and follows what comes and goes.
//!
//! Reading and watching are Linux' own. Elsewhere they are [`InterfacesError::Unsupported`], and the rest works on what
//! it is given.
//!
//! ```no_run
//! use pool_localip::Strategy;
//! use pool_localip::interfaces::{Filter, Interfaces};
//!
//! let sources = Interfaces::new(Filter::default().interface("eth0"))
//!     .strategy(Strategy::LeastUsed)
//!     .watch()?;
//! # Ok::<(), pool_localip::interfaces::InterfacesError>(())
//! ```

mod allocator;
mod error;
mod filter;
#[cfg(target_os = "linux")]
mod netlink;
mod network;
mod options;
#[cfg(target_os = "linux")]
mod parse;
#[cfg(target_os = "linux")]
mod watch;

pub use allocator::Interfaces;
pub use error::InterfacesError;
pub use filter::{Family, Filter, WhyNot};
pub use network::{Detection, Interface, InterfaceAddr, Network, Proxy, Route, RouteKind, Scope};
