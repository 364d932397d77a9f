//! A policy by name.

use std::collections::BTreeMap;

/// A policy that is chosen by its name, with its options as text.
///
/// In a file, everything beside `use` is an option: `use = "idle"`, `after = "60s"`. Numbers, booleans and lists of them
/// are taken as text, lists joined by commas. What the options mean is the policy's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyConfig {
    /// The name, by which the [`Registry`](crate::registry::Registry) knows the policy. `use` in a file.
    pub use_: String,
    /// The options by name.
    pub options: BTreeMap<String, String>,
}

impl PolicyConfig {
    /// The policy of this name, without options.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            use_: name.into(),
            options: BTreeMap::new(),
        }
    }

    /// Sets one option; the last value of a name counts.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }
}

#[cfg(feature = "serde")]
mod text {
    //! The flattened shape in files.

    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
    use serde::ser::{Serialize, SerializeMap, Serializer};

    use super::PolicyConfig;

    impl Serialize for PolicyConfig {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut map = to.serialize_map(Some(1 + self.options.len()))?;
            map.serialize_entry("use", &self.use_)?;
            for (name, value) in &self.options {
                map.serialize_entry(name, value)?;
            }
            map.end()
        }
    }

    impl<'de> Deserialize<'de> for PolicyConfig {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_map(Policy)
        }
    }

    struct Policy;

    impl<'de> Visitor<'de> for Policy {
        type Value = PolicyConfig;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a policy: `use`, and its options")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicyConfig, A::Error> {
            let mut name = None;
            let mut policy = PolicyConfig::default();
            while let Some(key) = map.next_key::<String>()? {
                if key == "use" {
                    name = Some(map.next_value::<String>()?);
                } else {
                    let Text(value) = map.next_value()?;
                    policy.options.insert(key, value);
                }
            }
            policy.use_ = name.ok_or_else(|| A::Error::missing_field("use"))?;
            Ok(policy)
        }
    }

    /// A scalar, or a list of scalars, as text.
    struct Text(String);

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(Scalar).map(Text)
        }
    }

    struct Scalar;

    impl<'de> Visitor<'de> for Scalar {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string, a number, a boolean, or a list of them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.into())
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
            let mut items = Vec::new();
            while let Some(Text(item)) = list.next_element()? {
                items.push(item);
            }
            Ok(items.join(","))
        }
    }
}
