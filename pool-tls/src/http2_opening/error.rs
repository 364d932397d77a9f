//! Why bytes are no opening of an HTTP/2 connection.

use std::error::Error;
use std::fmt;

/// Why bytes are no opening of an HTTP/2 connection, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2OpeningError {
    kind: Http2OpeningErrorKind,
    offset: usize,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2OpeningErrorKind {
    /// So far it is an opening, but its SETTINGS frame is not there.
    Incomplete,
    /// Not the preface of HTTP/2.
    NotHttp2,
    /// The first frame is not SETTINGS.
    NoSettings,
    /// A frame of more than 16384 bytes.
    FrameSize,
    /// A frame whose content breaks its format.
    BadFrame,
    /// A frame on the connection that needs a stream, or the other way around.
    Stream,
    /// A header block is interrupted, or continued where there is none.
    Continuation,
    /// The header block breaks the format of HPACK.
    Hpack,
    /// The headers are longer than 64 KiB, each counted as its name, its value and 32 bytes.
    HeaderListSize,
    /// A header is no UTF-8.
    HeaderText,
}

impl Http2OpeningError {
    pub(super) fn new(kind: Http2OpeningErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    pub fn kind(&self) -> Http2OpeningErrorKind {
        self.kind
    }

    /// Where the frame begins, in bytes from the start of the connection.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether the bytes may yet become an opening.
    pub fn is_incomplete(&self) -> bool {
        self.kind == Http2OpeningErrorKind::Incomplete
    }
}

impl fmt::Display for Http2OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Http2OpeningErrorKind::Incomplete => "the HTTP/2 opening goes on",
            Http2OpeningErrorKind::NotHttp2 => "not the preface of HTTP/2",
            Http2OpeningErrorKind::NoSettings => "the first frame is not SETTINGS",
            Http2OpeningErrorKind::FrameSize => "a frame of more than 16384 bytes",
            Http2OpeningErrorKind::BadFrame => "a frame that breaks its format",
            Http2OpeningErrorKind::Stream => "a frame that does not belong on its stream",
            Http2OpeningErrorKind::Continuation => "a header block in pieces that do not fit",
            Http2OpeningErrorKind::Hpack => "a header block that is no HPACK",
            Http2OpeningErrorKind::HeaderListSize => "headers of more than 64 KiB",
            Http2OpeningErrorKind::HeaderText => "a header that is no UTF-8",
        };
        write!(f, "{what}, at byte {}", self.offset)
    }
}

impl Error for Http2OpeningError {}
