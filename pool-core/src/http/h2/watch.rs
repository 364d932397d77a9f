//! Watches the frames of one connection go by: the h2 crate tells nobody which came in and which went out.

use super::cancels::CancelBudget;
use super::flood::{Flood, FloodScore};
use super::frames::{FrameHeads, RST_STREAM};
use crate::clock;

/// Both directions of one HTTP/2 connection, above TLS.
#[derive(Debug)]
pub(in crate::http) struct Watch {
    read: FrameHeads,
    written: FrameHeads,
    score: FloodScore,
    cancels: CancelBudget,
}

/// The client's first bytes, before its first frame (RFC 9113 §3.4).
const PREFACE: usize = 24;

impl Watch {
    pub(in crate::http) fn new() -> Self {
        Self {
            read: FrameHeads::default(),
            written: FrameHeads::after(PREFACE),
            score: FloodScore::default(),
            cancels: CancelBudget::default(),
        }
    }

    /// Takes bytes that the peer sent; says if they are too much. `written` is how many bytes went the other way so far.
    pub(in crate::http) fn read(&mut self, bytes: &[u8], written: u64) -> Option<Flood> {
        let mut flood = None;
        let score = &mut self.score;
        self.read.take(bytes, |frame| {
            if flood.is_none() {
                flood = score.frame(frame, written, clock::now);
            }
        });
        flood
    }

    /// Takes bytes that went to the peer. Returns whether this side has reset too many streams.
    pub(in crate::http) fn wrote(&mut self, bytes: &[u8]) -> bool {
        let mut spent = false;
        let cancels = &mut self.cancels;
        self.written.take(bytes, |frame| {
            if frame.kind == RST_STREAM {
                spent |= cancels.note(clock::now());
            }
        });
        spent
    }
}
