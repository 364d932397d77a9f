//! A policy that cannot be made.

use std::error::Error;
use std::fmt;

use super::{OptionDoc, PolicyKind};
use crate::config::{PolicyConfig, Problem, nearest};
use crate::error::BoxError;

/// Why a policy that a configuration names cannot be made.
///
/// `Display` says which policy; if its constructor refused, `source()` says which option and why.
#[derive(Debug)]
pub struct RegistryError {
    kind: PolicyKind,
    name: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Unknown {
        near: Vec<String>,
        known: Vec<String>,
    },
    Refused {
        source: BoxError,
    },
}

impl RegistryError {
    pub(super) fn unknown<'a>(
        kind: PolicyKind,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let near = nearest(name, known.clone());
        Self {
            kind,
            name: name.into(),
            reason: Reason::Unknown {
                near: near.into_iter().map(Into::into).collect(),
                known: known.map(Into::into).collect(),
            },
        }
    }

    pub(super) fn refused(kind: PolicyKind, name: &str, source: BoxError) -> Self {
        Self {
            kind,
            name: name.into(),
            reason: Reason::Refused { source },
        }
    }

    /// Which kind of policy was asked for.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The name that was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The known names that look like the one asked for, the closest first; empty if that name is known.
    pub fn near(&self) -> &[String] {
        match &self.reason {
            Reason::Unknown { near, .. } => near,
            Reason::Refused { .. } => &[],
        }
    }

    /// The option at fault, if the constructor's error is one of pool-health's or pool-localip's and says so.
    pub fn option(&self) -> Option<&str> {
        let Reason::Refused { source } = &self.reason else {
            return None;
        };
        if let Some(error) = source.downcast_ref::<pool_health::OptionsError>() {
            return Some(error.key());
        }
        let error = source.downcast_ref::<pool_localip::OptionsError>()?;
        Some(error.key())
    }

    /// The same, as a problem of the `policy` at `key`, which has these `options`.
    pub(super) fn into_problem(
        self,
        key: &str,
        policy: &PolicyConfig,
        options: &[OptionDoc],
    ) -> Problem {
        match &self.reason {
            Reason::Unknown { known, .. } => Problem {
                key: format!("{key}.use"),
                value: format!("{:?}", self.name),
                wrong: self.to_string(),
                fix: if known.is_empty() {
                    "none is built in: a program of yours registers one".into()
                } else {
                    format!("there are {}", known.join(", "))
                },
            },
            Reason::Refused { source } => {
                let (key, value) = match self.option() {
                    Some(option) => (
                        format!("{key}.{option}"),
                        policy
                            .options
                            .get(option)
                            .map_or_else(|| "(not set)".into(), |value| format!("{value:?}")),
                    ),
                    None => (key.to_owned(), format!("{:?}", self.name)),
                };
                let known: Vec<&str> = options.iter().map(|doc| doc.key.as_str()).collect();
                Problem {
                    key,
                    value,
                    wrong: chain(source.as_ref()),
                    fix: if known.is_empty() {
                        format!("see what {:?} takes", self.name)
                    } else {
                        format!("{:?} takes {}", self.name, known.join(", "))
                    },
                }
            }
        }
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    // A constructor may say what it likes; a problem is one line.
    text.replace(['\n', '\r'], " ")
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, reason } = self;
        match reason {
            Reason::Unknown { near, .. } => {
                write!(f, "there is no {kind} {name:?}")?;
                if !near.is_empty() {
                    let near: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
                    write!(f, "; did you mean {}?", near.join(" or "))?;
                }
                Ok(())
            }
            Reason::Refused { .. } => write!(f, "the {kind} {name:?} refuses its options"),
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Unknown { .. } => None,
            Reason::Refused { source } => Some(source.as_ref()),
        }
    }
}
