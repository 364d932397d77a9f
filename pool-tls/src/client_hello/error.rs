//! Why bytes are no ClientHello.

use std::error::Error;
use std::fmt;

/// Why bytes are no ClientHello, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHelloError {
    kind: ClientHelloErrorKind,
    offset: usize,
    field: &'static str,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientHelloErrorKind {
    /// So far it is a ClientHello, but not all of it.
    Incomplete {
        /// How many more bytes it takes, at least.
        more: usize,
    },
    /// No TLS record with handshake messages.
    NotTls,
    /// A handshake message, but another one.
    NotClientHello,
    /// The message ends inside the field.
    Truncated,
    /// The field has a length that it cannot have.
    BadLength,
    /// Something follows where nothing may.
    TrailingBytes,
    /// The field is there twice.
    Duplicate,
    /// The field's content breaks its format.
    Malformed,
}

impl ClientHelloError {
    pub(super) fn new(kind: ClientHelloErrorKind, offset: usize, field: &'static str) -> Self {
        Self {
            kind,
            offset,
            field,
        }
    }

    pub(super) fn incomplete(offset: usize, more: usize) -> Self {
        Self::new(ClientHelloErrorKind::Incomplete { more }, offset, "end")
    }

    /// What is wrong.
    pub fn kind(&self) -> ClientHelloErrorKind {
        self.kind
    }

    /// Where, in bytes from the start of the handshake message; of the input if the field is one of a record.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The field, under its name in RFC 8446 or that of the extension.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// How many more bytes it takes, at least, if the bytes are the beginning of a ClientHello; `None` if they are not.
    pub fn more(&self) -> Option<usize> {
        match self.kind {
            ClientHelloErrorKind::Incomplete { more } => Some(more),
            _ => None,
        }
    }
}

impl fmt::Display for ClientHelloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, field, .. } = self;
        match self.kind {
            ClientHelloErrorKind::Incomplete { more } => {
                return write!(f, "the ClientHello goes on for at least {more} bytes");
            }
            ClientHelloErrorKind::NotTls => f.write_str("not a TLS handshake"),
            ClientHelloErrorKind::NotClientHello => f.write_str("not a ClientHello"),
            ClientHelloErrorKind::Truncated => f.write_str("the ClientHello ends inside a field"),
            ClientHelloErrorKind::BadLength => f.write_str("a length that cannot be"),
            ClientHelloErrorKind::TrailingBytes => f.write_str("bytes where nothing may follow"),
            ClientHelloErrorKind::Duplicate => f.write_str("there twice"),
            ClientHelloErrorKind::Malformed => f.write_str("content that breaks its format"),
        }?;
        write!(f, ": {field}, at byte {offset}")
    }
}

impl Error for ClientHelloError {}
