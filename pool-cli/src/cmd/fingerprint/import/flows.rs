//! What clients send first on their TCP connections, put together from packets.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use pool_tls::client_hello::ClientHello;

/// A packet of TCP, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    /// FIN or RST: nothing comes after it.
    pub(super) ends: bool,
    pub(super) content: &'a [u8],
}

/// One direction of each connection.
#[derive(Debug, Default)]
pub(super) struct Flows {
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    /// Bytes of all flows.
    held: usize,
    /// Whether there was no room for some.
    pub(super) full: bool,
}

#[derive(Debug)]
enum Flow {
    /// So far it may begin with a hello.
    Begun(Start),
    /// Nothing more is wanted of it.
    Done,
}

/// The beginning of what was sent.
#[derive(Debug)]
struct Start {
    /// The sequence number of the first byte.
    first: u32,
    bytes: Vec<u8>,
    /// What came too early, by its place in `bytes`.
    early: BTreeMap<usize, Vec<u8>>,
    /// How long `bytes` must be to be looked at.
    wanted: usize,
}

/// As much of a connection as is kept, as [`ClientHello::parse`] advises.
const MOST: usize = 64 * 1024;

/// As much of all of them.
const MOST_HELD: usize = 32 << 20;

/// Connections that are known at a time.
const MOST_FLOWS: usize = 1 << 16;

impl Flows {
    /// Takes a segment; returns the hello that it makes whole.
    pub(super) fn take(&mut self, segment: Segment<'_>) -> Option<ClientHello> {
        let hello = self.follow(segment);
        if segment.ends {
            let gone = self.flows.remove(&(segment.from, segment.to));
            self.held -= gone.as_ref().map_or(0, Flow::held);
        }
        hello
    }

    fn follow(&mut self, segment: Segment<'_>) -> Option<ClientHello> {
        let key = (segment.from, segment.to);
        let opens = segment.syn && !segment.ack;
        // A capture may begin in the middle of a connection, and even of its handshake's first packet.
        let begins = opens || (!self.flows.contains_key(&key) && is_hello(segment.content));
        if begins {
            if self.flows.len() >= MOST_FLOWS && !self.flows.contains_key(&key) {
                self.full = true;
                return None;
            }
            let first = segment.sequence.wrapping_add(u32::from(opens));
            let before = self.flows.insert(key, Flow::Begun(Start::new(first)));
            self.held -= before.as_ref().map_or(0, Flow::held);
        }
        let flow = self.flows.get_mut(&key)?;
        let Flow::Begun(start) = flow else {
            return None;
        };
        let before = start.held();
        start.add(segment);
        let after = start.held();
        let outcome = start.hello();
        // Less than before if pieces that came early have found their place.
        self.held = self.held + after - before;
        let ended = match &outcome {
            Outcome::Incomplete if self.held > MOST_HELD => {
                self.full = true;
                true
            }
            Outcome::Incomplete => false,
            Outcome::Hello(_) | Outcome::Other => true,
        };
        if ended {
            self.held -= after;
            *flow = Flow::Done;
        }
        match outcome {
            Outcome::Hello(hello) => Some(*hello),
            _ => None,
        }
    }
}

impl Flow {
    fn held(&self) -> usize {
        match self {
            Self::Begun(start) => start.held(),
            Self::Done => 0,
        }
    }
}

enum Outcome {
    Hello(Box<ClientHello>),
    Incomplete,
    Other,
}

impl Start {
    fn new(first: u32) -> Self {
        Self {
            first,
            bytes: Vec::new(),
            early: BTreeMap::new(),
            wanted: 1,
        }
    }

    fn held(&self) -> usize {
        // A piece costs more than its bytes.
        let early = self.early.values().map(|piece| piece.len() + 64);
        self.bytes.len() + early.sum::<usize>()
    }

    fn add(&mut self, segment: Segment<'_>) {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        // What is sent again from before the start is far beyond the end here.
        let Ok(at) = usize::try_from(sequence.wrapping_sub(self.first)) else {
            return;
        };
        let room = MOST.saturating_sub(at);
        let content = &segment.content[..segment.content.len().min(room)];
        if content.is_empty() {
            return;
        }
        if at > self.bytes.len() {
            let longer = self
                .early
                .get(&at)
                .is_none_or(|piece| piece.len() < content.len());
            if longer && self.early.len() < EARLY {
                self.early.insert(at, content.to_vec());
            }
            return;
        }
        self.append(at, content);
        while let Some(entry) = self.early.first_entry()
            && *entry.key() <= self.bytes.len()
        {
            let (at, piece) = entry.remove_entry();
            self.append(at, &piece);
        }
    }

