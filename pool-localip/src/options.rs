//! Options from a configuration: text by key, checked against what an allocator knows.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{AddrSet, SourceError, StickyBy, Strategy, WhenBusy};

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
    /// A value is none of those that the option takes.
    Value {
        /// The key of the option.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// An address or prefix cannot be used; `source()` says why.
    Source {
        /// The key of the option.
        key: &'static str,
        /// What is wrong with it.
        source: SourceError,
    },
}

impl OptionsError {
    /// The key of the option at fault, as written.
    pub fn key(&self) -> &str {
        match self {
            Self::Unknown { key, .. } => key,
            Self::Missing { key }
            | Self::Number { key, .. }
            | Self::Value { key, .. }
            | Self::Source { key, .. } => key,
        }
    }
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
            Self::Value {
                key,
                value,
                expected,
            } => write!(f, "option {key:?}: {value:?} is not {expected}"),
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

pub(crate) const EXCLUDE: OptionDoc = OptionDoc {
    key: "exclude",
    meaning: "addresses and prefixes that are not used, separated by commas",
    default: Some("none"),
};

pub(crate) const STRATEGY: OptionDoc = OptionDoc {
    key: "strategy",
    meaning: "how an address is chosen: round-robin, random, least-used, sticky-host or sticky-class",
    default: Some("round-robin"),
};

pub(crate) const SEED: OptionDoc = OptionDoc {
    key: "seed",
    meaning: "a whole number that fixes the order of random, and who gets which address of sticky-host and sticky-class",
    default: Some("another one at each start for random, 0 for the sticky ones"),
};

pub(crate) const WHEN_BUSY: OptionDoc = OptionDoc {
    key: "when_busy",
    meaning: "what a sticky choice does while its address is busy: wait for it, or take the next",
    default: Some("wait"),
};

const STRATEGIES: &str = "one of round-robin, random, least-used, sticky-host and sticky-class";

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

    /// Applies the strategy and the limit to a set.
    pub(crate) fn shape(&self, set: AddrSet) -> Result<AddrSet, OptionsError> {
        let set = set.strategy(self.strategy()?);
        Ok(match self.above_zero(MAX_PER_ADDR.key)? {
            Some(connections) => set.max_per_addr(connections),
            None => set,
        })
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.values.get(key).map(|value| value.trim())
    }

    pub(crate) fn above_zero(&self, key: &'static str) -> Result<Option<usize>, OptionsError> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(OptionsError::Number {
                key,
                value: self.values[key].clone(),
            }),
        }
    }

    /// The value that `read` makes of the text, or an error that says what was expected.
    pub(crate) fn read<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, OptionsError> {
        let wrong = |text: &str| OptionsError::Value {
            key,
            value: text.to_owned(),
            expected,
        };
        self.text(key)
            .map(|text| read(text).ok_or_else(|| wrong(text)))
            .transpose()
    }

    pub(crate) fn duration(&self, key: &'static str) -> Result<Option<Duration>, OptionsError> {
        self.read(
            key,
            r#"a duration such as "500ms", "60s" or "5m""#,
            |text| {
                let unit = text.find(|c: char| !c.is_ascii_digit())?;
                let (number, unit) = (text[..unit].parse().ok()?, &text[unit..]);
                match unit {
                    "ms" => Some(Duration::from_millis(number)),
                    "s" => Some(Duration::from_secs(number)),
                    "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
                    _ => None,
                }
            },
        )
    }

    pub(crate) fn strategy(&self) -> Result<Strategy, OptionsError> {
        let seed = self.read(SEED.key, "a whole number from 0 to 2^64 - 1", |text| {
            text.parse().ok()
        })?;
        let when_busy = self.read(WHEN_BUSY.key, "wait or next", |text| match text {
            "wait" => Some(WhenBusy::Wait),
            "next" => Some(WhenBusy::Next),
            _ => None,
        })?;
        let sticky = |by| Strategy::Sticky {
            by,
            seed: seed.unwrap_or_default(),
            when_busy: when_busy.unwrap_or(WhenBusy::Wait),
        };
        let strategy = self.read(STRATEGY.key, STRATEGIES, |text| match text {
            "round-robin" => Some(Strategy::RoundRobin),
            "random" => Some(seed.map_or_else(Strategy::random, |seed| Strategy::Random { seed })),
            "least-used" => Some(Strategy::LeastUsed),
            "sticky-host" => Some(sticky(StickyBy::Host)),
            "sticky-class" => Some(sticky(StickyBy::Class)),
            _ => None,
        })?;
        Ok(strategy.unwrap_or_default())
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
