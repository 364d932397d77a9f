//! What stands in a profile's file as a string: code points by name, header lines, bytes.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::Registry;
use crate::near::near;
use crate::spec::{PseudoHeader, Slot};
use crate::wire::hex;

/// Where the names of a list come from.
pub(super) trait Names {
    const REGISTRY: Registry;
}

macro_rules! names {
    ($($name:ident),+) => {$(
        #[derive(Clone, Debug, PartialEq)]
        pub(super) struct $name;

        impl Names for $name {
            const REGISTRY: Registry = Registry::$name;
        }
    )+};
}

names! {
    CipherSuite, Group, SignatureScheme, Version, CertificateCompression, PointFormat, PskMode, Kdf, Aead, Extension,
    Http2Setting
}

/// A code point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named<N>(u16, PhantomData<N>);

impl<N> Named<N> {
    pub(super) fn new(code: u16) -> Self {
        Self(code, PhantomData)
    }

    pub(super) fn code(self) -> u16 {
        self.0
    }
}

/// A code point, or GREASE.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SlotName<N>(Slot, PhantomData<N>);

impl<N> SlotName<N> {
    pub(super) fn new(slot: Slot) -> Self {
        Self(slot, PhantomData)
    }

    pub(super) fn slot(self) -> Slot {
        self.0
    }
}

pub(super) fn names<N>(slots: &[Slot]) -> Vec<SlotName<N>> {
    slots.iter().copied().map(SlotName::new).collect()
}

pub(super) fn slots<N>(names: Vec<SlotName<N>>) -> Vec<Slot> {
    names.into_iter().map(SlotName::slot).collect()
}

pub(super) fn named<N, T: Into<u16> + Copy>(codes: &[T]) -> Vec<Named<N>> {
    codes.iter().map(|&code| Named::new(code.into())).collect()
}

pub(super) fn codes<N>(names: Vec<Named<N>>) -> Vec<u16> {
    names.into_iter().map(Named::code).collect()
}

const GREASE: &str = "GREASE";

/// The code point that `text` names; the error says which names are near.
fn code(text: &str, registry: Registry) -> Result<u16, String> {
    if let Some(code) = registry.code(text) {
        return Ok(code);
    }
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() <= 4);
    if let Some(code) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
        return Ok(code);
    }
    let near = near(text, registry.names());
    let near = match near.is_empty() {
        true => String::new(),
        false => format!("; there is `{}`", near.join("`, `")),
    };
    Err(format!(
        "no {} named `{text}`{near}; one without a name is written as `0x1234`",
        registry.noun()
    ))
}

impl<N: Names> fmt::Display for Named<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&N::REGISTRY.show(self.0))
    }
}

impl<N: Names> FromStr for Named<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        code(text, N::REGISTRY).map(Self::new)
    }
}

impl<N: Names> fmt::Display for SlotName<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.show(N::REGISTRY))
    }
}

impl<N: Names> FromStr for SlotName<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let slot = match text {
            GREASE => Ok(Slot::Grease),
            _ => code(text, N::REGISTRY).map(Slot::Value),
        };
        slot.map(Self::new)
    }
}

/// A header, as `name: value`.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let (name, value) = parts.ok_or_else(|| format!("`{text}` is no `name: value`"))?;
        Ok(Self {
            name: name.to_owned(),
            value: value.strip_prefix(' ').unwrap_or(value).to_owned(),
        })
    }
}

/// A pseudo-header, such as `:method`.
pub(super) struct Pseudo(pub(super) PseudoHeader);

impl fmt::Display for Pseudo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for Pseudo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = PseudoHeader::named(text).map(Self);
        named.ok_or_else(|| {
            let names = PseudoHeader::ALL.map(PseudoHeader::name).join("`, `");
            format!("no pseudo-header named `{text}`; there are `{names}`")
        })
    }
}

/// Bytes, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "bytes are pairs of hexadecimal digits".to_owned();
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits
            .filter(|digits| digits.len() % 2 == 0)
            .ok_or_else(wrong)?;
        let pairs = digits.chunks(2);
        let bytes = pairs.map(|pair| u8::try_from(16 * pair[0] + pair[1]));
        Ok(Self(
            bytes.collect::<Result<_, _>>().map_err(|_never| wrong())?,
        ))
    }
}

/// Reads what is written as one string.
struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! as_strings {
    ($([$($bound:tt)*] $type:ty),+ $(,)?) => {$(
        impl<$($bound)*> Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, $($bound)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    )+};
}

as_strings! {
    [N: Names] Named<N>,
    [N: Names] SlotName<N>,
    [] Header,
    [] Pseudo,
    [] Hex,
}
