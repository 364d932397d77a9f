//! The opening of an HTTP/2 connection, as a client sends it, and its Akamai fingerprint.

mod error;
mod hpack;
mod huffman;

use std::fmt::Write;

use md5::{Digest, Md5};

use crate::spec::StreamPriority;
use crate::wire::{Reader, hex, whole};

pub use error::{Http2OpeningError, Http2OpeningErrorKind};

/// What a client sends on an HTTP/2 connection up to its first request, and a little after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Opening {
    /// The whole frames, in wire order.
    pub frames: Vec<Frame>,
    /// The first SETTINGS frame: identifiers and values, in wire order.
    pub settings: Vec<(u16, u32)>,
    /// The increment of the first WINDOW_UPDATE for the connection, if one comes before the first request.
    pub window_update: Option<u32>,
    /// The PRIORITY frames before the first request: stream and priority.
    pub priorities: Vec<(u32, StreamPriority)>,
    /// The first request; `None` if it has not come, or not all of its header block.
    pub request: Option<FirstRequest>,
}

/// A frame, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type, such as 1 for HEADERS (RFC 9113 section 6).
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, 0 for the connection.
    pub stream: u32,
    /// The length of its content in bytes.
    pub length: u32,
}

/// The first request of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstRequest {
    /// The identifier of its stream.
    pub stream: u32,
    /// The flags of its HEADERS frame.
    pub flags: u8,
    /// The priority in its HEADERS frame.
    pub priority: Option<StreamPriority>,
    /// Names and values, pseudo-headers too, in wire order.
    pub headers: Vec<(String, String)>,
    /// The increment of the first WINDOW_UPDATE for its stream, if one follows.
    pub window_update: Option<u32>,
}

impl Http2Opening {
    /// Reads what a client sent, decrypted, from the connection's first byte on.
    ///
    /// A frame that is not all there ends the reading: to follow a live connection, call it again with more until
    /// [`request`](Self::request) is there.
    ///
    /// # Errors
    ///
    /// Where the bytes break the protocol. [`Http2OpeningError::is_incomplete`] says that they merely end before the first
    /// SETTINGS frame does.
    pub fn parse(bytes: &[u8]) -> Result<Self, Http2OpeningError> {
        use Http2OpeningErrorKind::{Incomplete, NotHttp2};

        let preface = &PREFACE[..PREFACE.len().min(bytes.len())];
        if !bytes.starts_with(preface) {
            return Err(Http2OpeningError::new(NotHttp2, 0));
        }
        let mut reader = Reader::new(bytes);
        if reader.take(PREFACE.len()).is_none() {
            return Err(Http2OpeningError::new(Incomplete, bytes.len()));
        }
        let mut opening = Collected::default();
        loop {
            let at = reader.at();
            let Some((frame, content)) = frame(&mut reader)? else {
                break;
            };
            opening.take(frame, content, at)?;
        }
        let settings = opening.settings;
        let settings = settings.ok_or_else(|| Http2OpeningError::new(Incomplete, bytes.len()))?;
        Ok(Self {
            frames: opening.frames,
            settings,
            window_update: opening.window_update,
            priorities: opening.priorities,
            request: opening.request,
        })
    }

    /// The Akamai fingerprint, such as `1:65536;4:131072|12517377|0|m,p,a,s`: settings, window, priorities,
    /// pseudo-headers. The last part is empty without a request.
    pub fn akamai(&self) -> Akamai {
        let names = self.request.iter().flat_map(|request| &request.headers);
        let pseudo = names.filter_map(|(name, _)| name.strip_prefix(':'));
        let pseudo: Vec<&str> = pseudo
            .map(|name| name.get(..1).unwrap_or_default())
            .collect();
        Akamai::new(
            &self.settings,
            self.window_update,
            &self.priorities,
            &pseudo,
        )
    }
}

/// The Akamai fingerprint of an HTTP/2 client ("Passive Fingerprinting of HTTP/2 Clients", 2017).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Akamai {
    text: String,
}

impl Akamai {
    pub(crate) fn new(
        settings: &[(u16, u32)],
        window_update: Option<u32>,
        priorities: &[(u32, StreamPriority)],
        pseudo: &[&str],
    ) -> Self {
        let settings: Vec<String> = settings
            .iter()
            .map(|(id, to)| format!("{id}:{to}"))
            .collect();
        let mut text = settings.join(";");
        match window_update {
            Some(increment) => write!(text, "|{increment}|"),
            None => write!(text, "|00|"),
        }
        .expect("a string takes everything");
        let priorities: Vec<String> = priorities
            .iter()
            .map(|(stream, priority)| {
                let exclusive = u8::from(priority.exclusive);
                let StreamPriority {
                    depends_on, weight, ..
                } = priority;
                format!("{stream}:{exclusive}:{depends_on}:{weight}")
            })
            .collect();
        match priorities.as_slice() {
            [] => text.push('0'),
            some => text.push_str(&some.join(",")),
        }
        text.push('|');
        text.push_str(&pseudo.join(","));
        Self { text }
    }

    /// The fingerprint.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The MD5 of the text, in 32 hexadecimal digits.
    pub fn hash(&self) -> String {
        hex(&Md5::digest(self.text.as_bytes()))
    }
}

