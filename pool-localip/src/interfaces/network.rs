//! What the machine has: interfaces, their addresses, routes, and whom it answers for.

use std::fmt;
use std::net::IpAddr;

use crate::Cidr;
use crate::interfaces::InterfacesError;

/// The interfaces, addresses, routes and proxies of this machine, or of the network namespace that the thread is in.
///
/// A value: what is read once does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// By index, ascending.
    pub interfaces: Vec<Interface>,
    /// In the kernel's order.
    pub addrs: Vec<InterfaceAddr>,
    /// Of all tables, in the kernel's order. Those of kinds that say nothing about sources, such as multicast, are left out.
    pub routes: Vec<Route>,
    /// Addresses that this machine answers for in the name of others, in the kernel's order.
    pub proxies: Vec<Proxy>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// The number by which the kernel knows it.
    pub index: u32,
    /// Such as `eth0`.
    pub name: String,
    /// Whether it is switched on. A cable may still be missing.
    pub up: bool,
    /// Whether it leads back to this machine.
    pub loopback: bool,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceAddr {
    /// The address of this side, also on a link between two.
    pub addr: IpAddr,
    /// How many of its leading bits all addresses of the link share.
    pub prefix_len: u8,
    /// The interface's name.
    pub interface: String,
    /// Whether that is switched on.
    pub interface_up: bool,
    /// How far the address is valid.
    pub scope: Scope,
    /// Whether another machine may have it.
    pub detection: Detection,
    /// Not to be used for new connections: its preferred lifetime is over (RFC 4862, section 5.5.4).
    pub deprecated: bool,
    /// IPv6: made up for privacy, and replaced after about a day (RFC 8981).
    pub temporary: bool,
    /// It stays until somebody removes it; one from a router or a DHCP server has a lifetime.
    pub permanent: bool,
}

/// How far an address is valid, as the kernel has it: private addresses are global too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Everywhere.
    Global,
    /// In one site; no longer assigned.
    Site,
    /// On one link.
    Link,
    /// On this machine.
    Host,
    /// One that the administrator of this machine has numbered.
    Other(u8),
}

/// How far duplicate address detection is (RFC 4862, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// Over, or there is none.
    Done,
    /// Under way: the address cannot be bound yet.
    Tentative,
    /// Another machine has the address.
    Failed,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Where it leads.
    pub prefix: Cidr,
    /// What happens to a packet.
    pub kind: RouteKind,
    /// The interface that it goes out by, or in by if it is local.
    pub interface: Option<String>,
    /// The router on the way; `None` on the link itself.
    pub gateway: Option<IpAddr>,
    /// The number of its table: 254 is the main one, 255 that of local addresses.
    pub table: u32,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteKind {
    /// Delivers to this machine, as for its own addresses.
    Local,
    /// Sends on.
    Unicast,
}

/// An address that neighbours are answered for though no interface has it: `ip neigh add proxy ADDR dev NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// The address.
    pub addr: IpAddr,
    /// The interface on which it is answered for.
    pub interface: String,
}

impl Network {
    /// Reads them by netlink. No right is needed.
    ///
    /// It waits for the kernel alone, in the order of a millisecond; a machine with a whole routing table of the Internet
    /// takes longer.
    ///
    /// # Errors
    ///
    /// [`InterfacesError::Unsupported`] on other systems than Linux; [`InterfacesError::Netlink`] if the kernel cannot be
    /// asked.
    pub fn read() -> Result<Self, InterfacesError> {
        #[cfg(target_os = "linux")]
        return super::netlink::Reader::open()?.read_all();
        #[cfg(not(target_os = "linux"))]
        Err(InterfacesError::Unsupported)
    }

    /// The interface of this name.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.name == name)
    }

    /// Whole prefixes that this machine takes as its own without having each address: `ip route add local PREFIX dev lo`.
    pub fn local_prefixes(&self) -> impl Iterator<Item = &Route> {
        let local = |route: &&Route| route.kind == RouteKind::Local && route.prefix.host_bits() > 0;
        self.routes.iter().filter(local)
    }

    /// Whether a packet to `addr` is delivered to this machine.
    pub fn is_local(&self, addr: IpAddr) -> bool {
        let mut local = self
            .routes
            .iter()
            .filter(|route| route.kind == RouteKind::Local);
        local.any(|route| route.prefix.contains(addr))
    }
}

impl Interface {
    /// An interface that is up, and no loopback.
    pub fn new(index: u32, name: impl Into<String>) -> Self {
        Self {
            index,
            name: name.into(),
            up: true,
            loopback: false,
        }
    }
}

impl InterfaceAddr {
    /// A global, permanent address of an interface that is up.
    pub fn new(addr: impl Into<IpAddr>, prefix_len: u8, interface: impl Into<String>) -> Self {
        Self {
            addr: addr.into(),
            prefix_len,
            interface: interface.into(),
            interface_up: true,
            scope: Scope::Global,
            detection: Detection::Done,
            deprecated: false,
            temporary: false,
            permanent: true,
        }
    }
}

impl Route {
    /// A route of the main table, or of that of local addresses, without a gateway.
    pub fn new(prefix: Cidr, kind: RouteKind, interface: impl Into<String>) -> Self {
        Self {
            prefix,
            kind,
            interface: Some(interface.into()),
            gateway: None,
            table: match kind {
                RouteKind::Local => 255,
                RouteKind::Unicast => 254,
            },
        }
    }
}

impl Proxy {
    /// This address on this interface.
    pub fn new(addr: impl Into<IpAddr>, interface: impl Into<String>) -> Self {
        Self {
            addr: addr.into(),
            interface: interface.into(),
        }
    }
}

/// As `ip address` writes it.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Site => f.write_str("site"),
            Self::Link => f.write_str("link"),
            Self::Host => f.write_str("host"),
            Self::Other(number) => number.fmt(f),
        }
    }
}
