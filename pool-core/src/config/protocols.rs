//! [`Protocols`] as a word.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

use crate::key::Protocols;

const WORDS: &[&str] = &["auto", "http1", "http2"];

pub(super) fn serialize<S: Serializer>(value: &Protocols, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match value {
        Protocols::Auto => WORDS[0],
        Protocols::Http1 => WORDS[1],
        Protocols::Http2 => WORDS[2],
    })
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Protocols, D::Error> {
    let word = String::deserialize(from)?;
    match word.as_str() {
        "auto" => Ok(Protocols::Auto),
        "http1" => Ok(Protocols::Http1),
        "http2" => Ok(Protocols::Http2),
        _ => Err(D::Error::unknown_variant(&word, WORDS)),
    }
}
