//! From the kernel's messages to what they say.

use std::collections::HashMap;
use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia,
};

use crate::Cidr;
use crate::interfaces::{
    Detection, Interface, InterfaceAddr, Network, Proxy, Route, RouteKind, Scope,
};

/// What the messages of several dumps say together.
pub(super) fn network(messages: &[RouteNetlinkMessage]) -> Network {
    let mut interfaces: Vec<Interface> = messages
        .iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(link) => interface(link),
            _ => None,
        })
        .collect();
    interfaces.sort_by_key(|interface| interface.index);
    let by_index: HashMap<u32, &Interface> = interfaces
        .iter()
        .map(|interface| (interface.index, interface))
        .collect();
    let mut addrs = Vec::new();
    let mut routes = Vec::new();
    let mut proxies = Vec::new();
    for message in messages {
        match message {
            RouteNetlinkMessage::NewAddress(message) => addrs.extend(addr(message, &by_index)),
            RouteNetlinkMessage::NewRoute(message) => routes.extend(route(message, &by_index)),
            RouteNetlinkMessage::NewNeighbour(message) => proxies.extend(proxy(message, &by_index)),
            _ => {}
        }
    }
    Network {
        interfaces,
        addrs,
        routes,
        proxies,
    }
}

fn interface(message: &LinkMessage) -> Option<Interface> {
    let name = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        });
    Some(Interface {
        index: message.header.index,
        name: name?,
        up: message.header.flags.contains(LinkFlags::Up),
        loopback: message.header.flags.contains(LinkFlags::Loopback),
    })
}

fn addr(message: &AddressMessage, by_index: &HashMap<u32, &Interface>) -> Option<InterfaceAddr> {
    let header = &message.header;
    let mut local = None;
    let mut shown = None;
    // The header has the lowest eight of the flags, for kernels before 3.14.
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(addr) => local = Some(*addr),
            AddressAttribute::Address(addr) => shown = Some(*addr),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    // On a link between two, "address" is that of the other side.
    let addr: IpAddr = local.or(shown)?;
    let interface = by_index.get(&header.index);
    let detection = if flags.contains(AddressFlags::Dadfailed) {
        Detection::Failed
    } else if flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic) {
        Detection::Tentative
    } else {
        Detection::Done
    };
    Some(InterfaceAddr {
        addr,
        prefix_len: header.prefix_len,
        // One that joined between the two dumps: the next reading knows it.
        interface: interface.map_or_else(|| format!("#{}", header.index), |it| it.name.clone()),
        interface_up: interface.is_none_or(|it| it.up),
        scope: match header.scope {
            AddressScope::Universe => Scope::Global,
            AddressScope::Site => Scope::Site,
            AddressScope::Link => Scope::Link,
            AddressScope::Host => Scope::Host,
            other => Scope::Other(other.into()),
        },
        detection,
        deprecated: flags.contains(AddressFlags::Deprecated),
        // The same bit says of an IPv4 address that another one of its subnet came first, which is no matter.
        temporary: addr.is_ipv6() && flags.contains(AddressFlags::Secondary),
        permanent: flags.contains(AddressFlags::Permanent),
    })
}

fn route(message: &RouteMessage, by_index: &HashMap<u32, &Interface>) -> Option<Route> {
    let header = &message.header;
    let kind = match header.kind {
        RouteType::Local => RouteKind::Local,
        RouteType::Unicast => RouteKind::Unicast,
        _ => return None,
    };
    let mut destination = None;
    let mut gateway = None;
    let mut index = None;
    let mut table = header.table.into();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(addr) => destination = ip(addr),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => gateway = router(attribute),
            RouteAttribute::Oif(oif) => index = Some(*oif),
            // The header has no room for the greater ones.
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::MultiPath(hops) => {
                // Of several ways the first stands for all.
                let first = hops.first();
                index = index.or(first.map(|hop| hop.interface_index));
                let attributes = first.map_or(&[][..], |hop| &hop.attributes);
                gateway = gateway.or(attributes.iter().find_map(router));
            }
            _ => {}
        }
    }
    // A default route names no destination.
    let destination = destination.or(match header.address_family {
        AddressFamily::Inet => Some(IpAddr::from([0; 4])),
        AddressFamily::Inet6 => Some(IpAddr::from([0; 16])),
        _ => None,
    })?;
    Some(Route {
        prefix: Cidr::new(destination, header.destination_prefix_length)?,
        kind,
        interface: index
            .and_then(|index| by_index.get(&index))
            .map(|interface| interface.name.clone()),
        gateway,
        table,
    })
}

fn proxy(message: &NeighbourMessage, by_index: &HashMap<u32, &Interface>) -> Option<Proxy> {
    // An old kernel that does not know the question answers with all neighbours.
    if !message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let interface = by_index.get(&message.header.ifindex)?;
    let mut addrs = message.attributes.iter();
    let addr = addrs.find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(addr)) => Some((*addr).into()),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(addr)) => Some((*addr).into()),
        _ => None,
    })?;
    Some(Proxy {
        addr,
        interface: interface.name.clone(),
    })
}

/// The router that an attribute names, of either family.
fn router(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(addr) => ip(addr),
        RouteAttribute::Via(RouteVia::Inet(addr)) => Some((*addr).into()),
        RouteAttribute::Via(RouteVia::Inet6(addr)) => Some((*addr).into()),
        _ => None,
    }
}

