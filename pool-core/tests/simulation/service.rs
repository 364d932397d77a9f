//! What a server does with a request, whatever protocol carries it.

use std::time::Duration;

use bytes::Bytes;

use crate::dice::Dice;

/// How one request is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A whole answer.
    Well,
    /// A whole answer, and the connection ends with it.
    Last,
    /// The connection ends before the request is looked at.
    HangUp,
    /// The request is done, and the connection ends without an answer.
    HangUpAfter,
    /// Half an answer's head, or on HTTP/2 a reset for an error.
    HalfHead,
    /// Half an answer's body, then the end of the connection; on HTTP/2 a reset.
    HalfBody,
    /// The request is done and never answered.
    Silent,
    /// The request is not done: REFUSED_STREAM, or on HTTP/1.1 the end of the connection.
    Refuse,
    /// A whole answer before the request's body was read; the request is not done.
    Early,
    /// A whole answer and bytes that nobody asked for.
    Poison,
    /// GOAWAY after a whole answer.
    Goaway,
}

/// A treatment, with its times and sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) manner: Manner,
    /// Before the answer begins.
    pub(crate) think: Duration,
    /// Bytes of the answer's body.
    pub(crate) size: usize,
    /// In how many pieces it is sent, at least one, with this pause in between.
    pub(crate) pieces: usize,
    pub(crate) pause: Duration,
    /// On HTTP/1.1: in chunks, without saying the length before.
    pub(crate) chunked: bool,
}

impl Turn {
    pub(crate) fn throw(dice: &mut Dice, sick: usize) -> Self {
        let manner = if dice.chance(sick) {
            dice.pick(&BAD)
        } else if dice.chance(2) {
            Manner::Last
        } else {
            Manner::Well
        };
        let slow = dice.chance(5);
        Self {
            manner,
            think: dice.millis(0, if slow { 1500 } else { 20 }),
            size: if dice.chance(5) {
                dice.between(0, 60_000)
            } else {
                dice.between(0, 300)
            },
            pieces: dice.between(1, 3),
            pause: dice.millis(0, 30),
            chunked: dice.chance(30),
        }
    }

    /// The pieces of the answer's body.
    pub(crate) fn body(&self, id: usize) -> Vec<Bytes> {
        let mut body = Bytes::from(answer_to(id, self.size));
        let piece = body.len().div_ceil(self.pieces).max(1);
        let mut pieces = Vec::new();
        while !body.is_empty() {
            pieces.push(body.split_to(piece.min(body.len())));
        }
        pieces
    }
}

const BAD: [Manner; 9] = [
    Manner::HangUp,
    Manner::HangUpAfter,
    Manner::HalfHead,
    Manner::HalfBody,
    Manner::Silent,
    Manner::Refuse,
    Manner::Early,
    Manner::Poison,
    Manner::Goaway,
];

/// The right answer to a request: nobody else's looks like it.
pub(crate) fn answer_to(id: usize, size: usize) -> Vec<u8> {
    text("answer", id, size)
}

/// The body of a request.
pub(crate) fn question_of(id: usize, size: usize) -> Vec<u8> {
    text("question", id, size)
}

fn text(what: &str, id: usize, size: usize) -> Vec<u8> {
    let unit = format!("{what} {id}, ");
    let mut text = unit.repeat(size.div_ceil(unit.len())).into_bytes();
    text.truncate(size);
    text
}

/// The header that carries a request's id, and comes back in the answer.
pub(crate) const ID: &str = "x-id";
/// The header that says how long the body is that belongs to the id, whatever arrives.
pub(crate) const SIZE: &str = "x-size";
