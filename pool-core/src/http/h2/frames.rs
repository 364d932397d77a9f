//! The heads of HTTP/2 frames in a byte stream: payloads are passed over, nothing is kept. Of a GOAWAY its first four bytes
//! count as its head.

/// What the nine bytes before a payload say, as far as anybody here asks (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Bytes of payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The stream; of a GOAWAY, the last one that it does not leave out.
    pub(super) stream: u32,
}

/// Where in a stream of frames the next byte belongs.
#[derive(Debug, Default)]
pub(super) struct FrameHeads {
    /// Bytes to pass over before the next head.
    skip: usize,
    /// A head that has come in part.
    head: [u8; LONGEST],
    have: usize,
}

/// Bytes before a payload.
pub(super) const HEAD: usize = 9;
/// A GOAWAY's, with its last stream (RFC 9113 §6.8).
const LONGEST: usize = HEAD + 4;

impl FrameHeads {
    /// A stream whose first frame comes after so many bytes.
    pub(super) fn after(skip: usize) -> Self {
        Self {
            skip,
            ..Self::default()
        }
    }

    /// Takes the next bytes of the stream and shows each head that is complete with them.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut show: impl FnMut(FrameHead)) {
        loop {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = &bytes[passed..];
            if bytes.is_empty() {
                return;
            }
            let whole = bytes.first_chunk::<HEAD>();
            if let Some(head) = whole.filter(|head| self.have == 0 && head[3] != GOAWAY) {
                bytes = &bytes[HEAD..];
                self.skip = length_of(head);
                show(parsed(head, stream_of(&head[5..])));
                continue;
            }
            let end = self.end();
            let missing = (end - self.have).min(bytes.len());
            let (part, rest) = bytes.split_at(missing);
            self.head[self.have..self.have + missing].copy_from_slice(part);
            self.have += missing;
            bytes = rest;
            // Nine bytes may turn out to be a GOAWAY's.
            if self.have < self.end() {
                continue;
            }
            let (head, last) = self.head.split_first_chunk::<HEAD>().expect("longer");
            let with_last = self.have == LONGEST;
            let stream = stream_of(if with_last { last } else { &head[5..] });
            self.skip = length_of(head) - (self.have - HEAD);
            self.have = 0;
            show(parsed(head, stream));
        }
    }

    /// How long the head is that has come in part, as far as is known.
    fn end(&self) -> usize {
        let head = self.head.first_chunk::<HEAD>().expect("shorter");
        let goaway = self.have >= HEAD && head[3] == GOAWAY && length_of(head) >= LONGEST - HEAD;
        if goaway { LONGEST } else { HEAD }
    }
}

pub(super) fn length_of(head: &[u8; HEAD]) -> usize {
    u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize
}

/// Without the bit that is reserved.
pub(super) fn stream_of(bytes: &[u8]) -> u32 {
    let bytes = bytes.first_chunk().expect("four bytes");
    u32::from_be_bytes(*bytes) & 0x7fff_ffff
}

fn parsed(head: &[u8; HEAD], stream: u32) -> FrameHead {
    FrameHead {
        length: length_of(head) as u32,
        kind: head[3],
        flags: head[4],
        stream,
    }
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// On DATA and HEADERS.
pub(super) const END_STREAM: u8 = 1;
/// On SETTINGS and PING.
pub(super) const ACK: u8 = 1;
/// On HEADERS and CONTINUATION.
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
/// On HEADERS.
pub(super) const PRIORITY: u8 = 0x20;

/// The client's first bytes, before its first frame (RFC 9113 §3.4).
pub(super) const PREFACE: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames on stream 1 whose payloads are `2`, after a preface, and their heads.
    fn bytes_of(frames: &[(u8, u8, usize)]) -> (Vec<u8>, Vec<FrameHead>) {
        let mut bytes = vec![b'p'; 24];
        let mut heads = Vec::new();
        for &(kind, flags, length) in frames {
            let of_three = u32::try_from(length).unwrap().to_be_bytes();
            bytes.extend(&of_three[1..]);
            bytes.extend([kind, flags, 0, 0, 0, 1]);
            bytes.extend(std::iter::repeat_n(2, length));
            let is_goaway = kind == GOAWAY && length >= 4;
            heads.push(FrameHead {
                length: length as u32,
                kind,
                flags,
                stream: if is_goaway { 0x0202_0202 } else { 1 },
            });
        }
        (bytes, heads)
    }

    proptest! {
        #[test]
        fn heads_are_found_however_the_bytes_are_cut(
            frames in prop::collection::vec((0_u8..12, any::<u8>(), 0_usize..40), 0..20),
            cuts in prop::collection::vec(0_usize..30, 1..20),
        ) {
            let (bytes, heads) = bytes_of(&frames);
            let mut found = Vec::new();
            let mut stream = FrameHeads::after(24);
            let mut rest = &bytes[..];
            for &cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                stream.take(piece, |head| found.push(head));
                rest = after;
                if rest.is_empty() || cuts.iter().all(|&cut| cut == 0) {
                    break;
                }
            }
            stream.take(rest, |head| found.push(head));
            prop_assert_eq!(found, heads);
        }
    }
}
