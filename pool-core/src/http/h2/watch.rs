//! Watches the frames of one connection go by: the h2 crate tells nobody which came in and which went out.

use super::cancels::CancelBudget;
use super::flood::{Flood, FloodScore};
use super::frames::{DATA, FrameHeads, GOAWAY, HEADERS, PREFACE, RST_STREAM};
use crate::clock;

/// Both directions of one HTTP/2 connection, above TLS.
#[derive(Debug)]
pub(in crate::http) struct Watch {
    read: FrameHeads,
    written: FrameHeads,
    score: FloodScore,
    cancels: CancelBudget,
    /// The highest stream on which a part of a response came.
    answered: u32,
    /// Whether a GOAWAY left out a stream that had been answered.
    goaway_is_wrong: bool,
}

impl Watch {
    pub(in crate::http) fn new() -> Self {
        Self {
            read: FrameHeads::default(),
            written: FrameHeads::after(PREFACE),
            score: FloodScore::default(),
            cancels: CancelBudget::default(),
            answered: 0,
            goaway_is_wrong: false,
        }
    }

    /// Takes bytes that the peer sent; says if they are too much. `written` is how many bytes went the other way so far.
    pub(in crate::http) fn read(&mut self, bytes: &[u8], written: u64) -> Option<Flood> {
        let mut flood = None;
        let Self {
            read,
            score,
            answered,
            goaway_is_wrong,
            ..
        } = self;
        read.take(bytes, |frame| {
            match frame.kind {
                HEADERS | DATA => *answered = frame.stream.max(*answered),
                GOAWAY => *goaway_is_wrong |= frame.stream < *answered,
                _ => {}
            }
            if flood.is_none() {
                flood = score.frame(frame, written, clock::now);
            }
        });
        flood
    }

    /// Whether the peer has said that it has not looked at a stream that it had answered: it says so of all then.
    pub(in crate::http) fn goaway_is_wrong(&self) -> bool {
        self.goaway_is_wrong
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
