//! Why a profile is none.

use std::error::Error;
use std::fmt;

/// What is wrong with a profile, or with the captures that one is to be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    field: String,
    problem: String,
    line: Option<usize>,
}

impl SpecError {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            line: None,
        }
    }

    #[cfg(feature = "profiles")]
    pub(super) fn at_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// Where in the profile, such as `hello.key_share`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The line of the file, from 1; `None` if it is not one line, or no file was read.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl Error for SpecError {}
