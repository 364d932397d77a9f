//! What a policy reads from configuration: keys and values, all text, with errors that name the key.

mod duration;
mod error;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::{BoxError, ParseStatusSetError, StatusSet};

pub(crate) use self::duration::parse as parse_duration;
pub use self::error::{OptionsError, OptionsErrorKind};

/// The options of one policy, as configuration gave them, without its name.
///
/// Values are text: durations `500ms`, `60s`, `1m30s` (units `d h m s ms us`, descending), plain numbers, status lists
/// `200-299,304`. A constructor first calls [`finish`](Self::finish), then reads what it knows.
///
/// ```
/// use pool_health::{IdleTimeout, Options};
///
/// let options = Options::from([("aftr", "60s")]);
/// let error = IdleTimeout::from_options(&options).unwrap_err();
/// assert_eq!(error.to_string(), r#"unknown option "aftr", did you mean "after"?"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// No options.
    pub const fn new() -> Self {
        Self {
            values: BTreeMap::new(),
        }
    }

    /// Sets `key`, replacing what it was.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(key.into(), value.into());
        self
    }

    /// Refuses every key that is not in `known`: plain names, or the policy's [`OptionDoc`]s. A known key that ends in `*` stands for all
    /// that begin with what is before it.
    ///
    /// # Errors
    ///
    /// The first unknown key, with the known one that looks most like it.
    pub fn finish<K: AsRef<str>>(&self, known: &[K]) -> Result<(), OptionsError> {
        let matches = |known: &str, key: &str| match known.strip_suffix('*') {
            Some(prefix) => key.len() > prefix.len() && key.starts_with(prefix),
            None => known == key,
        };
        let unknown = self
            .values
            .keys()
            .find(|key| !known.iter().any(|known| matches(known.as_ref(), key)));
        unknown.map_or(Ok(()), |key| {
            Err(OptionsError::unknown(
                key,
                known.iter().map(|known| known.as_ref()),
            ))
        })
    }

    /// The text of `key`, if given.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The text of `key`.
    ///
    /// # Errors
    ///
    /// If it is missing.
    pub fn required(&self, key: &str) -> Result<&str, OptionsError> {
        self.text(key).ok_or_else(|| OptionsError::missing(key))
    }

    /// The duration at `key`, if given.
    ///
    /// # Errors
    ///
    /// If it is not a duration.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, OptionsError> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        parse_duration(text).map(Some).ok_or_else(|| {
            OptionsError::invalid(key, text, r#"a duration such as "500ms", "60s" or "1m30s""#)
        })
    }

    /// The number at `key`, if given. The caller says of which type.
    ///
    /// # Errors
    ///
    /// If it is not a number of that type.
    pub fn number<T>(&self, key: &str) -> Result<Option<T>, OptionsError>
    where
        T: FromStr,
        T::Err: Into<BoxError>,
    {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error: T::Err| {
            OptionsError::invalid(key, text, "a number").with_source(error)
        })
    }

    /// The statuses at `key`, if given.
    ///
    /// # Errors
    ///
    /// If it is not a [`StatusSet`].
    pub fn status_set(&self, key: &str) -> Result<Option<StatusSet>, OptionsError> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|error: ParseStatusSetError| {
                OptionsError::invalid(key, text, r#"a list of statuses such as "200-299,304""#)
                    .with_source(error)
            })
    }

    /// All options whose key begins with `prefix`, without it, by key.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
    }

    /// Checks a condition on the value of `key` that its type does not say.
    ///
    /// # Errors
    ///
    /// If it does not hold: the error says what was `expected`.
    pub fn ensure(
        &self,
        key: &str,
        holds: bool,
        expected: impl Into<Cow<'static, str>>,
    ) -> Result<(), OptionsError> {
        if holds {
            return Ok(());
        }
        Err(OptionsError::invalid(
            key,
            self.text(key).unwrap_or_default(),
            expected,
        ))
    }
}

impl From<BTreeMap<String, String>> for Options {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Options {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self {
            values: pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }
}

/// One option that a policy understands, for `--help` and for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionDoc {
    /// The key; a `*` at its end stands for any rest.
    pub key: &'static str,
    /// What it means, as part of a sentence.
    pub meaning: &'static str,
    /// The value that leaving it out amounts to; `None` if it must be given. Empty if it then simply is not there.
    pub default: Option<&'static str>,
}

impl OptionDoc {
    /// Documents `key`.
    pub const fn new(
        key: &'static str,
        meaning: &'static str,
        default: Option<&'static str>,
    ) -> Self {
        Self {
            key,
            meaning,
            default,
        }
    }
}

impl AsRef<str> for OptionDoc {
    fn as_ref(&self) -> &str {
        self.key
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_unknown_key_is_refused_and_the_near_one_named() {
        let options = Options::from([("mx", "3")]);
        let error = options.finish(&["jitter", "max"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"unknown option "mx", did you mean "max"?"#
        );
        assert_eq!(error.key(), "mx");
    }

    #[test]
    fn a_key_like_no_other_gets_no_suggestion() {
        let options = Options::from([("colour", "red")]);
        let error = options.finish(&["max"]).unwrap_err();
        assert_eq!(error.to_string(), r#"unknown option "colour""#);
        let error = options.finish::<&str>(&[]).unwrap_err();
        assert_eq!(error.to_string(), r#"unknown option "colour""#);
    }

    #[test]
    fn a_star_stands_for_any_rest_but_not_for_none() {
        let options = |key: &str| Options::new().set(key, "x");
        assert!(options("header.accept").finish(&["header.*"]).is_ok());
        assert!(options("header.").finish(&["header.*"]).is_err());
        assert!(options("header").finish(&["header.*"]).is_err());
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = Options::new().required("path").unwrap_err();
        assert_eq!(error.to_string(), r#"option "path" is missing"#);
    }

    #[test]
    fn a_bad_value_is_shown_with_what_was_expected_and_the_cause_underneath() {
        let options = Options::from([("max", "many"), ("accept", "2xx"), ("after", "60")]);
        let error = options.number::<u64>("max").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"option "max" is "many", expected a number"#
        );
        assert!(error.source().is_some());
        let error = options.status_set("accept").unwrap_err();
        assert!(error.source().unwrap().to_string().contains("2xx"));
        assert!(options.duration("after").is_err(), "a unit is needed");
    }

    #[test]
    fn what_is_absent_is_not_an_error_when_optional() {
        let options = Options::new();
        assert_eq!(options.number::<u64>("max").unwrap(), None);
        assert_eq!(options.duration("after").unwrap(), None);
        assert_eq!(options.status_set("accept").unwrap(), None);
        assert_eq!(options.text("path"), None);
    }

    #[test]
    fn prefixed_keys_come_without_their_prefix() {
        let options = Options::from([("header.b", "2"), ("path", "/"), ("header.a", "1")]);
        let headers: Vec<_> = options.with_prefix("header.").collect();
        assert_eq!(headers, [("a", "1"), ("b", "2")]);
    }
}
