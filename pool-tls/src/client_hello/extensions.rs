//! The extensions of a ClientHello, and what is in those that fingerprints are made of.

use super::{ClientHello, ClientHelloError, ClientHelloErrorKind};
use crate::names::extension;
use crate::wire::{Reader, u16_list, whole};

/// An extension as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its code point.
    pub id: u16,
    /// Its content, without the length before it.
    pub body: Vec<u8>,
}

/// A share of a `key_share` extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShare {
    /// The code point of its group.
    pub group: u16,
    /// The length of the key in bytes.
    pub length: u16,
}

/// The lists are empty where the extension is not there. Their formats were checked when the hello was read.
impl ClientHello {
    /// The content of the extension, if it is there.
    pub fn extension(&self, id: u16) -> Option<&[u8]> {
        let found = self
            .extensions()
            .iter()
            .find(|extension| extension.id == id);
        found.map(|extension| extension.body.as_slice())
    }

    /// The host name that the client asks for (`server_name`).
    pub fn server_name(&self) -> Option<&str> {
        server_name(self.extension(extension::SERVER_NAME)?)
    }

    /// Whether it offers a `pre_shared_key`: to resume a session of TLS 1.3, as a rule.
    pub fn offers_psk(&self) -> bool {
        self.extension(extension::PRE_SHARED_KEY).is_some()
    }

    /// Whether it offers to resume a session, of TLS 1.3 or by a ticket of TLS 1.2: a hello of another kind than the first one
    /// to a server, of which no profile is made.
    pub fn resumes(&self) -> bool {
        let ticket = self.extension(extension::SESSION_TICKET);
        self.offers_psk() || ticket.is_some_and(|ticket| !ticket.is_empty())
    }

    /// The groups (`supported_groups`).
    pub fn supported_groups(&self) -> Vec<u16> {
        self.list(extension::SUPPORTED_GROUPS, u16s_behind_u16)
    }

    /// The formats of points (`ec_point_formats`).
    pub fn point_formats(&self) -> Vec<u8> {
        self.list(extension::EC_POINT_FORMATS, |body| {
            bytes_behind_u8(body).map(<[u8]>::to_vec)
        })
    }

    /// The signature algorithms (`signature_algorithms`).
    pub fn signature_algorithms(&self) -> Vec<u16> {
        self.list(extension::SIGNATURE_ALGORITHMS, u16s_behind_u16)
    }

    /// The versions (`supported_versions`); `None` if the extension is not there.
    pub fn supported_versions(&self) -> Option<Vec<u16>> {
        u16s_behind_u8(self.extension(extension::SUPPORTED_VERSIONS)?)
    }

    /// The application protocols (`application_layer_protocol_negotiation`).
    pub fn alpn(&self) -> Vec<Vec<u8>> {
        self.list(extension::ALPN, protocols)
    }

    /// The shares (`key_share`).
    pub fn key_shares(&self) -> Vec<KeyShare> {
        self.list(extension::KEY_SHARE, key_shares)
    }

    fn list<T>(&self, id: u16, read: impl FnOnce(&[u8]) -> Option<Vec<T>>) -> Vec<T> {
        self.extension(id).and_then(read).unwrap_or_default()
    }
}

/// Reads all extensions; `reader` stands in the message, at their common length.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Extension>, ClientHelloError> {
    let fail = |kind, at, field| Err(ClientHelloError::new(kind, at, field));
    let start = reader.at() + 2;
    let Some(block) = reader.vec16() else {
        return fail(ClientHelloErrorKind::Truncated, reader.at(), "extensions");
    };
    let mut block = Reader::new(block);
    let mut extensions = Vec::new();
    // A bit for each code point: a hello of thousands of extensions is still read in one go.
    let mut seen = [0_u64; 1024];
    while !block.is_empty() {
        let at = start + block.at();
        let Some(id) = block.u16() else {
            return fail(ClientHelloErrorKind::Truncated, at, "extensions");
        };
        let field = extension::name(id).unwrap_or("an unknown extension");
        let Some(body) = block.vec16() else {
            return fail(ClientHelloErrorKind::Truncated, at + 2, field);
        };
        let (word, bit) = (usize::from(id / 64), 1 << (id % 64));
        if seen[word] & bit != 0 {
            return fail(ClientHelloErrorKind::Duplicate, at, field);
        }
        seen[word] |= bit;
        if !is_well_formed(id, body) {
            return fail(ClientHelloErrorKind::Malformed, at + 4, field);
        }
        let body = body.to_vec();
        extensions.push(Extension { id, body });
    }
    Ok(extensions)
}

/// Whether the body has the format that its readers in this crate expect; others are not looked into.
fn is_well_formed(id: u16, body: &[u8]) -> bool {
    match id {
        extension::SERVER_NAME => server_name(body).is_some(),
        extension::SUPPORTED_GROUPS
        | extension::SIGNATURE_ALGORITHMS
        | extension::DELEGATED_CREDENTIALS => u16s_behind_u16(body).is_some(),
        extension::SUPPORTED_VERSIONS | extension::COMPRESS_CERTIFICATE => {
            u16s_behind_u8(body).is_some()
        }
        extension::EC_POINT_FORMATS | extension::PSK_KEY_EXCHANGE_MODES => {
            bytes_behind_u8(body).is_some()
        }
        extension::ALPN => protocols(body).is_some(),
        extension::KEY_SHARE => key_shares(body).is_some(),
        _ => true,
    }
}

pub(crate) fn u16s_behind_u16(body: &[u8]) -> Option<Vec<u16>> {
    whole(body, Reader::vec16).and_then(u16_list)
}

pub(crate) fn u16s_behind_u8(body: &[u8]) -> Option<Vec<u16>> {
    whole(body, Reader::vec8).and_then(u16_list)
}

pub(crate) fn bytes_behind_u8(body: &[u8]) -> Option<&[u8]> {
    whole(body, Reader::vec8)
}

/// A list of names, each behind its length in one byte.
pub(crate) fn protocols(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Reader::new(whole(body, Reader::vec16)?);
    let mut protocols = Vec::new();
    while !list.is_empty() {
        protocols.push(list.vec8()?.to_vec());
    }
    Some(protocols)
}

fn key_shares(body: &[u8]) -> Option<Vec<KeyShare>> {
    let mut list = Reader::new(whole(body, Reader::vec16)?);
    let mut shares = Vec::new();
    while !list.is_empty() {
        let group = list.u16()?;
        let length = u16::try_from(list.vec16()?.len()).ok()?;
        shares.push(KeyShare { group, length });
    }
    Some(shares)
}

/// The one host name of the list, RFC 6066 section 3.
fn server_name(body: &[u8]) -> Option<&str> {
    let list = whole(body, Reader::vec16)?;
    let name = whole(list, |list| {
        (list.u8()? == 0).then_some(())?;
        list.vec16()
    })?;
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())).then_some(name)
}
