//! Asking the kernel.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::{NeighbourFlags, NeighbourMessage};
use netlink_packet_route::route::RouteMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::parse;
use crate::interfaces::{InterfacesError, Network};

/// A socket to ask by.
#[derive(Debug)]
pub(super) struct Reader {
    socket: Socket,
    sequence: u32,
}

/// A dump during which something changed is asked for again, so many times.
const TRIES: usize = 16;

impl Reader {
    pub(super) fn open() -> Result<Self, InterfacesError> {
        let socket = Socket::new(NETLINK_ROUTE).map_err(failed("open a netlink socket"))?;
        let kernel = SocketAddr::new(0, 0);
        socket
            .connect(&kernel)
            .map_err(failed("connect a netlink socket"))?;
        let sequence = 0;
        Ok(Self { socket, sequence })
    }

    /// Interfaces and addresses, without routes, of which there may be many.
    pub(super) fn read_addrs(&mut self) -> Result<Network, InterfacesError> {
        self.read(&[links, addrs])
    }

    pub(super) fn read_all(&mut self) -> Result<Network, InterfacesError> {
        self.read(&[links, addrs, routes, proxies])
    }

    fn read(
        &mut self,
        questions: &[fn() -> RouteNetlinkMessage],
    ) -> Result<Network, InterfacesError> {
        let mut messages = Vec::new();
        for question in questions {
            messages.extend(self.dump(*question)?);
        }
        Ok(parse::network(&messages))
    }

    fn dump(
        &mut self,
        question: fn() -> RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, InterfacesError> {
        for _ in 0..TRIES {
            if let Dump::Whole(messages) = self.dump_once(question())? {
                return Ok(messages);
            }
        }
        Err(InterfacesError::Netlink {
            doing: "read interfaces, addresses and routes by netlink",
            source: io::Error::other("they change all the time"),
        })
    }

    fn dump_once(&mut self, question: RouteNetlinkMessage) -> Result<Dump, InterfacesError> {
        let cannot = failed("read interfaces, addresses and routes by netlink");
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(question));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(cannot)?;

        let mut whole = true;
        let mut messages = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(cannot)?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let length = message_length(rest)?;
                let (message, after) = rest.split_at(length);
                // Messages are aligned to four bytes.
                rest = after
                    .get(length.next_multiple_of(4) - length..)
                    .unwrap_or_default();
                let Ok(message) = NetlinkMessage::deserialize(message) else {
                    continue; // Of a shape that is younger than the library: it goes without.
                };
                let (header, payload) = message.into_parts();
                if header.sequence_number != self.sequence {
                    continue; // Of a question that was given up.
                }
                whole &= header.flags & NLM_F_DUMP_INTR == 0;
                match payload {
                    NetlinkPayload::InnerMessage(message) => messages.push(message),
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(cannot(io::Error::from_raw_os_error(-done.code)));
                    }
                    NetlinkPayload::Done(_) if whole => return Ok(Dump::Whole(messages)),
                    NetlinkPayload::Done(_) => return Ok(Dump::Interrupted),
                    NetlinkPayload::Error(error) => return Err(cannot(error.to_io())),
                    _ => {}
                }
            }
        }
    }
}

enum Dump {
    Whole(Vec<RouteNetlinkMessage>),
    /// Something changed meanwhile, so that it may lack or repeat entries.
    Interrupted,
}

fn links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

fn addrs() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

fn routes() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetRoute(RouteMessage::default())
}

fn proxies() -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.flags = NeighbourFlags::Proxy;
    RouteNetlinkMessage::GetNeighbour(message)
}

/// The length that the header of the first message has, which is inside the bytes.
fn message_length(bytes: &[u8]) -> Result<usize, InterfacesError> {
    let checked = NetlinkBuffer::new_checked(bytes);
    let length = checked.map(|buffer| buffer.length() as usize);
    length.map_err(|error| InterfacesError::Malformed {
        detail: error.to_string(),
    })
}

pub(super) fn failed(doing: &'static str) -> impl Fn(io::Error) -> InterfacesError + Copy {
    move |source| InterfacesError::Netlink { doing, source }
}