    /// Adds what is new in `content`, whose first byte belongs at `at`, which is not after the end.
    fn append(&mut self, at: usize, content: &[u8]) {
        let known = self.bytes.len() - at;
        self.bytes
            .extend_from_slice(content.get(known..).unwrap_or_default());
    }

    fn hello(&mut self) -> Outcome {
        if self.bytes.len() < self.wanted {
            return Outcome::Incomplete;
        }
        match ClientHello::parse(&self.bytes) {
            Ok(hello) => Outcome::Hello(Box::new(hello)),
            Err(error) => match error.more() {
                Some(more) if self.bytes.len() + more <= MOST => {
                    self.wanted = self.bytes.len() + more;
                    Outcome::Incomplete
                }
                _ => Outcome::Other,
            },
        }
    }
}

/// Pieces of one connection that came too early.
const EARLY: usize = 64;

/// Whether a packet without a SYN before it begins a hello: a handshake record of TLS with a ClientHello.
fn is_hello(content: &[u8]) -> bool {
    matches!(content, [22, 3, _, _, _, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] =
        include_bytes!("../../../../../pool-tls/tests/captures/chromium-156.0.8078.79/ch01.bin");

    fn at(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    fn segment(sequence: u32, content: &[u8]) -> Segment<'_> {
        Segment {
            from: at(40_000),
            to: at(443),
            sequence,
            syn: false,
            ack: true,
            ends: false,
            content,
        }
    }

    fn syn(sequence: u32) -> Segment<'static> {
        Segment {
            syn: true,
            ack: false,
            ..segment(sequence, b"")
        }
    }

    #[test]
    fn segments_in_any_order_and_twice_over_the_wrap_make_one_hello() {
        let first = u32::MAX - 700;
        let mut flows = Flows::default();
        assert!(flows.take(syn(first.wrapping_sub(1))).is_none());
        let piece = |from: usize, to: usize| {
            let sequence = first.wrapping_add(u32::try_from(from).unwrap());
            segment(sequence, &HELLO[from..to])
        };
        for (from, to) in [
            (1000, 1500),
            (0, 600),
            (0, 600),
            (300, 900),
            (1500, HELLO.len()),
        ] {
            assert!(flows.take(piece(from, to)).is_none());
        }
        let hello = flows.take(piece(800, 1100)).expect("the gap is filled");
        assert_eq!(hello, ClientHello::parse(HELLO).unwrap());
        // A second hello of the same connection, as after a HelloRetryRequest, is not a client's first.
        assert!(flows.take(piece(0, HELLO.len())).is_none());
        assert_eq!(flows.held, 0);
        // The same ports again are another connection.
        assert!(flows.take(syn(5)).is_none());
        assert!(flows.take(segment(6, HELLO)).is_some());
    }

    #[test]
    fn a_capture_that_begins_after_the_syn_has_its_hellos_too() {
        let mut flows = Flows::default();
        assert!(flows.take(segment(77, b"in the middle")).is_none());
        assert!(flows.flows.is_empty());
        assert!(flows.take(segment(90, HELLO)).is_some());
    }

    #[test]
    fn a_connection_that_has_ended_takes_no_room() {
        let mut flows = Flows::default();
        for sent in [HELLO, &HELLO[..900], b"GET / HTTP/1.1"] {
            flows.take(syn(0));
            let hello = flows.take(segment(1, sent));
            assert_eq!(hello.is_some(), sent == HELLO);
            let fin = Segment {
                ends: true,
                ..segment(1 + u32::try_from(sent.len()).unwrap(), b"")
            };
            assert!(flows.take(fin).is_none());
            assert!(flows.flows.is_empty() && flows.held == 0);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut flows = Flows::default();
        let mut record = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0];
        record.resize(MOST, 0);
        for port in 0..600 {
            let begin = Segment {
                from: at(port),
                ..segment(0, &record[..16_000])
            };
            assert!(flows.take(begin).is_none());
            for early in 1..200_u32 {
                let more = Segment {
                    from: at(port),
                    ..segment(20_000 + early * 100, &record[..16_000])
                };
                assert!(flows.take(more).is_none());
            }
            assert!(flows.held <= MOST_HELD);
        }
        assert!(flows.full);
        let counted: usize = flows.flows.values().map(Flow::held).sum();
        assert_eq!(counted, flows.held);
    }
}
