//! Packet captures: pcap and pcapng, down to TCP.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use time::{Date, OffsetDateTime};

use super::Found;
use super::flows::{Flows, Segment};

/// Whether a file that begins like this is a packet capture.
pub(super) fn is_capture(start: &[u8]) -> bool {
    let magic = start.first_chunk().copied().map(u32::from_le_bytes);
    magic.is_some_and(|magic| MAGICS.contains(&magic))
}

/// Microseconds and nanoseconds of pcap, either way around, and the section header of pcapng, which is a palindrome.
const MAGICS: [u32; 5] = [
    0xa1b2_c3d4,
    0xd4c3_b2a1,
    0xa1b2_3c4d,
    0x4d3c_b2a1,
    0x0a0d_0d0a,
];

/// Bytes that a block may have, a packet among them.
const BLOCK: usize = 256 * 1024;

/// Interfaces that a section of pcapng may have.
const INTERFACES: usize = 1 << 12;

/// Adds the hellos of a capture; returns what there is to say about the rest of it.
///
/// # Errors
///
/// It is no capture after all.
pub(super) fn read(file: impl Read + Send, found: &mut Found) -> Result<Vec<String>, String> {
    let mut reader = create_reader(BLOCK, file).map_err(|error| what(&error))?;
    let mut capture = Capture::default();
    let mut packets = 0_usize;
    let mut problems = Vec::new();
    loop {
        match reader.next() {
            Ok((length, block)) => {
                packets += capture.take(block, found);
                reader.consume(length);
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                let failed = reader.refill().is_err();
                let stuck = reader.data().len() == before && !reader.reader_exhausted();
                if failed || stuck {
                    problems.push(format!("unreadable after {packets} packets"));
                    break;
                }
            }
            Err(error) => {
                problems.push(format!("{}, after {packets} packets", what(&error)));
                break;
            }
        }
    }
    for (link, count) in &capture.unknown {
        problems.push(format!("{count} packets of link type {link} are left out"));
    }
    if capture.flows.full {
        problems.push("some connections are left out: there are too many at a time".into());
    }
    Ok(problems)
}

/// The crate's own words show the bytes.
fn what<I>(error: &PcapError<I>) -> String {
    match error {
        PcapError::UnexpectedEof | PcapError::Incomplete(_) | PcapError::Eof => {
            "the capture ends inside a block"
        }
        PcapError::BufferTooSmall => "a packet of more than 256 KiB",
        PcapError::ReadError => "cannot be read on",
        _ => "a block that breaks its format",
    }
    .into()
}

/// What is known while packets are read.
#[derive(Default)]
struct Capture {
    interfaces: Vec<Interface>,
    flows: Flows,
    /// Packets of link types that are not read, by type.
    unknown: BTreeMap<i32, usize>,
}

/// Where packets come from.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Seconds that are added to every time.
    offset: i64,
    /// Units in a second.
    resolution: u64,
}

impl Capture {
    /// Takes a block; returns how many packets it is.
    fn take(&mut self, block: PcapBlockOwned<'_>, found: &mut Found) -> usize {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.interfaces = vec![Interface {
                    link: header.network,
                    offset: 0,
                    resolution: 1,
                }];
                0
            }
            PcapBlockOwned::Legacy(packet) => {
                self.packet(0, Some(packet.ts_sec.into()), packet.data, found)
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear();
                0
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < INTERFACES {
                    self.interfaces.push(Interface {
                        link: interface.linktype,
                        offset: interface.ts_offset(),
                        resolution: interface.ts_resolution().unwrap_or(MICROSECONDS),
                    });
                }
                0
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                // Without its padding.
                let length = usize::try_from(packet.caplen).unwrap_or(usize::MAX);
                let data = packet.data.get(..length).unwrap_or(packet.data);
                let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let interface = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
                self.packet(interface, Some(time), data, found)
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                self.packet(0, None, packet.data, found)
            }
            PcapBlockOwned::NG(_) => 0,
        }
    }

    fn packet(&mut self, from: usize, time: Option<u64>, data: &[u8], found: &mut Found) -> usize {
        let Some(&interface) = self.interfaces.get(from) else {
            return 1;
        };
        let Some(packet) = network(interface.link, data) else {
            *self.unknown.entry(interface.link.0).or_default() += 1;
            return 1;
        };
        if let Some(segment) = packet.as_ref().and_then(segment)
            && let Some(hello) = self.flows.take(segment)
            && found.hellos.len() < HELLOS
        {
            let date = time.and_then(|time| interface.date(time));
            found.hellos.push((hello, date));
        }
        1
    }
}

/// Hellos that are looked at; the others have nothing new to say.
const HELLOS: usize = 1 << 12;

/// Units in a second where an interface says nothing else.
const MICROSECONDS: u64 = 1_000_000;

