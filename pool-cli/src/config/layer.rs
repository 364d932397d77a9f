//! One value as a layer of its own, so that it keeps the name of where it came from.

use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

/// One setting from outside the file and the environment.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    key: &'static str,
    value: Value,
    name: &'static str,
    from: String,
}

/// The name of values that follow from the circumstances.
pub(super) const DERIVED: &str = "derived";

/// The name of values that flags give.
pub(super) const FLAG: &str = "flag";

impl Layer {
    /// A value that follows from `from`.
    pub(super) fn derived(
        key: &'static str,
        value: impl Into<Value>,
        from: impl Into<String>,
    ) -> Self {
        Self::new(key, value, DERIVED, from)
    }

    /// A value that the flag `flag` gives.
    pub(super) fn flag(key: &'static str, value: impl Into<Value>, flag: &str) -> Self {
        Self::new(key, value, FLAG, flag)
    }

    fn new(
        key: &'static str,
        value: impl Into<Value>,
        name: &'static str,
        from: impl Into<String>,
    ) -> Self {
        Self {
            key,
            value: value.into(),
            name,
            from: from.into(),
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.name, self.from.as_str())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let nested = nest(self.key, self.value.clone());
        let dict = nested.into_dict().expect("a key is not empty");
        Ok(Profile::Default.collect(dict))
    }
}
