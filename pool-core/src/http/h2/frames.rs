//! The heads of HTTP/2 frames in a byte stream: payloads are passed over, nothing is kept.

/// What the nine bytes before a payload say, as far as anybody here asks (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Bytes of payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
}

/// Where in a stream of frames the next byte belongs.
#[derive(Debug, Default)]
pub(super) struct FrameHeads {
    /// Bytes to pass over before the next head.
    skip: usize,
    /// A head that has come in part.
    head: [u8; HEAD],
    have: usize,
}

const HEAD: usize = 9;

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
            let head = match bytes.first_chunk::<HEAD>() {
                Some(whole) if self.have == 0 => {
                    bytes = &bytes[HEAD..];
                    *whole
                }
                _ => {
                    let missing = (HEAD - self.have).min(bytes.len());
                    let (part, rest) = bytes.split_at(missing);
                    self.head[self.have..self.have + missing].copy_from_slice(part);
                    self.have += missing;
                    bytes = rest;
                    if self.have < HEAD {
                        return;
                    }
                    self.have = 0;
                    self.head
                }
            };
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            self.skip = length as usize;
            show(FrameHead {
                length,
                kind: head[3],
                flags: head[4],
            });
        }
    }
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;

/// On DATA and HEADERS.
pub(super) const END_STREAM: u8 = 1;
/// On SETTINGS and PING.
pub(super) const ACK: u8 = 1;
pub(super) const PADDED: u8 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(frames: &[(u8, u8, usize)]) -> (Vec<u8>, Vec<FrameHead>) {
        let mut bytes = vec![b'p'; 24];
        let mut heads = Vec::new();
        for &(kind, flags, length) in frames {
            let of_three = u32::try_from(length).unwrap().to_be_bytes();
            bytes.extend(&of_three[1..]);
            bytes.extend([kind, flags, 0, 0, 0, 1]);
            // As a payload that looks like frames.
            bytes.extend(std::iter::repeat_n(0, length));
            heads.push(FrameHead {
                length: length as u32,
                kind,
                flags,
            });
        }
        (bytes, heads)
    }

    proptest! {
        #[test]
        fn heads_are_found_however_the_bytes_are_cut(
            frames in prop::collection::vec((any::<u8>(), any::<u8>(), 0_usize..40), 0..20),
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
