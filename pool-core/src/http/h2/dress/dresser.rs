//! Rewrites what the h2 crate writes as a profile's client would: bytes in, bytes out.

use std::io;
use std::sync::Arc;

use pool_tls::spec::StreamPriority;

use super::pseudo::{Pseudo, Unexpected};
use super::spec::Dress;
use crate::http::h2::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, PREFACE, PRIORITY, SETTINGS,
    WINDOW_UPDATE, length_of, stream_of,
};

/// One direction of one connection.
///
/// Everything but payloads of DATA goes through [`out`](Self::pending), and stays there until it is flushed: it holds what the
/// h2 crate has encoded since, one header block more, and nothing else.
#[derive(Debug)]
pub(super) struct Dresser {
    dress: Arc<Dress>,
    at: At,
    /// A frame that has come in part, its head first.
    frame: Vec<u8>,
    /// The payloads of a HEADERS frame and its CONTINUATION frames, while more are to come.
    block: Option<Block>,
    pseudo: Pseudo,
    opening: Opening,
    /// How much the peer was told of the connection's window before the h2 crate has said it.
    ahead: u32,
    /// The highest stream that was opened.
    newest: u32,
    out: Vec<u8>,
    /// How much of `out` has been written.
    written: usize,
    /// A header block in the wanted order, before it is cut into frames.
    encoded: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum At {
    /// So many bytes before the first frame.
    Preface(usize),
    /// A frame, or the rest of [`Dresser::frame`].
    Frame,
    /// So many bytes of a DATA frame, which are passed on as they are.
    Data(usize),
    /// Nothing: what came was not of the h2 crate, and the connection must end.
    Broken,
}

/// How far the opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// The first SETTINGS have not been written.
    Begun,
    /// Neither a request nor an acknowledgement has.
    Said,
    /// The peer's SETTINGS would be acknowledged, if a request did not go first that may come before so many more flushes.
    Acknowledging(u8),
    Over,
}

#[derive(Debug)]
struct Block {
    stream: u32,
    flags: u8,
    bytes: Vec<u8>,
}

impl Dresser {
    pub(super) fn new(dress: Arc<Dress>) -> Self {
        Self {
            pseudo: Pseudo::new(dress.spec().pseudo_order),
            dress,
            at: At::Preface(PREFACE),
            frame: Vec::new(),
            block: None,
            opening: Opening::Begun,
            ahead: 0,
            newest: 0,
            out: Vec::new(),
            written: 0,
            encoded: Vec::new(),
        }
    }

