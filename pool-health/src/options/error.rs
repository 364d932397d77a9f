//! What is wrong with an option, and which one was probably meant.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::BoxError;

/// An option that a policy cannot use.
#[derive(Debug)]
pub struct OptionsError {
    key: String,
    kind: OptionsErrorKind,
    source: Option<BoxError>,
}

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsErrorKind {
    /// The policy has no such option; `near` is the one that looks most like it.
    #[non_exhaustive]
    Unknown {
        /// The known key that looks most like it, if any does.
        near: Option<String>,
    },
    /// The policy cannot do without it.
    Missing,
    /// Its value is not what the policy needs.
    #[non_exhaustive]
    Invalid {
        /// The value as it was given.
        value: String,
        /// What would have been right, as in "expected …".
        expected: Cow<'static, str>,
    },
}

impl OptionsError {
    /// `key` is none of `known`.
    pub fn unknown<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let near = known
            .into_iter()
            .map(|known| (edit_distance(key, known), known))
            .filter(|&(distance, known)| distance <= 1 + known.len() / 3)
            .min()
            .map(|(_, known)| known.to_owned());
        Self {
            key: key.to_owned(),
            kind: OptionsErrorKind::Unknown { near },
            source: None,
        }
    }

    /// `key` must be given.
    pub fn missing(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            kind: OptionsErrorKind::Missing,
            source: None,
        }
    }

    /// `value` is not what `key` needs; `expected` completes "expected …".
    pub fn invalid(key: &str, value: &str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self {
            key: key.to_owned(),
            kind: OptionsErrorKind::Invalid {
                value: value.to_owned(),
                expected: expected.into(),
            },
            source: None,
        }
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source<E: Into<BoxError>>(mut self, source: E) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The option at fault.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong with it.
    pub fn kind(&self) -> &OptionsErrorKind {
        &self.kind
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.kind {
            OptionsErrorKind::Unknown { near: Some(near) } => {
                write!(f, "unknown option {key:?}, did you mean {near:?}?")
            }
            OptionsErrorKind::Unknown { near: None } => write!(f, "unknown option {key:?}"),
            OptionsErrorKind::Missing => write!(f, "option {key:?} is missing"),
            OptionsErrorKind::Invalid { value, expected } => {
                write!(f, "option {key:?} is {value:?}, expected {expected}")
            }
        }
    }
}

impl Error for OptionsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Insertions, deletions and replacements of one character that turn `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::edit_distance;

    #[test]
    fn distances_count_single_edits() {
        for (a, b, distance) in [
            ("", "", 0),
            ("max", "max", 0),
            ("", "max", 3),
            ("aftr", "after", 1),
            ("jiter", "jitter", 1),
            ("paht", "path", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }
}