fn ip(addr: &RouteAddress) -> Option<IpAddr> {
    match addr {
        RouteAddress::Inet(addr) => Some((*addr).into()),
        RouteAddress::Inet6(addr) => Some((*addr).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::address::{AddressHeader, AddressHeaderFlags};
    use netlink_packet_route::link::LinkHeader;
    use netlink_packet_route::route::RouteHeader;

    use super::*;

    fn text(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn link(index: u32, name: &str, flags: LinkFlags) -> RouteNetlinkMessage {
        let mut message = LinkMessage::default();
        message.header = LinkHeader {
            index,
            flags,
            ..LinkHeader::default()
        };
        message.attributes = vec![LinkAttribute::IfName(name.into())];
        RouteNetlinkMessage::NewLink(message)
    }

    fn address(
        index: u32,
        scope: AddressScope,
        attributes: Vec<AddressAttribute>,
    ) -> RouteNetlinkMessage {
        let mut message = AddressMessage::default();
        message.header = AddressHeader {
            prefix_len: 24,
            scope,
            index,
            ..AddressHeader::default()
        };
        message.attributes = attributes;
        RouteNetlinkMessage::NewAddress(message)
    }

    fn only(messages: &[RouteNetlinkMessage]) -> InterfaceAddr {
        let mut network = network(messages);
        assert_eq!(network.addrs.len(), 1, "{network:?}");
        network.addrs.remove(0)
    }

    #[test]
    fn an_address_belongs_to_its_interface_wherever_that_stands_in_the_dump() {
        let global = AddressScope::Universe;
        let found = only(&[
            address(7, global, vec![AddressAttribute::Local(text("192.0.2.7"))]),
            link(7, "eth0", LinkFlags::Up),
        ]);
        assert_eq!(
            found,
            InterfaceAddr {
                permanent: false,
                ..InterfaceAddr::new(text("192.0.2.7"), 24, "eth0")
            }
        );

        let down = only(&[
            link(7, "eth0", LinkFlags::empty()),
            address(7, global, vec![AddressAttribute::Local(text("192.0.2.7"))]),
        ]);
        assert!(!down.interface_up);
    }

    #[test]
    fn of_a_link_between_two_the_own_side_counts() {
        let found = only(&[address(
            7,
            AddressScope::Universe,
            vec![
                AddressAttribute::Address(text("192.0.2.1")),
                AddressAttribute::Local(text("192.0.2.7")),
            ],
        )]);
        assert_eq!(found.addr, text("192.0.2.7"));
    }

    #[test]
    fn a_second_ipv4_address_of_a_subnet_is_not_temporary_and_such_an_ipv6_address_is() {
        let secondary = AddressFlags::Secondary | AddressFlags::Permanent;
        for (addr, temporary) in [("192.0.2.8", false), ("2001:db8::8", true)] {
            let found = only(&[address(
                7,
                AddressScope::Universe,
                vec![
                    AddressAttribute::Address(text(addr)),
                    AddressAttribute::Flags(secondary),
                ],
            )]);
            assert_eq!(
                (found.temporary, found.permanent),
                (temporary, true),
                "{addr}"
            );
        }
    }

    #[test]
    fn the_flags_say_how_far_detection_is() {
        for (flags, expected) in [
            (AddressFlags::Tentative, Detection::Tentative),
            (
                AddressFlags::Tentative | AddressFlags::Optimistic,
                Detection::Done,
            ),
            (
                AddressFlags::Tentative | AddressFlags::Dadfailed,
                Detection::Failed,
            ),
            (AddressFlags::Permanent, Detection::Done),
        ] {
            let found = only(&[address(
                7,
                AddressScope::Link,
                vec![
                    AddressAttribute::Address(text("fe80::7")),
                    AddressAttribute::Flags(flags),
                ],
            )]);
            assert_eq!(
                (found.detection, found.scope),
                (expected, Scope::Link),
                "{flags:?}"
            );
        }
        // From an old kernel, in the header alone.
        let mut message = AddressMessage::default();
        message.header.flags = AddressHeaderFlags::Deprecated;
        message.attributes = vec![AddressAttribute::Address(text("fd00::7"))];
        assert!(only(&[RouteNetlinkMessage::NewAddress(message)]).deprecated);
    }

    #[test]
    fn routes_say_which_prefixes_are_local_and_where_the_way_out_is() {
        let route = |family, kind, len, attributes| {
            let mut message = RouteMessage::default();
            message.header = RouteHeader {
                address_family: family,
                destination_prefix_length: len,
                kind,
                table: 254,
                ..RouteHeader::default()
            };
            message.attributes = attributes;
            RouteNetlinkMessage::NewRoute(message)
        };
        let prefix = RouteAttribute::Destination(text("2001:db8::").into());
        let network = network(&[
            link(1, "lo", LinkFlags::Up | LinkFlags::Loopback),
            link(2, "eth0", LinkFlags::Up),
            route(
                AddressFamily::Inet6,
                RouteType::Local,
                64,
                vec![prefix, RouteAttribute::Oif(1), RouteAttribute::Table(1000)],
            ),
            route(
                AddressFamily::Inet,
                RouteType::Unicast,
                0,
                vec![
                    RouteAttribute::Gateway(text("192.0.2.1").into()),
                    RouteAttribute::Oif(2),
                ],
            ),
            route(
                AddressFamily::Inet6,
                RouteType::Multicast,
                8,
                vec![RouteAttribute::Oif(2)],
            ),
        ]);
        let local: Vec<&Route> = network.local_prefixes().collect();
        let mut expected = Route::new("2001:db8::/64".parse().unwrap(), RouteKind::Local, "lo");
        expected.table = 1000;
        assert_eq!(local, [&expected]);
        assert!(network.is_local(text("2001:db8::77")) && !network.is_local(text("2001:db8:1::")));
        let mut default = Route::new("0.0.0.0/0".parse().unwrap(), RouteKind::Unicast, "eth0");
        default.gateway = Some(text("192.0.2.1"));
        assert_eq!(network.routes[1..], [default]);
    }
}
