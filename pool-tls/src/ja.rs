//! JA3 and JA4, the usual names of a ClientHello.
//!
//! JA4 follows FoxIO's `technical_details/JA4.md`; JA3 follows Salesforce's `ja3`. Values that RFC 8701 reserves count in
//! neither.

use std::fmt::{self, Write};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::client_hello::ClientHello;
use crate::names::extension;
use crate::wire::hex;

/// Whether `code` is one of the sixteen values that RFC 8701 reserves, from 0x0a0a to 0xfafa.
pub fn is_grease(code: u16) -> bool {
    code & 0x0f0f == 0x0a0a && code >> 8 == code & 0xff
}

/// The JA3 of a ClientHello: version, cipher suites, extensions, groups and point formats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ja3 {
    text: String,
}

impl Ja3 {
    /// The text that is hashed, such as `771,4865-4866,0-23-65281,29-23,0`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The MD5 of the text, in 32 hexadecimal digits.
    pub fn hash(&self) -> String {
        hex(&Md5::digest(self.text.as_bytes()))
    }
}

/// Shows the hash.
impl fmt::Display for Ja3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash())
    }
}

/// The JA4 of a ClientHello over TCP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ja4 {
    a: String,
    ciphers: String,
    extensions: String,
}

impl Ja4 {
    /// The first part, such as `t13d1516h2`: version, name or none, counts, first application protocol.
    pub fn a(&self) -> &str {
        &self.a
    }

    /// The second part: a hash of the sorted cipher suites.
    pub fn b(&self) -> String {
        part(&self.ciphers)
    }

    /// The third part: a hash of the sorted extensions and of the signature algorithms.
    pub fn c(&self) -> String {
        part(&self.extensions)
    }

    /// JA4_r: what is hashed, instead of the hashes.
    pub fn raw(&self) -> String {
        format!("{}_{}_{}", self.a, self.ciphers, self.extensions)
    }
}

/// Shows the fingerprint, such as `t13d1516h2_8daaf6152771_e5627efa2ab1`.
impl fmt::Display for Ja4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.a, self.b(), self.c())
    }
}

impl ClientHello {
    /// Its JA3, which has the order of the extensions.
    pub fn ja3(&self) -> Ja3 {
        Features::of(self).ja3(Extensions::AsSent)
    }

    /// Its JA3 with sorted extensions (`ja3n`): the same for every connection of a client that permutes them.
    pub fn ja3_sorted(&self) -> Ja3 {
        Features::of(self).ja3(Extensions::Sorted)
    }

    /// Its JA4.
    pub fn ja4(&self) -> Ja4 {
        Features::of(self).ja4()
    }
}

/// Which order of the extensions a JA3 has.
#[derive(Clone, Copy)]
pub(crate) enum Extensions {
    AsSent,
    Sorted,
}

/// What the fingerprints are made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features {
    pub(crate) legacy_version: u16,
    pub(crate) ciphers: Vec<u16>,
    /// The code points of the extensions.
    pub(crate) extensions: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(crate) point_formats: Vec<u8>,
    pub(crate) signature_algorithms: Vec<u16>,
    /// `None` without `supported_versions`.
    pub(crate) versions: Option<Vec<u16>>,
    /// The first application protocol, if there is one.
    pub(crate) protocol: Option<Vec<u8>>,
}

impl Features {
    fn of(hello: &ClientHello) -> Self {
        Self {
            legacy_version: hello.legacy_version(),
            ciphers: hello.cipher_suites().to_vec(),
            extensions: hello.extensions().iter().map(|sent| sent.id).collect(),
            groups: hello.supported_groups(),
            point_formats: hello.point_formats(),
            signature_algorithms: hello.signature_algorithms(),
            versions: hello.supported_versions(),
            protocol: hello.alpn().into_iter().next(),
        }
    }

    pub(crate) fn ja3(&self, order: Extensions) -> Ja3 {
        let mut extensions = plain(&self.extensions);
        if let Extensions::Sorted = order {
            extensions.sort_unstable();
        }
        let text = format!(
            "{},{},{},{},{}",
            self.legacy_version,
            dashed(&plain(&self.ciphers)),
            dashed(&extensions),
            dashed(&plain(&self.groups)),
            dashed(&self.point_formats),
        );
        Ja3 { text }
    }

    pub(crate) fn ja4(&self) -> Ja4 {
        let mut ciphers = plain(&self.ciphers);
        let mut extensions = plain(&self.extensions);
        let a = format!(
            "t{}{}{:02}{:02}{}",
            self.version(),
            match extensions.contains(&extension::SERVER_NAME) {
                true => 'd',
                false => 'i',
            },
            ciphers.len().min(99),
            extensions.len().min(99),
            first_and_last(self.protocol.as_deref().unwrap_or_default()),
        );
        ciphers.sort_unstable();
        extensions.sort_unstable();
        extensions.retain(|id| ![extension::SERVER_NAME, extension::ALPN].contains(id));
        let mut hashed = commas(&extensions);
        let algorithms = plain(&self.signature_algorithms);
        if !algorithms.is_empty() {
            hashed = format!("{hashed}_{}", commas(&algorithms));
        }
        Ja4 {
            a,
            ciphers: commas(&ciphers),
            extensions: hashed,
        }
    }

    fn version(&self) -> &'static str {
        let offered = self.versions.as_deref().map(plain);
        let version = match offered {
            Some(versions) => versions.into_iter().max().unwrap_or_default(),
            None => self.legacy_version,
        };
        match version {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            0xfeff => "d1",
            0xfefd => "d2",
            0xfefc => "d3",
            _ => "00",
        }
    }
}

/// Without GREASE.
fn plain(codes: &[u16]) -> Vec<u16> {
    codes
        .iter()
        .copied()
        .filter(|&code| !is_grease(code))
        .collect()
}

fn dashed<T: ToString>(numbers: &[T]) -> String {
    let numbers: Vec<String> = numbers.iter().map(T::to_string).collect();
    numbers.join("-")
}

fn commas(codes: &[u16]) -> String {
    let mut text = String::with_capacity(codes.len() * 5);
    for (index, code) in codes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}{code:04x}").expect("a string takes everything");
    }
    text
}

/// The first twelve digits of the hash; zeros for nothing.
fn part(hashed: &str) -> String {
    if hashed.is_empty() {
        return "0".repeat(12);
    }
    hex(&Sha256::digest(hashed.as_bytes())[..6])
}

/// The first and the last character of a protocol: of its hexadecimal digits unless both are letters or digits.
fn first_and_last(protocol: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (protocol.first(), protocol.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0xf)
}

#[cfg(test)]
mod tests;