impl Interface {
    fn date(self, time: u64) -> Option<Date> {
        let seconds = i64::try_from(time.checked_div(self.resolution)?).ok()?;
        let time = OffsetDateTime::from_unix_timestamp(seconds.checked_add(self.offset)?);
        time.ok().map(OffsetDateTime::date)
    }
}

/// The packet from IP on, `Some(None)` if it is cut off before; `None` for a link type that is not read.
fn network(link: Linktype, data: &[u8]) -> Option<Option<LaxSlicedPacket<'_>>> {
    let ip = |data| LaxSlicedPacket::from_ip(data).ok();
    // "Cooked": the EtherType is in a header of its own.
    let cooked = |at: usize, header: usize| {
        let kind = data.get(at..)?.first_chunk().copied()?;
        let kind = EtherType(u16::from_be_bytes(kind));
        Some(LaxSlicedPacket::from_ether_type(kind, data.get(header..)?))
    };
    Some(match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        // An address family, in whichever byte order: IP says its version itself.
        Linktype::NULL | Linktype::LOOP => data.get(4..).and_then(ip),
        // 12 and 14 are what some systems write for raw IP.
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => ip(data),
        Linktype::LINUX_SLL => cooked(14, 16),
        Linktype::LINUX_SLL2 => cooked(0, 20),
        _ => return None,
    })
}

/// Its segment; `None` if it is not of TCP.
fn segment<'a>(packet: &LaxSlicedPacket<'a>) -> Option<Segment<'a>> {
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else {
        return None;
    };
    let (from, to): (IpAddr, IpAddr) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let ip = ip.header();
            (ip.source_addr().into(), ip.destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            let ip = ip.header();
            (ip.source_addr().into(), ip.destination_addr().into())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    Some(Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        syn: tcp.syn(),
        ack: tcp.ack(),
        ends: tcp.fin() || tcp.rst(),
        content: tcp.payload(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A block of pcapng: its type, and its content, which is padded.
    fn block(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut content = content.to_vec();
        content.resize(content.len().next_multiple_of(4), 0);
        let length = u32::try_from(12 + content.len()).unwrap().to_le_bytes();
        [&kind.to_le_bytes(), &length, content.as_slice(), &length].concat()
    }

    /// A section, an interface with its options, and a packet of TCP in IPv4 in Ethernet with a ClientHello.
    fn capture() -> Vec<u8> {
        // Nothing in the hello but what must be there.
        let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
        let message = [
            &[1, 0, 0, u8::try_from(body.len()).unwrap()],
            body.as_slice(),
        ]
        .concat();
        let record = [
            &[22, 3, 1, 0, u8::try_from(message.len()).unwrap()],
            message.as_slice(),
        ]
        .concat();
        let tcp = [
            &[
                0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 255, 255, 0, 0, 0, 0,
            ],
            record.as_slice(),
        ]
        .concat();
        let length = u8::try_from(20 + tcp.len()).unwrap();
        let ip = [
            0x45, 0, 0, length, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
        ];
        let frame = [&[0; 12][..], &[8, 0], &ip, &tcp].concat();
        let section = [
            &0x1a2b_3c4d_u32.to_le_bytes()[..],
            &[1, 0, 0, 0],
            &[0xff; 8],
        ]
        .concat();
        // if_tsresol: nanoseconds.
        let interface = [1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        // A day, the upper half first.
        let day = 86_400_000_000_000_u64.to_le_bytes();
        let packet = [&[0; 4][..], &day[4..], &day[..4], &length, &length, &frame].concat();
        [
            block(0x0a0d_0d0a, &section),
            block(1, &interface),
            block(6, &packet),
        ]
        .concat()
    }

    fn read_all(file: &[u8]) -> (Found, Result<Vec<String>, String>) {
        let mut found = Found::default();
        let said = read(Cursor::new(file), &mut found);
        (found, said)
    }

    #[test]
    fn a_packet_is_of_the_day_that_its_interface_counts_from() {
        let (found, said) = read_all(&capture());
        assert_eq!(said, Ok(Vec::new()));
        let [(hello, date)] = found.hellos.as_slice() else {
            panic!("{}", found.hellos.len());
        };
        assert_eq!(hello.cipher_suites(), [0x1301]);
        assert_eq!(date.unwrap().to_string(), "1970-01-02");
    }

    #[test]
    fn a_capture_with_any_byte_wrong_or_cut_off_anywhere_is_read_to_an_end() {
        let whole = capture();
        for length in 0..whole.len() {
            let (found, _) = read_all(&whole[..length]);
            assert!(found.hellos.is_empty(), "{length}");
        }
        for at in 0..whole.len() {
            for bits in [1, 0x80, 0xff] {
                let mut file = whole.clone();
                file[at] ^= bits;
                let (found, _) = read_all(&file);
                assert!(found.hellos.len() <= 1);
            }
        }
    }
}
