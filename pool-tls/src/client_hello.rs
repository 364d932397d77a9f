//! A strict parser of ClientHellos.

mod error;
pub(crate) mod extensions;

use crate::wire::{Reader, u16_list};

pub use error::{ClientHelloError, ClientHelloErrorKind};
pub use extensions::{Extension, KeyShare};

/// A ClientHello as it was sent.
///
/// Every list is in wire order. Nothing is left out: GREASE values are there, see [`crate::ja::is_grease`].
///
/// ```
/// use pool_tls::client_hello::ClientHello;
///
/// // A listener reads on until the hello is whole.
/// let error = ClientHello::parse(&[22, 3, 1, 0]).unwrap_err();
/// assert_eq!(error.more(), Some(1)); // At least.
/// // A client that speaks plain HTTP is told apart at its first byte.
/// assert_eq!(ClientHello::parse(b"GET").unwrap_err().more(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    record_version: Option<u16>,
    legacy_version: u16,
    random: [u8; 32],
    session_id: Vec<u8>,
    cipher_suites: Vec<u16>,
    compression_methods: Vec<u8>,
    extensions: Vec<Extension>,
}

impl ClientHello {
    /// Reads the TLS records that a client begins with, and puts a hello that is spread over several together.
    ///
    /// What follows the record in which the hello ends is not looked at: early data may. Every call reads from the start:
    /// a listener bounds how much it reads, 64 KiB are plenty, and for how long.
    ///
    /// # Errors
    ///
    /// Where the bytes are no ClientHello, and why. [`ClientHelloError::more`] says whether they may yet become one.
    pub fn parse(records: &[u8]) -> Result<Self, ClientHelloError> {
        let mut reader = Reader::new(records);
        let mut message = Vec::new();
        let mut version = None;
        loop {
            let (this, fragment, missing) = record(&mut reader, records.len())?;
            let version = *version.get_or_insert(this);
            message.extend_from_slice(fragment);
            let length = announced(&message)?;
            let wanted = length.unwrap_or(HEADER);
            if missing > 0 {
                // The rest of this record, and if the hello goes on after it, another one.
                let after = wanted.saturating_sub(message.len() + missing);
                let next = if after > 0 { RECORD_HEADER + after } else { 0 };
                return Err(ClientHelloError::incomplete(reader.at(), missing + next));
            }
            if length.is_none() || message.len() < wanted {
                continue;
            }
            if message.len() > wanted {
                return Err(ClientHelloError::new(
                    ClientHelloErrorKind::TrailingBytes,
                    wanted,
                    "record",
                ));
            }
            return Self::read(&message, Some(version));
        }
    }

    /// Reads a ClientHello without its record: a handshake message from its type on.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_message(message: &[u8]) -> Result<Self, ClientHelloError> {
        let wanted = announced(message)?.unwrap_or(HEADER);
        if message.len() < wanted {
            let missing = wanted - message.len();
            return Err(ClientHelloError::incomplete(message.len(), missing));
        }
        if message.len() > wanted {
            return Err(ClientHelloError::new(
                ClientHelloErrorKind::TrailingBytes,
                wanted,
                "message",
            ));
        }
        Self::read(message, None)
    }

    /// The version that the first record says, usually 0x0301; `None` if the hello came without one.
    pub fn record_version(&self) -> Option<u16> {
        self.record_version
    }

    /// The version that the hello says, 0x0303 in TLS 1.2 and 1.3.
    pub fn legacy_version(&self) -> u16 {
        self.legacy_version
    }

    /// The client's random bytes.
    pub fn random(&self) -> &[u8; 32] {
        &self.random
    }

    /// The length of the session id in bytes, from 0 to 32.
    pub fn session_id_length(&self) -> usize {
        self.session_id.len()
    }

    /// The cipher suites.
    pub fn cipher_suites(&self) -> &[u16] {
        &self.cipher_suites
    }

    /// The compression methods; only 0, which is none, in any client of today.
    pub fn compression_methods(&self) -> &[u8] {
        &self.compression_methods
    }

    /// The extensions.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Reads `message`, which is as long as it says.
    fn read(message: &[u8], record_version: Option<u16>) -> Result<Self, ClientHelloError> {
        let mut reader = Reader::new(message);
        let _header = reader.take(HEADER);
        let cut = |reader: &Reader<'_>, field| {
            ClientHelloError::new(ClientHelloErrorKind::Truncated, reader.at(), field)
        };
        let wrong = |at, field| ClientHelloError::new(ClientHelloErrorKind::BadLength, at, field);

        let field = "legacy_version";
        let legacy_version = reader.u16().ok_or_else(|| cut(&reader, field))?;
        let random = reader.take(32).ok_or_else(|| cut(&reader, "random"))?;
        let at = reader.at();
        let session_id = reader.vec8().ok_or_else(|| cut(&reader, "session_id"))?;
        if session_id.len() > 32 {
            return Err(wrong(at, "session_id"));
        }
        let (at, field) = (reader.at(), "cipher_suites");
        let cipher_suites = reader.vec16().ok_or_else(|| cut(&reader, field))?;
        let cipher_suites = u16_list(cipher_suites).filter(|suites| !suites.is_empty());
        let cipher_suites = cipher_suites.ok_or_else(|| wrong(at, field))?;
        let (at, field) = (reader.at(), "compression_methods");
        let compression_methods = reader.vec8().ok_or_else(|| cut(&reader, field))?;
        if compression_methods.is_empty() {
            return Err(wrong(at, field));
        }
        // Before TLS 1.2 a hello could end here.
        let extensions = match reader.is_empty() {
            true => Vec::new(),
            false => extensions::read(&mut reader)?,
        };
        if !reader.is_empty() {
            return Err(ClientHelloError::new(
                ClientHelloErrorKind::TrailingBytes,
                reader.at(),
                "extensions",
            ));
        }
        Ok(Self {
            record_version,
            legacy_version,
            random: random.try_into().expect("32 bytes were taken"),
            session_id: session_id.to_vec(),
            cipher_suites,
            compression_methods: compression_methods.to_vec(),
            extensions,
        })
    }
}

