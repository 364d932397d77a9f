//! HTTP/2 frames, cut out of a stream of bytes.

/// Cuts bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    buffer: Vec<u8>,
    /// Bytes of the preface that are still to come.
    preface: usize,
}

/// A frame with its head.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Cutter {
    /// For what a client writes.
    pub(crate) fn after_preface() -> Self {
        Self {
            buffer: Vec::new(),
            preface: PREFACE,
        }
    }

    /// The frames that are complete now.
    pub(crate) fn cut(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let skip = self.preface.min(bytes.len());
        self.preface -= skip;
        self.buffer.extend_from_slice(&bytes[skip..]);
        let mut frames = Vec::new();
        while let Some(head) = self.buffer.first_chunk::<HEAD>() {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let end = HEAD + u32::from_be_bytes([0, a, b, c]) as usize;
            if self.buffer.len() < end {
                break;
            }
            let rest = self.buffer.split_off(end);
            frames.push(Frame {
                kind,
                flags,
                stream: u32::from_be_bytes(stream),
                bytes: std::mem::replace(&mut self.buffer, rest),
            });
        }
        frames
    }

    /// Whether the last frame is complete.
    pub(crate) fn is_between(&self) -> bool {
        self.buffer.is_empty() && self.preface == 0
    }
}

impl Frame {
    pub(crate) fn ends(&self) -> bool {
        self.flags & END_STREAM != 0
    }

    pub(crate) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// `SETTINGS_MAX_CONCURRENT_STREAMS` (RFC 9113 §6.5.2).
    pub(crate) fn max_streams(&self) -> Option<u32> {
        let (settings, _) = self.bytes[HEAD..].as_chunks::<6>();
        let found = settings.iter().rev().find(|setting| setting[..2] == [0, 3]);
        found.map(|&[_, _, value @ ..]| u32::from_be_bytes(value))
    }
}

/// SETTINGS that allow so many streams.
pub(crate) fn settings(max_streams: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend(max_streams.to_be_bytes());
    bytes
}

/// Bytes that a client writes first.
pub(crate) const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

const HEAD: usize = 9;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
