//! A count as a number, or as the word `"unlimited"` for `usize::MAX`.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::ser::Serializer;

const UNLIMITED: &str = "unlimited";

pub(super) fn serialize<S: Serializer>(count: &usize, to: S) -> Result<S::Ok, S::Error> {
    // Not every format has numbers as large as this one: TOML's end at 2^63-1.
    if *count == usize::MAX {
        to.serialize_str(UNLIMITED)
    } else {
        to.serialize_u64(*count as u64)
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    from.deserialize_any(Count)
}

struct Count;

impl Visitor<'_> for Count {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from 0, or \"{UNLIMITED}\"")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<usize, E> {
        usize::try_from(number).or(Err(E::invalid_value(Unexpected::Unsigned(number), &self)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<usize, E> {
        usize::try_from(number).or(Err(E::invalid_value(Unexpected::Signed(number), &self)))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<usize, E> {
        if word == UNLIMITED {
            Ok(usize::MAX)
        } else {
            Err(E::invalid_value(Unexpected::Str(word), &self))
        }
    }
}