/// The next record: its version, as much of its content as there is, and how many bytes of it are not there.
fn record<'a>(
    reader: &mut Reader<'a>,
    total: usize,
) -> Result<(u16, &'a [u8], usize), ClientHelloError> {
    let at = reader.at();
    let fail = |kind, at, field| Err(ClientHelloError::new(kind, at, field));
    let short = |reader: &Reader<'_>| {
        let missing = at + RECORD_HEADER - total;
        ClientHelloError::incomplete(reader.at(), missing)
    };
    match reader.u8() {
        None => return Err(short(reader)),
        Some(HANDSHAKE) => {}
        Some(_) => return fail(ClientHelloErrorKind::NotTls, at, "record type"),
    }
    let Some(major) = reader.u8() else {
        return Err(short(reader));
    };
    if major != 3 {
        return fail(ClientHelloErrorKind::NotTls, at + 1, "record version");
    }
    let (Some(minor), Some(length)) = (reader.u8(), reader.u16()) else {
        return Err(short(reader));
    };
    let length = usize::from(length);
    if length == 0 || length > MAX_RECORD {
        return fail(ClientHelloErrorKind::BadLength, at + 3, "record length");
    }
    let there = length.min(total - reader.at());
    let content = reader.take(there).expect("no more than there is");
    let version = u16::from_be_bytes([major, minor]);
    Ok((version, content, length - there))
}

/// How long the message that begins with `start` says it is, with its header; `None` if that is not there yet.
fn announced(start: &[u8]) -> Result<Option<usize>, ClientHelloError> {
    let mut reader = Reader::new(start);
    let fail = |kind, at, field| Err(ClientHelloError::new(kind, at, field));
    match reader.u8() {
        None => return Ok(None),
        Some(CLIENT_HELLO) => {}
        Some(_) => return fail(ClientHelloErrorKind::NotClientHello, 0, "message type"),
    }
    let Some(length) = reader.u24() else {
        return Ok(None);
    };
    let length = usize::try_from(length).expect("24 bits");
    if length > MAX_MESSAGE {
        return fail(ClientHelloErrorKind::BadLength, 1, "message length");
    }
    Ok(Some(HEADER + length))
}

/// The type of a record with handshake messages, RFC 8446 section 5.1.
const HANDSHAKE: u8 = 22;

/// The type of the message, RFC 8446 section 4.
const CLIENT_HELLO: u8 = 1;

/// Type and length of a handshake message.
const HEADER: usize = 4;

/// Type, version and length of a record.
const RECORD_HEADER: usize = 5;

/// The content of an unencrypted record, RFC 8446 section 5.1.
const MAX_RECORD: usize = 1 << 14;

/// All fields of RFC 8446 section 4.1.2 at their longest: no ClientHello is longer.
const MAX_MESSAGE: usize = 2 + 32 + (1 + 32) + (2 + 0xfffe) + (1 + 0xff) + (2 + 0xffff);

#[cfg(test)]
pub(crate) mod tests;