    /// Takes bytes of the h2 crate, up to the payload of a DATA frame, and returns how many.
    ///
    /// # Errors
    ///
    /// If they are not what it writes. Nothing more can be taken then.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        loop {
            match self.at {
                At::Broken => return Err(broken()),
                _ if rest.is_empty() => return Ok(bytes.len()),
                At::Data(_) => return Ok(bytes.len() - rest.len()),
                At::Preface(left) => {
                    let (part, after) = rest.split_at(left.min(rest.len()));
                    self.out.extend(part);
                    rest = after;
                    self.at = match left - part.len() {
                        0 => At::Frame,
                        left => At::Preface(left),
                    };
                }
                At::Frame => {
                    if self.take_frame(&mut rest).is_err() {
                        self.at = At::Broken;
                    }
                }
            }
        }
    }

    /// How many bytes are to be passed on as they are, once everything pending has been written.
    pub(super) fn to_pass(&self) -> usize {
        match self.at {
            At::Data(left) => left,
            _ => 0,
        }
    }

    /// So many of them have been.
    pub(super) fn passed(&mut self, count: usize) {
        if let At::Data(left) = self.at {
            self.at = match left - count {
                0 => At::Frame,
                left => At::Data(left),
            };
        }
    }

    /// What is to be written.
    pub(super) fn pending(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// So many bytes of it have been.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.out.len() {
            self.written = 0;
            self.out.clear();
            self.out.shrink_to(KEPT);
            self.encoded.clear();
            self.encoded.shrink_to(KEPT);
        }
    }

    /// The batch is complete. Returns whether another flush is wanted, after everybody else has had a turn: a connection opens
    /// for a request, which whoever asked for it may be about to send.
    pub(super) fn flush(&mut self) -> bool {
        match &mut self.opening {
            Opening::Acknowledging(turns @ 1..) => {
                *turns -= 1;
                true
            }
            _ => {
                self.acknowledge();
                false
            }
        }
    }

    /// Writes the acknowledgement that has been put off, if there is one.
    fn acknowledge(&mut self) {
        if let Opening::Acknowledging(_) = self.opening {
            self.opening = Opening::Over;
            put_head(&mut self.out, 0, SETTINGS, ACK, 0);
        }
    }

    /// Takes a frame, or as much of it as there is.
    fn take_frame(&mut self, bytes: &mut &[u8]) -> Result<(), Unexpected> {
        if self.frame.is_empty()
            && let Some((head, rest)) = bytes.split_first_chunk::<HEAD>()
            && let Some((payload, rest)) = rest.split_at_checked(payload_of(head))
        {
            *bytes = rest;
            return self.frame(head, payload);
        }
        loop {
            let end = match self.frame.first_chunk::<HEAD>() {
                None => HEAD,
                Some(head) => HEAD + payload_of(head),
            };
            let missing = end - self.frame.len();
            if missing == 0 {
                break;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            self.frame.extend(part);
            *bytes = rest;
        }
        let mut frame = std::mem::take(&mut self.frame);
        let (head, payload) = frame.split_first_chunk::<HEAD>().expect("a head is there");
        let done = self.frame(head, payload);
        frame.clear();
        frame.shrink_to(KEPT);
        self.frame = frame;
        done
    }

    /// Writes what becomes of a frame; of DATA, its head.
    fn frame(&mut self, head: &[u8; HEAD], payload: &[u8]) -> Result<(), Unexpected> {
        let (kind, flags) = (head[3], head[4]);
        match (self.opening, kind) {
            (Opening::Begun, SETTINGS) => {
                self.open();
                return Ok(());
            }
            (Opening::Begun, _) => return Err(Unexpected),
            (Opening::Said, SETTINGS) if flags & ACK != 0 => {
                self.opening = Opening::Acknowledging(TURNS);
                return Ok(());
            }
            _ => {}
        }
        if self.block.is_some() && kind != CONTINUATION {
            return Err(Unexpected);
        }
        let stream = stream_of(&head[5..]);
        match kind {
            HEADERS if flags & END_HEADERS != 0 => return self.fields(stream, flags, payload),
            HEADERS => {
                self.block = Some(Block {
                    stream,
                    flags,
                    bytes: payload.to_vec(),
                });
                return Ok(());
            }
            CONTINUATION => {
                let mut block = self.block.take().ok_or(Unexpected)?;
                block.bytes.extend(payload);
                if flags & END_HEADERS != 0 {
                    return self.fields(block.stream, block.flags, &block.bytes);
                }
                self.block = Some(block);
                return Ok(());
            }
            WINDOW_UPDATE if stream == 0 && self.ahead > 0 => return self.catch_up(payload),
            _ => self.acknowledge(),
        }
        self.out.extend(head);
        if kind != DATA {
            self.out.extend(payload);
        } else if length_of(head) > 0 {
            self.at = At::Data(length_of(head));
        }
        Ok(())
    }

    /// Writes the first SETTINGS and what follows them.
    fn open(&mut self) {
        let spec = self.dress.spec();
        put_head(&mut self.out, spec.settings.len() * 6, SETTINGS, 0, 0);
        for (id, value) in &spec.settings {
            self.out.extend(id.to_be_bytes());
            self.out.extend(value.to_be_bytes());
        }
        if let Some(increment) = spec.window_update {
            put_window_update(&mut self.out, 0, increment);
            self.ahead = increment;
        }
        self.opening = Opening::Said;
    }

    /// The h2 crate enlarges the connection's window by what the peer has been told, or by more.
    fn catch_up(&mut self, payload: &[u8]) -> Result<(), Unexpected> {
        let increment = stream_of(payload.first_chunk::<4>().ok_or(Unexpected)?);
        let told = self.ahead.min(increment);
        self.ahead -= told;
        if increment > told {
            self.acknowledge();
            put_window_update(&mut self.out, 0, increment - told);
        }
        Ok(())
    }

    /// Writes a header block as frames, and what follows a request's.
    fn fields(&mut self, stream: u32, flags: u8, block: &[u8]) -> Result<(), Unexpected> {
        // The streams of a client are opened in order, so that trailers are for none of them that is new.
        let is_request = stream > self.newest;
        let spec = self.dress.spec();
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        let mut flags = flags & END_STREAM;
        if !is_request {
            self.pseudo.others(block, &mut encoded)?;
        } else {
            self.newest = stream;
            if let Some(priority) = spec.priority {
                flags |= PRIORITY;
                put_priority(&mut encoded, priority);
            }
            self.pseudo.request(block, &mut encoded)?;
        }
        let update = spec.stream_window_update.filter(|_| is_request);
        // Another size of the table follows the acknowledgement of the peer's wish for it (RFC 7541 §4.2).
        if block.first().is_some_and(|first| first & 0xe0 == 0x20) {
            self.acknowledge();
        }
        // No peer's limit is smaller.
        let mut pieces = encoded.chunks(LEAST_FRAME);
        let mut piece = pieces.next().unwrap_or_default();
        let mut kind = HEADERS;
        loop {
            let next = pieces.next();
            if next.is_none() {
                flags |= END_HEADERS;
            }
            put_head(&mut self.out, piece.len(), kind, flags, stream);
            self.out.extend(piece);
            let Some(next) = next else {
                break;
            };
            (piece, kind, flags) = (next, CONTINUATION, 0);
        }
        self.encoded = encoded;
        if let Some(increment) = update {
            put_window_update(&mut self.out, stream, increment);
        }
        self.acknowledge();
        self.opening = Opening::Over;
        Ok(())
    }
}

/// Bytes of payload that come with the head; those of DATA do not.
fn payload_of(head: &[u8; HEAD]) -> usize {
    if head[3] == DATA { 0 } else { length_of(head) }
}

fn put_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let length = u32::try_from(length).expect("below 2^24");
    out.extend(&length.to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
}

fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put_head(out, 4, WINDOW_UPDATE, 0, stream);
    out.extend(increment.to_be_bytes());
}

fn put_priority(out: &mut Vec<u8>, priority: StreamPriority) {
    let exclusive = u32::from(priority.exclusive) << 31;
    out.extend((priority.depends_on | exclusive).to_be_bytes());
    out.push((priority.weight - 1) as u8);
}

fn broken() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a frame that cannot be brought into the profile's form; the connection was given up instead",
    )
}

/// The smallest limit that a peer may set, and has set until it says otherwise (RFC 9113 §6.5.2).
const LEAST_FRAME: usize = 1 << 14;

/// How often others have a turn before an acknowledgement goes out ahead of the first request. Whoever is handed a new
/// connection sends at once, but may be woken on another thread, or be the main future of a runtime of one thread, which has its
/// turn every 61 tasks (tokio's `event_interval`).
const TURNS: u8 = 64;

/// How much room of a buffer is kept for the next use: as much as the h2 crate keeps.
const KEPT: usize = 16 * 1024;
