//! Options from a configuration: text by key, checked against what an allocator knows.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::SourceError;

/// What a listing says about one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionDoc {
    /// The key in a configuration.
    pub key: &'static str,
    /// What its value means and how it is written.
    pub meaning: &'static str,
    /// What holds without it; `None` if it is required.
    pub default: Option<&'static str>,
}

/// A configuration that an allocator cannot be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// There is no such option.
    Unknown {
        /// The key as written.
        key: String,
        /// The known key that looks most like it, if one does.
        near: Option<&'static str>,
        /// All known keys.
        known: Vec<&'static str>,
    },
    /// A required option is not there.
    Missing {
        /// Its key.
        key: &'static str,
    },
    /// A number is not one, or is out of range.
    Number {
        /// The key of the option.
        key: &'static str,
        /// The value as written.
        value: String,
    },
    /// An address or prefix cannot be used; `source()` says why.
    Source {
        /// The key of the option.
        key: &'static str,
        /// What is wrong with it.
        source: SourceError,
    },
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { key, near, known } => {
                write!(f, "unknown option {key:?}")?;
                match near {
                    Some(near) => write!(f, "; did you mean {near:?}?"),
                    None if known.is_empty() => f.write_str("; there are none"),
                    None => write!(f, "; there are {}", known.join(", ")),
                }
            }
            Self::Missing { key } => write!(f, "the option {key:?} is missing"),
            Self::Number { key, value } => {
                write!(
                    f,
                    "option {key:?}: {value:?} is not a whole number above zero"
                )
            }
            Self::Source { key, .. } => write!(f, "option {key:?} names no usable source"),
        }
    }
}

impl Error for OptionsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source { source, .. } => Some(source),
            _ => None,
        }
    }
}

pub(crate) const MAX_PER_ADDR: OptionDoc = OptionDoc {
    key: "max_per_addr",
    meaning: "connections at a time per address",
    default: Some("unlimited"),
};

/// Options whose keys are all known.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    values: &'a BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(
        values: &'a BTreeMap<String, String>,
        known: &'static [OptionDoc],
    ) -> Result<Self, OptionsError> {
        let known: Vec<&'static str> = known.iter().map(|option| option.key).collect();
        match values.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(Self { values }),
            Some(key) => Err(OptionsError::Unknown {
                key: key.clone(),
                near: nearest(key, &known),
                known,
            }),
        }
    }

    pub(crate) fn required<T>(&self, key: &'static str) -> Result<T, OptionsError>
    where
        T: FromStr<Err = SourceError>,
    {
        let value = self.values.get(key).ok_or(OptionsError::Missing { key })?;
        value
            .parse()
            .map_err(|source| OptionsError::Source { key, source })
    }

    pub(crate) fn max_per_addr(&self) -> Result<Option<usize>, OptionsError> {
        let key = MAX_PER_ADDR.key;
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match value.trim().parse() {
            Ok(connections) if connections > 0 => Ok(Some(connections)),
            _ => Err(OptionsError::Number {
                key,
                value: value.clone(),
            }),
        }
    }
}

/// The known key at the least edit distance, if that is small enough for a slip of the finger.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|&candidate| (distance(key, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements of one character that turn `a` into `b`; case and `-` for `_` cost nothing.
fn distance(a: &str, b: &str) -> usize {
    let a = a.to_lowercase().replace('-', "_");
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}