/// Shows the text.
impl std::fmt::Display for Akamai {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Collected {
    frames: Vec<Frame>,
    settings: Option<Vec<(u16, u32)>>,
    window_update: Option<u32>,
    priorities: Vec<(u32, StreamPriority)>,
    /// A header block that CONTINUATION frames may yet add to.
    open: Option<Block>,
    request: Option<FirstRequest>,
}

/// A header block, and what its HEADERS frame said.
#[derive(Debug)]
struct Block {
    at: usize,
    frame: Frame,
    priority: Option<StreamPriority>,
    bytes: Vec<u8>,
}

impl Collected {
    fn take(&mut self, frame: Frame, content: &[u8], at: usize) -> Result<(), Http2OpeningError> {
        use Http2OpeningErrorKind::{BadFrame, Continuation, NoSettings, Stream};

        let fail = |kind| Http2OpeningError::new(kind, at);
        if self.settings.is_none() && (frame.kind != SETTINGS || frame.flags & ACK != 0) {
            return Err(fail(NoSettings));
        }
        if self.open.is_some() != (frame.kind == CONTINUATION) {
            return Err(fail(Continuation));
        }
        let of_connection = match frame.kind {
            SETTINGS | PING | GOAWAY => Some(true),
            DATA | HEADERS | PRIORITY | RST_STREAM | CONTINUATION => Some(false),
            _ => None,
        };
        if of_connection.is_some_and(|wanted| wanted != (frame.stream == 0)) {
            return Err(fail(Stream));
        }
        self.frames.push(frame);
        let mut reader = Reader::new(content);
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                let mut settings = Vec::new();
                while !reader.is_empty() {
                    let setting = reader.u16().zip(reader.u32());
                    settings.push(setting.ok_or_else(|| fail(BadFrame))?);
                }
                self.settings.get_or_insert(settings);
            }
            WINDOW_UPDATE => {
                let increment = whole(content, Reader::u32).ok_or_else(|| fail(BadFrame))?;
                self.window_update(frame.stream, increment & LOW_31);
            }
            PRIORITY => {
                let priority = whole(content, priority).ok_or_else(|| fail(BadFrame))?;
                if self.request.is_none() {
                    self.priorities.push((frame.stream, priority));
                }
            }
            HEADERS if self.request.is_none() => {
                let (priority, fragment) =
                    headers(frame.flags, content).ok_or_else(|| fail(BadFrame))?;
                self.open = Some(Block {
                    at,
                    frame,
                    priority,
                    bytes: fragment.to_vec(),
                });
            }
            // A later request, whose block says nothing without the table that the first one left.
            HEADERS if frame.flags & END_HEADERS == 0 => {
                self.open = Some(Block {
                    at,
                    frame,
                    priority: None,
                    bytes: Vec::new(),
                });
            }
            CONTINUATION => {
                let block = self.open.as_mut().expect("checked above");
                if block.frame.stream != frame.stream {
                    return Err(fail(Continuation));
                }
                if self.request.is_none() {
                    block.bytes.extend_from_slice(content);
                }
            }
            _ => {}
        }
        if matches!(frame.kind, HEADERS | CONTINUATION) && frame.flags & END_HEADERS != 0 {
            self.close()?;
        }
        Ok(())
    }

    /// The header block has ended.
    fn close(&mut self) -> Result<(), Http2OpeningError> {
        let Some(block) = self.open.take() else {
            return Ok(());
        };
        if self.request.is_some() {
            return Ok(());
        }
        let headers =
            hpack::decode(&block.bytes).map_err(|kind| Http2OpeningError::new(kind, block.at))?;
        self.request = Some(FirstRequest {
            stream: block.frame.stream,
            flags: block.frame.flags,
            priority: block.priority,
            headers,
            window_update: None,
        });
        Ok(())
    }

    fn window_update(&mut self, stream: u32, increment: u32) {
        match &mut self.request {
            None if stream == 0 => {
                self.window_update.get_or_insert(increment);
            }
            Some(request) if request.stream == stream => {
                request.window_update.get_or_insert(increment);
            }
            _ => {}
        }
    }
}

/// The next frame and its content; `None` if it is not all there.
fn frame<'a>(reader: &mut Reader<'a>) -> Result<Option<(Frame, &'a [u8])>, Http2OpeningError> {
    let at = reader.at();
    let head = (|| Some((reader.u24()?, reader.u8()?, reader.u8()?, reader.u32()?)))();
    let Some((length, kind, flags, stream)) = head else {
        return Ok(None);
    };
    if length > MAX_FRAME {
        return Err(Http2OpeningError::new(Http2OpeningErrorKind::FrameSize, at));
    }
    let frame = Frame {
        kind,
        flags,
        stream: stream & LOW_31,
        length,
    };
    let content = reader.take(usize::try_from(length).expect("24 bits"));
    Ok(content.map(|content| (frame, content)))
}

/// The priority and the header block fragment of a HEADERS frame, RFC 9113 section 6.2.
fn headers(flags: u8, content: &[u8]) -> Option<(Option<StreamPriority>, &[u8])> {
    let mut reader = Reader::new(content);
    let padding = match flags & PADDED {
        0 => 0,
        _ => usize::from(reader.u8()?),
    };
    let priority = match flags & HAS_PRIORITY {
        0 => None,
        _ => Some(priority(&mut reader)?),
    };
    let fragment = (content.len() - reader.at()).checked_sub(padding)?;
    Some((priority, reader.take(fragment)?))
}

fn priority(reader: &mut Reader<'_>) -> Option<StreamPriority> {
    let stream = reader.u32()?;
    Some(StreamPriority {
        depends_on: stream & LOW_31,
        exclusive: stream & !LOW_31 != 0,
        weight: u16::from(reader.u8()?) + 1,
    })
}

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most that a client may send before the server allows more, RFC 9113 section 6.5.2.
const MAX_FRAME: u32 = 1 << 14;

/// Without the bit that is reserved, or says exclusive.
const LOW_31: u32 = u32::MAX >> 1;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const HAS_PRIORITY: u8 = 32;

#[cfg(test)]
mod tests;
