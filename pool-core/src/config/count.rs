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

/// The same for a count that need not be there.
pub(super) mod optional {
    use serde::Serialize;
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    pub(in crate::config) fn serialize<S: Serializer>(
        count: &Option<usize>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        struct There<'a>(&'a usize);
        impl Serialize for There<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                super::serialize(self.0, to)
            }
        }
        count.as_ref().map(There).serialize(to)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<usize>, D::Error> {
        struct There(usize);
        impl<'de> Deserialize<'de> for There {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                super::deserialize(from).map(Self)
            }
        }
        Option::<There>::deserialize(from).map(|count| count.map(|There(count)| count))
    }
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
